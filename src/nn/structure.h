/* The structure of a network: the list of its layers in the order in which they are executed, and
 * nothing of tensors. A written architecture is read into one, readers of files make one of what a
 * file shows, and a network is built from one. */
#ifndef VGG_NN_STRUCTURE_H
#define VGG_NN_STRUCTURE_H

#include "vgg/network.h"

/* Most channels or features that a layer but the last may have, and most words of a written
 * architecture on either side of the slash: far above any VGG, far below what could overflow. */
#define VGG_MOST_CHANNELS 65536
#define VGG_MOST_WORDS 512
#define VGG_MOST_CLASSES 1000000

typedef struct vgg_structure_layer {
    vgg_layer_type type;
    bool flat;      /* it sees rows of features: linear layers and all behind the flattening */
    size_t outputs; /* convolution: channels; linear: features */
    size_t kernel;  /* convolution: 3 or 1 */
    bool valid;     /* 3x3 convolution: without padding */
    double dropout; /* dropout: the probability */
} vgg_structure_layer;

/* First the layers that see pictures: convolutions, batch normalisations, ReLUs, pools of 2x2, LRN
 * and dropouts; then at most one pool of fixed size (to 7x7, or global); then the flat ones: linear
 * layers, batch normalisations, ReLUs and dropouts. The last is the linear layer whose outputs are
 * the classes. Start with {0}. */
typedef struct vgg_structure {
    vgg_structure_layer *layers;
    size_t count, capacity;
} vgg_structure;

/* Appends a layer; false when memory ran out. */
bool vgg_structure_add(vgg_structure *structure, vgg_structure_layer layer);
void vgg_structure_free(vgg_structure *structure);

/* VGG_ERROR_ARGUMENT for what is no structure as described above, or has more than VGG_MOST_WORDS
 * layers. */
vgg_status vgg_structure_check(const vgg_structure *structure, vgg_error *error);

/* The structure that arch, layout, batch_norm, padding, dropout and classes describe; layout and
 * padding are not unsaid. The caller frees *structure whatever the outcome. */
vgg_status vgg_structure_read(const vgg_network_options *options, vgg_structure *structure,
                              vgg_error *error);

/* The way back, in the simplest words, for a structure that is in order: sets those six options;
 * dropout stays as it is where no word takes its value. options->arch belongs to the caller, who
 * frees it. */
vgg_status vgg_structure_write(const vgg_structure *structure, vgg_network_options *options,
                               vgg_error *error);

/* Whether the words of an architecture are all from before c, f, P, B, R, D0.5 and 64v were: what
 * any version of this library reads. */
bool vgg_arch_is_plain(const char *arch);

/* A probability as a decimal fraction, "0.25", exact to 19 digits behind the point: false when the
 * text is none below 1. The writer gives the fewest digits that read back the same. */
#define VGG_PROBABILITY_TEXT 24
bool vgg_probability_read(const char *text, double *probability);
const char *vgg_probability_write(double probability, char text[VGG_PROBABILITY_TEXT]);

#endif
