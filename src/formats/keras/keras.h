/* What the sources of the reader of Keras's files share. */
#ifndef VGG_FORMATS_KERAS_KERAS_H
#define VGG_FORMATS_KERAS_KERAS_H

#include <jansson.h>

#include "formats/containers/hdf5.h"
#include "formats/format.h"
#include "formats/sequence.h"

typedef enum vgg_keras_kind {
    VGG_KERAS_CONVOLUTION = 0,
    VGG_KERAS_BATCH_NORM,
    VGG_KERAS_LINEAR,
    VGG_KERAS_NORMALISATION, /* of the input, by figures that were measured once */
    VGG_KERAS_PLAIN,         /* a layer without tensors, of the step's type */
    VGG_KERAS_FLATTEN,
    VGG_KERAS_GAP, /* where nothing is known of what stands there */
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
    bool counted; /* it says how many pictures its figures were measured on */
    bool used;    /* by a step */
} vgg_keras_layer;

/* A layer in the order in which data flows. */
typedef struct vgg_keras_step {
    vgg_keras_kind kind;
    char *name;
    vgg_keras_layer *layer; /* NULL for one without tensors */
    double number;          /* the epsilon of batch normalisation, the rate of dropout */
    vgg_layer_type type;    /* of a plain one */
    vgg_edges edges;        /* of a convolution */
    size_t modules;         /* of a gap, as in vgg_clue */
    bool block_ends;
} vgg_keras_step;

/* How many groups have the names that Keras gives to layers without tensors: files of weights alone
 * have a group for each, in no order. */
typedef struct vgg_keras_plain {
    size_t max_pools, average_pools, global_averages, global_maxima, flattens;
    char refused[80]; /* the name of one that no network here has; "" for none */
} vgg_keras_plain;

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
    vgg_keras_plain plain;
    bool numbered;    /* the order of layers is that of the numbers in their names */
    bool padded;      /* layers that add a border of zeros stand before convolutions */
    bool has_blocks;  /* the names of convolutions make blocks */
    bool inner_relus; /* layers without an activation behind them were given ReLUs */
    size_t picked[3], picked_count; /* channels that the description takes from the input one by
                                     * one */
} vgg_keras;

/* Where a file does not say it. */
#define VGG_KERAS_EPSILON 1e-3

/* Appends a step, of whose name it keeps a copy. */
vgg_status vgg_keras_add_step(vgg_keras *k, vgg_keras_step step, const char *name,
                              vgg_error *error);

/* What the description says is done with the input before the first convolution (keras_input.c):
 * a layer of that class, whose description is the object `layer` with its "config". *known: the
 * class is one of these. What is wrong is in what[]; "" when nothing is. */
#define VGG_KERAS_WHAT 160
vgg_status vgg_keras_prepare(vgg_keras *k, const char *type, const json_t *layer, bool *known,
                             char what[VGG_KERAS_WHAT]);
/* The figures of a Normalization layer. */
vgg_status vgg_keras_normalise(vgg_keras *k, const vgg_keras_layer *layer, vgg_error *error);

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

/* Counts a group by its name. */
void vgg_keras_count_plain(vgg_keras *k, const char *name);

/* Gives the source the tensors as they lie in the file, under the names that they have there. */
vgg_status vgg_keras_list(vgg_keras *k, vgg_error *error);

/* Gives the source the tensors and the architecture of the steps (keras_layers.c). */
vgg_status vgg_keras_place(vgg_keras *k, vgg_error *error);

#endif
