/* A predictor inside. */
#ifndef VGG_EVAL_PREDICTOR_H
#define VGG_EVAL_PREDICTOR_H

#include "base/threads.h"
#include "eval/protocol.h"
#include "eval/viewer.h"
#include "vgg/plan.h"
#include "vgg/predict.h"

struct vgg_predictor {
    const vgg_model *model;
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    vgg_plan_options planning;          /* of the plan that there is; its batch is 1 or `batch` */
    vgg_plan *plan;
    size_t batch;  /* of vgg_predict_many */
    size_t memory; /* bytes that vgg_predict_many takes for full batches */
    size_t input, classes;

    float *inputs; /* capacity x input */
    float *logits; /* capacity x classes */
    size_t capacity;
    float *probabilities; /* of one picture */
    vgg_protocol protocol;
    vgg_protocol_room room; /* its inputs are the predictor's, mirrored when they were computed */

    /* Views of one picture after another, in place of batches with the plan above. */
    vgg_predictor_options options; /* of the first network, without pointers */
    vgg_viewer **viewers;          /* a network each; NULL: batches */
    size_t viewer_count;
    vgg_posterior mean; /* of all networks */
};

/* Adds a network, with complete options; predictor->memory counts it. */
vgg_status vgg_predictor_add_viewer(vgg_predictor *predictor, const vgg_model *model,
                                    const vgg_predictor_options *options, vgg_error *error);
void vgg_predictor_free_viewers(vgg_predictor *predictor);

/* A picture at the scales of each viewer; NULL and an error when that failed. On any thread. */
vgg_status vgg_predictor_scale(const vgg_predictor *predictor, const vgg_image *image,
                               vgg_scaled **scaled, vgg_error *error);
void vgg_predictor_scaled_free(const vgg_predictor *predictor, vgg_scaled *scaled);
/* Computes the logits of such a picture: the first row of the predictor's. */
vgg_status vgg_predictor_view(vgg_predictor *predictor, const vgg_scaled *scaled, vgg_error *error);

/* Reads and checks the options for a model, which must have its preprocessing. */
vgg_status vgg_predictor_read_options(const vgg_model *model, const vgg_predictor_options *given,
                                      vgg_predictor_options *options, vgg_error *error);

/* Room for the inputs and logits of so many pictures; what was there is lost. */
vgg_status vgg_predictor_reserve(vgg_predictor *predictor, size_t pictures, vgg_error *error);

/* Replaces the plan by one for full batches, if there is none yet. */
vgg_status vgg_predictor_plan_batches(vgg_predictor *predictor, vgg_error *error);

/* Computes the logits of inputs, which may be mirrored by that. */
vgg_status vgg_predictor_forward(vgg_predictor *predictor, float *inputs, size_t count,
                                 vgg_error *error);

/* The likeliest classes by a row of logits. VGG_ERROR_NUMERIC where they are not finite. */
vgg_status vgg_predictor_rank(const vgg_predictor *predictor, const float *logits, size_t top,
                              vgg_prediction *best, size_t *found, vgg_error *error);

#endif
