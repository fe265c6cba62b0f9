/* What a calibration gathers of a convolution, and the scales that follow from it. */
#ifndef VGG_NN_CALIBRATE_H
#define VGG_NN_CALIBRATE_H

#include <stdint.h>

#include "base/threads.h"
#include "nn/network.h"

/* Tile sizes that a calibration tries, in the order of their usual errors; 1 is directly. */
#define VGG_INT8_TILES 3
static const size_t vgg_int8_tiles[VGG_INT8_TILES] = {4, 2, 1};

/* Magnitudes are counted by exponent and the first 4 bits of the fraction. */
#define VGG_MAGNITUDES 4096

/* What the transformed inputs of a convolution are like at each point, for one tile size, and what
 * scales follow. */
typedef struct vgg_int8_trial {
    float most;                         /* the largest number of an input */
    uint64_t (*counts)[VGG_MAGNITUDES]; /* per point, of magnitudes */
    double *energy;                     /* (points, C): sums of squares */
    float *inputs, *weights;            /* scales, as in vgg_int8 */
    double error, cost;
} vgg_int8_trial;

/* most: the largest number that an input becomes. */
bool vgg_int8_trial_begin(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile, float most);
void vgg_int8_trial_free(vgg_int8_trial *trial);

/* Counts tiles of an image of the layer's input x, (C, H, W), spread over it; directly, pixels.
 * False when a value is not finite. */
bool vgg_int8_trial_count(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile,
                          const float *x);

/* Finds the scales of least squared error; points at which all was 0 take the largest of the
 * others. False when memory ran out. *dead becomes true where all points were 0. */
bool vgg_int8_trial_scale(vgg_int8_trial *trial, const vgg_layer *layer, size_t tile,
                          const float *weights, vgg_threads *threads, bool *dead);
/* Bytes that finding them takes meanwhile. */
size_t vgg_int8_trial_scratch(const vgg_layer *layer, size_t tile, const vgg_threads *threads);

/* What logits in int8 are like. */
typedef struct vgg_int8_outcome {
    double noise, signal, drop; /* sums over the pictures; noise is infinite where logits were not
                                 * finite */
    size_t changed, pictures;
} vgg_int8_outcome;

bool vgg_int8_finite(const float *logits, size_t count);

/* Adds a picture, of whose logits the expected ones are finite. labels: the sign of each logit is
 * what counts; otherwise it is the largest of them. */
void vgg_int8_compare(const float *expected, const float *found, size_t count, bool labels,
                      vgg_int8_outcome *sum);

/* Root of the sum of squares, as a share of that of the logits. */
double vgg_int8_error(const vgg_int8_outcome *of);

#endif
