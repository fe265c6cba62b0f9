/* Losses that training can make smaller, a row per kind; vgg/loss.h has the mathematics. */
#ifndef VGG_TRAIN_LOSS_H
#define VGG_TRAIN_LOSS_H

#include "train/numbers.h"
#include "vgg/train.h"

/* Pictures of a step, whose loss is their share in that of the step. */
typedef struct vgg_loss_task {
    size_t count, class_count;
    const float *logits;   /* (count, class_count) */
    const size_t *classes; /* of each picture */
    const size_t *others;  /* the classes of what was mixed into them, or NULL */
    const float *shares;   /* with others: how much of each picture is of its own class */
    const float *targets;  /* (count, class_count) of several labels, from 0 to 1, in place of
                            * classes, others and shares; or NULL */
    const float *weights;  /* of the classes, or NULL: 1 for each. Of several labels: of having the
                            * class */
    double whole;          /* what vgg_loss_weight has for all pictures of the step */
    float *gradient;       /* with respect to the logits, is set */
} vgg_loss_task;

typedef struct vgg_loss_row {
    const char *name;
    vgg_setting_list numbers; /* of vgg_train_options */
    double (*part)(const vgg_train_options *options, const vgg_loss_task *task);
} vgg_loss_row;

/* The sum of the weights of the pictures' classes; their number when there are no weights, and of
 * several labels. */
double vgg_loss_weight(const vgg_loss_task *task);

/* NULL for a loss that there is not. */
const vgg_loss_row *vgg_loss_row_at(vgg_loss loss);

void vgg_loss_defaults(vgg_train_options *options);
vgg_status vgg_loss_check(const vgg_train_options *options, vgg_error *error);

#endif
