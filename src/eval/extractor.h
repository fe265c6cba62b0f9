/* An extractor inside. */
#ifndef VGG_EVAL_EXTRACTOR_H
#define VGG_EVAL_EXTRACTOR_H

#include "base/threads.h"
#include "vgg/features.h"

/* A size that pictures are looked at in. */
typedef struct vgg_extract_scale {
    vgg_preprocess preprocess;
    size_t input; /* floats */
    vgg_plan *plan;
} vgg_extract_scale;

struct vgg_extractor {
    const vgg_model *model;
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    vgg_extractor_options options;      /* its taps are a copy */
    vgg_tap *taps;
    vgg_extract_scale scales[VGG_SCALES_MOST];
    size_t scale_count;
    bool resized; /* pictures have other sizes than the preprocessing's */
    size_t batch, memory;
    size_t input; /* floats of a picture, at all scales, and those of its thumbnail behind them */

    vgg_tap_info *infos; /* of the features of each tap */
    float **raw;         /* per tap: what a plan gives for a batch at the largest scale */
    float **values;      /* per tap: the features of a batch; the same where they need no more */
    const float **rows;  /* per tap: those of the picture that is handed out */
    float *view;         /* of one view of one layer of a batch, where there are several views */
    float *staged;       /* inputs of a batch at one scale, where they do not lie side by side */
    const float *batch_inputs; /* of the batch that was computed last */
    unsigned char *thumbnail;  /* that is handed out; NULL: none are */
    float *inputs;             /* of `capacity` pictures */
    size_t capacity;
};

/* Whether the inputs of a batch lie side by side as a plan takes them. */
bool vgg_extractor_is_plain(const vgg_extractor *extractor);

/* Views whose features are averaged. */
size_t vgg_extractor_views(const vgg_extractor *extractor);

/* Pictures for which the algorithms are chosen. */
size_t vgg_extractor_tuned_batch(const vgg_extractor *extractor);

/* Room for the inputs of so many pictures; what was there is lost. */
vgg_status vgg_extractor_reserve(vgg_extractor *extractor, size_t pictures, vgg_error *error);

/* From inputs to `values`. */
vgg_status vgg_extractor_compute(vgg_extractor *extractor, float *inputs, size_t count,
                                 vgg_error *error);

/* Lets `rows` be those of a picture of the batch; VGG_ERROR_NUMERIC when one has something in it
 * that is not a finite number. */
vgg_status vgg_extractor_find_row(vgg_extractor *extractor, size_t row, vgg_error *error);

#endif
