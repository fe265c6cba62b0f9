/* The constants of batch normalisation and local response normalisation, which are no parameter of
 * any network here: readers check a file's against them. */
#ifndef VGG_NN_DEFINITION_H
#define VGG_NN_DEFINITION_H

/* y = (x - mean) / sqrt(variance + epsilon) * weight + bias; training moves the running statistics
 * by the momentum towards those of the batch, unless a plan has another. As in PyTorch. */
#define VGG_BATCH_NORM_EPSILON 1e-5
#define VGG_BATCH_NORM_MOMENTUM 0.1

/* y = x / (k + alpha * sum of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al. 2012,
 * section 3.3, with the numbers of Simonyan & Zisserman). ONNX, Caffe and PyTorch divide alpha by
 * the size: theirs is VGG_LRN_ALPHA * VGG_LRN_SIZE. */
#define VGG_LRN_K 2.0
#define VGG_LRN_ALPHA 1e-4
#define VGG_LRN_BETA 0.75 /* what kernels/kernels.h has as VGG_LRN_POWER */
#define VGG_LRN_SIZE 5

#endif
