/* The mean of the probabilities that several views of a picture, or several networks, give. It is
 * kept as logarithms, so that no probability is too small for it. */
#ifndef VGG_EVAL_POSTERIOR_H
#define VGG_EVAL_POSTERIOR_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

typedef struct vgg_posterior {
    size_t classes, count; /* views so far */
    bool each;             /* each class has a probability of its own: VGG_OUTPUT_SIGMOID */
    double *yes;           /* per class: the logarithm of the sum of its probabilities */
    double *no;            /* each: of what they lack of 1; else NULL */
} vgg_posterior;

/* Empty. Freed with vgg_posterior_free, also after a failure. */
vgg_status vgg_posterior_make(vgg_posterior *posterior, size_t classes, bool each,
                              vgg_error *error);
void vgg_posterior_free(vgg_posterior *posterior);
void vgg_posterior_clear(vgg_posterior *posterior);

/* Adds a view by its logits, which are divided by the temperature. */
void vgg_posterior_add(vgg_posterior *posterior, const float *logits, double temperature);
/* Adds the mean of another as one view. */
void vgg_posterior_join(vgg_posterior *posterior, const vgg_posterior *other);

/* The logits of the mean: with softmax the logarithms of the probabilities. */
void vgg_posterior_logits(const vgg_posterior *posterior, float *logits);

/* The logarithm of the sum of exp of the logits, divided by the temperature. */
double vgg_log_sum(const float *logits, size_t count, double temperature);
/* The logarithm of exp(a) + exp(b). What is not a number stays so. */
double vgg_add_logs(double a, double b);
/* The logarithm of the sigmoid. */
double vgg_log_sigmoid(double x);

#endif
