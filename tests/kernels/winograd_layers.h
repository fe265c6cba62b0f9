/* Random Winograd convolutions, and running them. */
#ifndef VGG_TESTS_KERNELS_WINOGRAD_LAYERS_H
#define VGG_TESTS_KERNELS_WINOGRAD_LAYERS_H

#include "kernels/kernels.h"

enum { VGG_LAYER_IMAGES = 80, VGG_LAYER_THREADS = 5 };

/* A batch, in which some images are there several times, and `few`, which has each once: ref is
 * slow. */
typedef struct vgg_winograd_layer {
    vgg_winograd_task task, few;
    size_t source[VGG_LAYER_IMAGES]; /* the image of `few` */
    float *merged;                   /* memory for what ranges of units write */
} vgg_winograd_layer;

/* Floats of an image of x, without `spread`, and of y; and pixels of y. */
size_t vgg_layer_input(const vgg_winograd_task *t);
size_t vgg_layer_output(const vgg_winograd_task *t);
size_t vgg_layer_pixels(const vgg_winograd_task *t);

/* Shapes whose filters are stored, and whose are made on the way. */
vgg_conv_shape vgg_draw_stored_shape(void);
vgg_conv_shape vgg_draw_made_shape(void);

/* A value per channel, read-only. */
const float *vgg_draw_vector(size_t channels);

/* A convolution with all that may follow it, or nothing, and memory for it. */
void vgg_draw_layer(vgg_winograd_layer *l, const vgg_conv_shape *s, size_t tile);
/* The same with operands of bfloat16, or of int8 with scales for which a few of them saturate. */
void vgg_draw_bf16_layer(vgg_winograd_layer *l, const vgg_conv_shape *s, size_t tile);
void vgg_draw_int8_layer(vgg_winograd_layer *l, const vgg_conv_shape *s, size_t tile);

/* Some images of a task, in a batch of their own. */
vgg_winograd_task vgg_layer_part(const vgg_winograd_task *task, size_t first, size_t images);

/* Makes the filters and y, where there was poison. merged: NULL, or memory for y or the filters:
 * then in ranges of units in random order, by random workers, of which no two may write the same
 * value. */
void vgg_layer_run(const vgg_kernels *tier, const vgg_winograd_task *task, float *merged);

/* Makes everything that a task multiplies and adds copies of absolute values. */
void vgg_layer_absolute(vgg_winograd_task *task);

/* What ref makes of `few` in float32: of its values, or of the absolute ones. */
const float *vgg_layer_convolved(const vgg_winograd_layer *l, bool absolute);

/* After vgg_layer_run on l->task: the root of the sum of the squared differences to what is
 * expected of `few`, each of which may be `bound` times its magnitude; HUGE_VAL is no bound. */
double vgg_layer_distance(const vgg_winograd_layer *l, const vgg_kernels *tier, double bound,
                          const float *expected, const float *magnitude);

/* After vgg_layer_run on l->task: fails unless it has the same bits with its units divided, and an
 * image those that it has alone. */
void vgg_layer_check_cuts(vgg_winograd_layer *l, const vgg_kernels *tier);

#endif
