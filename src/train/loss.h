/* Losses that training can make smaller, a row per kind; vgg/loss.h has the mathematics. */
#ifndef VGG_TRAIN_LOSS_H
#define VGG_TRAIN_LOSS_H

#include "train/numbers.h"
#include "vgg/train.h"

typedef struct vgg_loss_row {
    const char *name;
    vgg_setting_list numbers; /* of vgg_train_options */
    /* The share of `count` images in the loss of the `whole` ones of a step, and its gradient with
     * respect to their logits, (count, class_count), as vgg_cross_entropy_part has them. */
    double (*part)(const vgg_train_options *options, const float *logits, const size_t *classes,
                   size_t count, size_t class_count, size_t whole, float *gradient);
} vgg_loss_row;

/* NULL for a loss that there is not. */
const vgg_loss_row *vgg_loss_row_at(vgg_loss loss);

void vgg_loss_defaults(vgg_train_options *options);
vgg_status vgg_loss_check(const vgg_train_options *options, vgg_error *error);

#endif
