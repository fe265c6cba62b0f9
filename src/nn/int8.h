/* Convolutions in whole numbers of 8 bits: what their numbers are worth. */
#ifndef VGG_NN_INT8_H
#define VGG_NN_INT8_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

struct vgg_network;

/* Of a 3x3 convolution. */
typedef struct vgg_int8 {
    size_t tile;      /* of Winograd's transforms: 2 or 4; 1: directly */
    float figures[2]; /* error and cost, as in vgg_int8_info */
    float *inputs;    /* per point, what a number of the transformed input is worth; 1 / factors */
    float *weights;   /* (K, points), of the transformed filters; directly there is one point, of
                       * all input and all weights of an output */
    float *factors; /* all three are finite and above 0, and one block of memory, which begins with
                     * inputs */
} vgg_int8;

/* Whether it can be: a 3x3 convolution with a block of channels on both sides that is not the first
 * layer, which stays in float32. */
bool vgg_network_can_int8(const struct vgg_network *network, size_t layer);

/* Scales of an input: points of the transforms; 1 directly. */
size_t vgg_int8_points(size_t tile);
/* Whether it can be by such tiles. */
bool vgg_network_can_int8_by(const struct vgg_network *network, size_t layer, size_t tile);
/* What is added to the numbers of a layer's input directly: 0 where no value can be negative, as
 * behind a ReLU, else 128. */
int vgg_network_int8_zero(const struct vgg_network *network, size_t layer);

/* Has a convolution done so; inputs and weights are copied. Any numbers but finite ones above 0,
 * whose inverse is finite, and whose products are, are VGG_ERROR_NUMERIC. */
vgg_status vgg_network_take_int8(struct vgg_network *network, size_t layer, size_t tile,
                                 const float *inputs, const float *weights, vgg_error *error);
/* Has one or all convolutions done in float32 again. */
void vgg_network_forget_int8(struct vgg_network *network, size_t layer);
void vgg_network_forget_all_int8(struct vgg_network *network);

#endif
