/* Optimisers: a row per kind. */
#ifndef VGG_TRAIN_OPTIMISER_H
#define VGG_TRAIN_OPTIMISER_H

#include "nn/network.h"
#include "train/numbers.h"
#include "vgg/train.h"

/* Copies of the network's trained tensors that an optimiser keeps, at most. */
#define VGG_COPIES_MAX 2

typedef struct vgg_optimiser_row {
    const char *name;
    vgg_setting_list numbers; /* of vgg_optimiser_options */
    /* What it keeps for each trained value, by name: the state that a checkpoint saves. One at
     * least; unused ones are NULL. */
    const char *copies[VGG_COPIES_MAX];
    /* One step of the tensor of that number by its gradient. */
    void (*update)(const vgg_optimiser *optimiser, size_t tensor, const float *gradient,
                   double rate);
    /* The same for all linear layers of a plan with defer_linear, whose gradients are not stored.
     * NULL for an optimiser that needs them. */
    void (*update_deferred)(const vgg_optimiser *optimiser, double rate);
} vgg_optimiser_row;

struct vgg_optimiser {
    const vgg_optimiser_row *row;
    vgg_optimiser_options options;
    vgg_network *network;
    vgg_plan *plan;
    /* A network of the same architecture for each copy of the row, so that it is saved and loaded
     * like one; the tensors of frozen layers have no values. */
    vgg_network *copies[VGG_COPIES_MAX];
};

extern const vgg_optimiser_row vgg_optimiser_sgd;

vgg_status vgg_optimiser_find(vgg_optimiser_kind kind, const vgg_optimiser_row **row,
                              vgg_error *error);

/* vgg_optimiser_create for a row, with options that are complete. */
vgg_status vgg_optimiser_of_row(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                                vgg_network *network, vgg_plan *plan, vgg_optimiser **optimiser,
                                vgg_error *error);

/* Bytes of the copies of one trained value. */
size_t vgg_optimiser_bytes(const vgg_optimiser_row *row);

#endif
