/* What a calibration gathers of a convolution, and the scales that follow from it. */
#ifndef VGG_NN_CALIBRATE_H
#define VGG_NN_CALIBRATE_H

#include <stdint.h>

#include "base/threads.h"
#include "nn/network.h"

/* Tile sizes that a calibration tries: number 0 is 4, number 1 is 2. */
#define VGG_INT8_TILES 2
static const size_t vgg_int8_tiles[VGG_INT8_TILES] = {4, 2};

/* Magnitudes are counted by exponent and the first 4 bits of the fraction. */
#define VGG_MAGNITUDES 4096

/* What the transformed inputs of a convolution are like at each point, for one tile size, and what
 * scales follow. */
typedef struct vgg_int8_trial {
    uint32_t (*counts)[VGG_MAGNITUDES]; /* per point, of magnitudes */
    double *energy;                     /* (points, C): sums of squares */
    float *inputs, *weights;            /* scales, as in vgg_int8 */
    double error, cost;
} vgg_int8_trial;

bool vgg_int8_trial_begin(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile);
void vgg_int8_trial_free(vgg_int8_trial *trial);

/* Counts tiles of an image of the layer's input x, (C, H, W), spread over it. False when a value is
 * not finite. */
bool vgg_int8_trial_count(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile,
                          const float *x);

/* Finds the scales of least squared error. False when memory ran out. *dead becomes true where all
 * of a point was 0. */
bool vgg_int8_trial_scale(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile,
                          const float *weights, vgg_threads *threads, bool *dead);

#endif
