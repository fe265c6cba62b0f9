/* Gram matrices of what a layer gives, (channels, places), and their gradients. */
#ifndef VGG_INSIDE_GRAM_H
#define VGG_INSIDE_GRAM_H

#include "base/threads.h"
#include "kernels/kernels.h"

/* What the functions below compute on. */
typedef struct vgg_gram_task {
    vgg_threads *threads;
    const vgg_kernels *kernels;
    const float *zeros; /* (channels) */
    size_t channels, places;
} vgg_gram_task;

/* gram = values values^T, (channels, channels): sums over places. */
void vgg_gram(const vgg_gram_task *task, const float *values, float *gram);

/* gradient = matrix values, for a symmetric matrix (channels, channels). */
void vgg_gram_gradient(const vgg_gram_task *task, const float *matrix, const float *values,
                       float *gradient);

#endif
