/* The views of one picture by one network, beyond the one view of a batch: dense ones, grids, and
 * several scales. */
#ifndef VGG_EVAL_VIEWER_H
#define VGG_EVAL_VIEWER_H

#include "eval/posterior.h"
#include "eval/size_plans.h"
#include "vgg/predict.h"

/* Cut-outs of a grid, without their mirrors: they are computed at once. */
#define VGG_GRID_CUTS (VGG_GRID_SIDE * VGG_GRID_SIDE)

/* Pictures of vgg_predict_many and vgg_evaluate_with that lie in memory, scaled, where one is
 * computed at a time. */
#define VGG_VIEW_WINDOW 8

typedef struct vgg_viewer {
    const vgg_model *model;
    vgg_protocol protocol;
    vgg_preprocess preprocess;                   /* without a resize */
    size_t scales[VGG_SCALES_MOST], scale_count; /* 0: the picture's own size */
    bool squares; /* of them, whose logits are averaged in place of probabilities */
    size_t classes;
    size_t batch;          /* cut-outs that are computed at once */
    size_t memory;         /* bytes of plans, inputs, logits and pictures, of square ones */
    vgg_plan *cuts;        /* for cut-outs, or NULL */
    vgg_size_plans wholes; /* for whole pictures, or squares */
    float *inputs;         /* of the batch, or a whole picture and its mirror */
    size_t room;           /* floats that it has */
    float *logits;         /* of the cut-outs and their mirrors */
    vgg_posterior dense, cropped, mean; /* of the picture */
} vgg_viewer;

/* A picture at each scale, in the network's channels. */
typedef struct vgg_scaled {
    vgg_image images[VGG_SCALES_MOST];
} vgg_scaled;

/* Whether options ask for more than the view of a batch, or the model does. */
bool vgg_viewer_wanted(const vgg_model *model, const vgg_predictor_options *options);

/* The options are complete. Computes on the threads, which must outlive it, as must the model. */
vgg_status vgg_viewer_create(const vgg_model *model, const vgg_predictor_options *options,
                             vgg_threads *threads, vgg_viewer **viewer, vgg_error *error);
void vgg_viewer_free(vgg_viewer *viewer);

/* Makes the picture smaller or larger, on any thread, also while others compute. */
vgg_status vgg_viewer_scale(const vgg_viewer *viewer, const vgg_image *image, vgg_scaled *scaled,
                            vgg_error *error);
void vgg_scaled_free(vgg_scaled *scaled);

/* Computes the views of a picture: viewer->mean has their mean. */
vgg_status vgg_viewer_view(vgg_viewer *viewer, const vgg_scaled *scaled, vgg_error *error);

#endif
