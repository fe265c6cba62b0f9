/* Optimisers: a row per kind. */
#ifndef VGG_TRAIN_OPTIMISER_H
#define VGG_TRAIN_OPTIMISER_H

#include "nn/device.h"
#include "nn/network.h"
#include "train/numbers.h"
#include "vgg/train.h"

/* Copies of the network's trained tensors that an optimiser keeps, at most: two of its row, the
 * slow weights of Lookahead, and the average of the weights. */
#define VGG_COPIES_MAX 4
/* A copy that an optimiser does not keep. */
#define VGG_NO_COPY SIZE_MAX

typedef struct vgg_optimiser_row {
    const char *name;
    vgg_setting_list numbers; /* of vgg_optimiser_options */
    /* What it keeps for each trained value, by name: the state that a checkpoint saves. One at
     * least; unused ones are NULL. */
    const char *copies[VGG_COPIES_MAX];
    /* One step of the tensor of that number by its gradient, which is memory of the plan's device.
     */
    void (*update)(const vgg_optimiser *optimiser, size_t tensor, const float *gradient,
                   double rate);
    /* The same for all linear layers of a plan with defer_linear, whose gradients are not stored.
     * NULL for an optimiser that needs them. */
    void (*update_deferred)(const vgg_optimiser *optimiser, double rate);
    bool normalises; /* steps do not grow with the gradient */
} vgg_optimiser_row;

/* How a tensor is trained. */
typedef struct vgg_tensor_rule {
    double rate, decay; /* times those of the step */
    bool fixed;         /* it is not */
} vgg_tensor_rule;

struct vgg_optimiser {
    const vgg_optimiser_row *row;  /* own_row */
    vgg_optimiser_row own_row;     /* the table's, with the copies that the options ask for */
    vgg_optimiser_options options; /* a schedule may move the momentum */
    vgg_network *network;
    vgg_plan *plan;
    /* A network of the same architecture for each copy of the row, so that it is saved and loaded
     * like one; the tensors of frozen layers have no values. */
    vgg_network *copies[VGG_COPIES_MAX];
    size_t slow, average;   /* which of them are Lookahead's and the average, or VGG_NO_COPY */
    vgg_tensor_rule *rules; /* per tensor */
    double *sums;           /* of squared gradients, one per chunk; NULL without clipping */
    uint64_t steps;         /* done so far; whoever resumes a run sets it */
    double done;            /* share of the run that is done, where somebody knows it */
};

extern const vgg_optimiser_row vgg_optimiser_sgd, vgg_optimiser_nesterov, vgg_optimiser_adamw;

vgg_status vgg_optimiser_find(vgg_optimiser_kind kind, const vgg_optimiser_row **row,
                              vgg_error *error);

/* vgg_optimiser_create for a row, with options that are complete. */
vgg_status vgg_optimiser_of_row(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                                vgg_network *network, vgg_plan *plan, vgg_optimiser **optimiser,
                                vgg_error *error);

/* Bytes of the copies of one trained value. */
size_t vgg_optimiser_bytes(const vgg_optimiser_row *row);

/* Makes the network's values the start of the slow weights and of the average; the copies begin
 * with it. */
void vgg_optimiser_begin(vgg_optimiser *optimiser);

/* What the device was asked to do to values is done from here on. */
static inline void vgg_optimiser_finish_updates(const vgg_optimiser *optimiser) {
    if (optimiser->plan->device->finish_updates != NULL)
        optimiser->plan->device->finish_updates(optimiser->plan);
}

/* ---- rules.c ---- */

/* What the options say of each tensor of the network. */
void vgg_rules_fill(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                    const vgg_network *network, vgg_tensor_rule *rules);
/* Whether the options treat linear layers alike, weights and biases, and need no gradients. */
bool vgg_rules_defer(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                     const vgg_network *network);

/* ---- clip.c ---- */

/* Chunks of all gradients: numbers that vgg_clip_gradients needs room for. */
size_t vgg_clip_sums(const vgg_network *network);
/* Shortens the gradients of the plan; VGG_ERROR_NUMERIC when they are not finite. */
vgg_status vgg_clip_gradients(const vgg_optimiser *optimiser, vgg_error *error);

/* ---- averages.c ---- */

/* Makes the values of the network and of all copies those of the device. */
vgg_status vgg_optimiser_settle(const vgg_optimiser *optimiser, vgg_error *error);

/* After a step: Lookahead, and the average. */
void vgg_averages_step(vgg_optimiser *optimiser);
/* Puts the average in place of the values and the other way round; nothing without an average.
 * Fails where a device does that has newer values; it has none after the first of two. */
vgg_status vgg_averages_swap(vgg_optimiser *optimiser, vgg_error *error);

#endif
