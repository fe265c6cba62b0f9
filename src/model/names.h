/* The tensors of a file under the names that the network gives them. */
#ifndef VGG_MODEL_NAMES_H
#define VGG_MODEL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/format.h"
#include "model/modules.h"
#include "vgg/network.h"

/* A stored tensor under the network's name. A name too long to be one of those is left empty. */
typedef struct vgg_named_tensor {
    char name[VGG_TENSOR_NAME];
    const vgg_stored_tensor *stored;
    const vgg_stored_tensor *scale; /* of weights of int8: found by vgg_bind_scale; else NULL */
    bool used;
} vgg_named_tensor;

typedef struct vgg_named_tensors {
    vgg_named_tensor *items; /* as many and in the order of the source */
    size_t count;
} vgg_named_tensors;

/* The names that the source has, which must outlive the list. */
vgg_status vgg_names_read(const vgg_tensor_source *source, vgg_named_tensors *names,
                          vgg_error *error);
void vgg_names_free(vgg_named_tensors *names);

/* The first tensor with that name that is not yet used; NULL when there is none. */
vgg_named_tensor *vgg_names_find(const vgg_named_tensors *names, const char *name);

/* Names the tensors of modules as the network does: those of its n-th convolution like those of the
 * file's n-th, and so on; what the network has no place for keeps its name. */
void vgg_names_by_order(vgg_named_tensors *names, const vgg_modules *modules,
                        const vgg_network *network);

#endif
