/* Batch normalisation of programs that divide by something else than the library does. */
#ifndef VGG_FORMATS_NORM_FOLD_H
#define VGG_FORMATS_NORM_FOLD_H

#include "formats/format.h"

/* What the other program computes of its stored figures:
 *   (x - mean * scale) / (sqrt(variance * scale + inside) + outside) * weight + bias */
typedef struct vgg_norm_rule {
    double scale, inside, outside;
} vgg_norm_rule;

/* Replaces figures (weight, bias, mean, variance, each a vector of as many values) by such that
 *   (x - mean) / sqrt(variance + 1e-5) * weight + bias
 * is the same: what the divisor differs by goes into the variance, or, where that would become
 * negative, into the weight. Figures that fit already stay where they are. `layer` is for
 * messages. */
vgg_status vgg_norm_fold(vgg_tensor_source *source, const char *layer, const vgg_norm_rule *rule,
                         vgg_stored_tensor figures[4], vgg_error *error);

#endif
