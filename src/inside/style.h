/* An optimisation of a picture inside. */
#ifndef VGG_INSIDE_STYLE_H
#define VGG_INSIDE_STYLE_H

#include "base/threads.h"
#include "inside/gram.h"
#include "inside/lbfgs.h"
#include "vgg/plan.h"
#include "vgg/style.h"

/* Layers that may be told. */
#define VGG_STYLE_LAYERS_MOST 64

/* A layer that is looked at. */
typedef struct vgg_style_layer {
    size_t channels, places, values;
    float *given;    /* what it gives, (channels, places) */
    float *gradient; /* of the loss with respect to that */
    float *target;   /* content: values; style: the Gram matrix, (channels, channels) */
} vgg_style_layer;

struct vgg_style {
    const vgg_model *model;
    vgg_style_options options; /* its pointers are the caller's, and NULL after the making */
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    const vgg_kernels *kernels;
    vgg_preprocess preprocess; /* figures and order of channels */
    double unit;   /* what a layer gives is times this on the scale of samples of 0 to 255 */
    vgg_tap *taps; /* of the content layer, and those of style */
    vgg_style_layer *layers; /* the same */
    size_t layer_count;
    vgg_plan *plan;
    size_t channels, pixels, samples; /* samples: channels * pixels */

    float *picture;      /* (channels, height, width). Samples are 0 to 1 here, so that the first
                          * move, whose magnitudes add up to 1, is not lost in float32's rounding
                          * of large pictures */
    float *gradient;     /* of the loss with respect to them */
    float *input;        /* of the network, and the gradient with respect to it */
    float *kept;         /* the picture before the last move */
    float *gram, *zeros; /* room for the largest, and for as many channels */
    float **rows;        /* pointers to the layers' arrays, for the plan */
    vgg_lbfgs lbfgs;
    vgg_style_state state;
    uint64_t targets; /* a sum of all that the loss depends on */
};

/* style_targets.c: finds the layers and makes what follows from the pictures. */
vgg_status vgg_style_choose_layers(vgg_style *style, vgg_error *error);
vgg_status vgg_style_make_targets(vgg_style *style, const vgg_image *content,
                                  const vgg_style_source *sources, size_t count, vgg_error *error);
/* The long side of style pictures. */
size_t vgg_style_side(const vgg_style *style);
/* Options of a plan for pictures of that size. */
vgg_plan_options vgg_style_planning(const vgg_style *style, size_t height, size_t width,
                                    bool gradients);

/* style.c: VGG_ERROR_NUMERIC unless the loss and its gradient at the picture are finite. */
vgg_status vgg_style_check_loss(const vgg_style *style, vgg_error *error);

/* style_loss.c: the loss and its gradient at the picture, into state and gradient. */
vgg_status vgg_style_evaluate(vgg_style *style, vgg_error *error);
/* From samples of 0 to 1, (channels, pixels), to the network's input. */
void vgg_style_normalise(const vgg_style *style, const float *samples, size_t pixels, float *input);
vgg_gram_task vgg_style_gram_task(const vgg_style *style, const vgg_style_layer *layer);

#endif
