/* Losses: from logits to a number that training makes smaller, and its gradient. */
#ifndef VGG_LOSS_H
#define VGG_LOSS_H

#include <stddef.h>

#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Probabilities from logits, (count, class_count) each; may be in place. Stable for any finite
 * logits. */
VGG_API void vgg_softmax(const float *logits, size_t count, size_t class_count,
                         float *probabilities);

/* 1 / (1 + exp(-logit)) of each of `count` logits, the probabilities of classes of which a picture
 * may have several; may be in place. */
VGG_API void vgg_sigmoid(const float *logits, size_t count, float *probabilities);

/* Cross-entropy of the softmax of logits, (count, class_count), with `count` class numbers below
 * class_count, averaged over the images. gradient, unless NULL, receives (softmax - one-hot) /
 * count, the derivative with respect to the logits. */
VGG_API double vgg_cross_entropy(const float *logits, const size_t *classes, size_t count,
                                 size_t class_count, float *gradient);

/* Binary cross-entropy of the sigmoids of logits with targets from 0 to 1, (count, class_count)
 * each, averaged over images and classes: PyTorch's BCEWithLogitsLoss. gradient, unless NULL,
 * receives (sigmoid - target) / (count * class_count). */
VGG_API double vgg_binary_cross_entropy(const float *logits, const float *targets, size_t count,
                                        size_t class_count, float *gradient);

/* The share of `count` images in the loss of `whole` images, of which they are a part: their sum
 * and gradients are divided by `whole`, so that the shares of all parts add up. */
VGG_API double vgg_cross_entropy_part(const float *logits, const size_t *classes, size_t count,
                                      size_t class_count, size_t whole, float *gradient);

#ifdef __cplusplus
}
#endif
#endif
