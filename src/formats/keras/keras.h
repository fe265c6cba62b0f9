/* What the sources of the reader of Keras's files share. */
#ifndef VGG_FORMATS_KERAS_KERAS_H
#define VGG_FORMATS_KERAS_KERAS_H

#include <jansson.h>

#include "formats/containers/hdf5.h"
#include "formats/format.h"

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

typedef struct vgg_keras_tensor {
    char *name;   /* with all groups: "model_weights/fc1/fc1/kernel:0" */
    size_t group; /* index of the group that it lies in */
    vgg_hdf5_array array;
} vgg_keras_tensor;

/* A group that has tensors. */
typedef struct vgg_keras_group {
    char *name, *place; /* Keras's name of the layer; "model_weights/fc1/fc1" */
} vgg_keras_group;

/* A layer as the tensors of a group show it. */
typedef struct vgg_keras_layer {
    const char *name, *place; /* the group's */
    vgg_keras_kind kind;
    const vgg_keras_tensor *tensors[VGG_KERAS_TENSORS]; /* NULL: it has none of that kind */
    bool used;                                          /* by a step */
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
    vgg_keras_tensor *tensors;
    vgg_keras_group *groups;
    size_t tensor_count, tensor_capacity, group_count, group_capacity;
    vgg_keras_layer *layers; /* one of each group, sorted by place, numbers in it as numbers */
    size_t layer_count;
    vgg_keras_step *steps;
    size_t step_count, step_capacity;
    size_t height, width; /* of the input, 0 when the file does not say */
} vgg_keras;

/* Where a file does not say it. */
#define VGG_KERAS_EPSILON 1e-3

/* Appends a step; layer may be NULL. */
vgg_status vgg_keras_add_step(vgg_keras *k, vgg_keras_kind kind, const char *name,
                              vgg_keras_layer *layer, double epsilon, vgg_error *error);

/* Lists all tensors and the groups that they lie in (keras_tree.c). */
vgg_status vgg_keras_read_tree(vgg_keras *k, vgg_error *error);

/* What a name or place has behind its last slash. */
const char *vgg_keras_leaf(const char *place);

/* Makes layers of the groups (keras_groups.c). */
vgg_status vgg_keras_read_layers(vgg_keras *k, vgg_error *error);

/* The steps and the input's size from the description of the model (keras_config.c). */
vgg_status vgg_keras_read_config(vgg_keras *k, const json_t *config, vgg_error *error);

/* The steps from the order of names (keras_names.c). */
vgg_status vgg_keras_read_names(vgg_keras *k, vgg_error *error);

/* Gives the source the tensors as they lie in the file, under the names that they have there. */
vgg_status vgg_keras_list(vgg_keras *k, vgg_error *error);

/* Gives the source the tensors and the architecture of the steps (keras_layers.c). */
vgg_status vgg_keras_place(vgg_keras *k, vgg_error *error);

#endif
