/* An explainer inside. */
#ifndef VGG_EVAL_EXPLAINER_H
#define VGG_EVAL_EXPLAINER_H

#include "vgg/explain.h"
#include "vgg/plan.h"

/* Inputs that are computed at once where a method looks at many. */
#define VGG_EXPLAIN_BATCH 8

struct vgg_explainer {
    const vgg_model *model;
    const vgg_preprocess *preprocess;
    vgg_explain_options options;
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    vgg_plan *plan;                     /* of the method */
    vgg_plan *watching; /* that only gives logits, of VGG_EXPLAIN_BATCH inputs; NULL until it is
                         * needed */
    size_t batch;       /* of plan */
    size_t input, pixels, classes;
    float *original;                 /* the input of the picture */
    float *inputs;                   /* VGG_EXPLAIN_BATCH of them */
    float *gradients;                /* of them */
    float *logits, *logits_gradient; /* of VGG_EXPLAIN_BATCH */
    vgg_tap_info tap;                /* of the methods that look at a layer: */
    float *values, *value_gradients; /* of one picture */
};

/* ---- explain_parts.c ---- */

vgg_plan_options vgg_explain_planning(const vgg_explainer *explainer, size_t batch);
/* VGG_ERROR_STOPPED where the caller does not want the work to go on. */
vgg_status vgg_explain_go_on(const vgg_explainer *explainer, vgg_error *error);
/* Makes `logits_gradient` that of the class's logit, for `count` inputs. */
void vgg_explain_begin(vgg_explainer *explainer, size_t count, size_t index);
/* The gradients of the class's logit for `count` of `inputs` with respect to them, in `gradients`.
 */
vgg_status vgg_explain_gradients(vgg_explainer *explainer, size_t count, size_t index,
                                 vgg_error *error);

/* Logits of `count` of `inputs`, from the plan that gives no more. */
vgg_status vgg_explain_watch(vgg_explainer *explainer, size_t count, vgg_error *error);
/* The probability of the class by a row of logits, which is overwritten. */
double vgg_explain_probability(const vgg_explainer *explainer, float *logits, size_t index);

/* ---- the methods ---- */

/* Maps of the picture whose input is `original`; the plan has just computed it. */
vgg_status vgg_explain_cam(vgg_explainer *explainer, size_t index, float *map, vgg_error *error);
vgg_status vgg_explain_guided(vgg_explainer *explainer, size_t index, float *map, vgg_error *error);
vgg_status vgg_explain_smooth(vgg_explainer *explainer, size_t index, float *map, vgg_error *error);
vgg_status vgg_explain_integrated(vgg_explainer *explainer, size_t index, float *map,
                                  vgg_error *error);
vgg_status vgg_explain_occlusion(vgg_explainer *explainer, size_t index, float *map,
                                 vgg_error *error);

#endif
