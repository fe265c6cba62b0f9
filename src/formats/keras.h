/* What the sources of the reader of Keras's files share. */
#ifndef VGG_FORMATS_KERAS_H
#define VGG_FORMATS_KERAS_H

#include <jansson.h>

#include "formats/format.h"
#include "formats/hdf5.h"

typedef enum vgg_keras_kind {
    VGG_KERAS_CONVOLUTION = 0,
    VGG_KERAS_BATCH_NORM,
    VGG_KERAS_LINEAR,
    VGG_KERAS_POOL,
} vgg_keras_kind;

/* The tensors that a layer may have. */
enum {
    VGG_KERAS_KERNEL = 0,
    VGG_KERAS_BIAS,
    VGG_KERAS_GAMMA,
    VGG_KERAS_BETA,
    VGG_KERAS_MEAN,
    VGG_KERAS_VARIANCE,
    VGG_KERAS_TENSORS,
};

/* A layer as its tensors show it. */
typedef struct vgg_keras_layer {
    char *name, *place; /* Keras's name; the group of the tensors: "model_weights/fc1/fc1" */
    vgg_keras_kind kind;
    bool has[VGG_KERAS_TENSORS];
    vgg_hdf5_array tensors[VGG_KERAS_TENSORS];
    bool used; /* by a step */
} vgg_keras_layer;

/* A layer in the order in which data flows. */
typedef struct vgg_keras_step {
    vgg_keras_kind kind;
    char *name;
    vgg_keras_layer *layer; /* NULL for a pool */
    double epsilon;         /* of batch normalisation */
} vgg_keras_step;

typedef struct vgg_keras {
    vgg_tensor_source *source;
    vgg_hdf5 file;
    vgg_keras_layer *layers; /* sorted by place, numbers in it as numbers */
    size_t layer_count, layer_capacity;
    vgg_keras_step *steps;
    size_t step_count, step_capacity;
    size_t height, width; /* of the input, 0 when the file does not say */
} vgg_keras;

/* Keras's own epsilon where a file does not say it, and that of the networks here. */
#define VGG_KERAS_EPSILON 1e-3
#define VGG_KERAS_OUR_EPSILON 1e-5

/* Appends a step; layer may be NULL. */
vgg_status vgg_keras_add_step(vgg_keras *k, vgg_keras_kind kind, const char *name,
                              vgg_keras_layer *layer, double epsilon, vgg_error *error);

/* Finds all layers that have tensors (keras_tree.c). */
vgg_status vgg_keras_read_layers(vgg_keras *k, vgg_error *error);

/* The steps and the input's size from the description of the model (keras_config.c). */
vgg_status vgg_keras_read_config(vgg_keras *k, const json_t *config, vgg_error *error);

/* The steps from the order of names (keras_names.c). */
vgg_status vgg_keras_read_names(vgg_keras *k, vgg_error *error);

/* Gives the source the tensors and the architecture of the steps (keras_layers.c). */
vgg_status vgg_keras_place(vgg_keras *k, vgg_error *error);

/* Copies a kernel of Keras's, (positions, channels, outputs), to (outputs, channels, positions);
 * items have 2, 4 or 8 bytes. */
void vgg_keras_transpose(const unsigned char *from, size_t positions, size_t channels,
                         size_t outputs, size_t item, unsigned char *to);

#endif
