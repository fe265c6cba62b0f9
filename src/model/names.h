/* The names that tensors have in other people's files, brought to torchvision's. */
#ifndef VGG_MODEL_NAMES_H
#define VGG_MODEL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/format.h"
#include "vgg/network.h"

/* A stored tensor under torchvision's name. A name too long to be one of those is left empty. */
typedef struct vgg_named_tensor {
    char name[VGG_TENSOR_NAME];
    const vgg_stored_tensor *stored;
    const vgg_stored_tensor *scale; /* of weights of int8: found by vgg_bind_scale; else NULL */
    bool used;
} vgg_named_tensor;

typedef struct vgg_named_tensors {
    vgg_named_tensor *items;
    size_t count;
} vgg_named_tensors;

/* Translates the names of the source, which must outlive the list:
 *   "module." before every name (torch.nn.DataParallel) is dropped;
 *   timm's pre_logits.fc1, pre_logits.fc2 and head.fc become classifier.0, .3 and .6. */
vgg_status vgg_names_read(const vgg_tensor_source *source, vgg_named_tensors *names,
                          vgg_error *error);
void vgg_names_free(vgg_named_tensors *names);

/* The first tensor with that name that is not yet used; NULL when there is none. */
vgg_named_tensor *vgg_names_find(const vgg_named_tensors *names, const char *name);

/* Takes "features.12.weight" apart for the module "features": true with the index 12 and the field
 * "weight", which lies in the name. */
bool vgg_name_split(const char *name, const char *module, size_t *index, const char **field);

/* Old checkpoints have the dropout in another place of the classifier, which shifts the indices of
 * its linear layers: when the list has as many of them as the network, they take the network's
 * names in the order of their indices. */
vgg_status vgg_names_shift_classifier(vgg_named_tensors *names, const vgg_network *network,
                                      vgg_error *error);

#endif
