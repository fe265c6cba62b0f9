/* What a network takes, as both forms of its summary tell it. */
#ifndef VGG_NN_SUMMARY_H
#define VGG_NN_SUMMARY_H

#include "nn/network.h"

/* What torchsummary estimates, in MB of 1024^2 bytes, and what it counts. Parameters are counted
 * with the bytes that they are stored in, and those of int8 with their scales. */
typedef struct vgg_estimate {
    size_t parameters, multiply_adds;
    size_t of_type[VGG_ELEMENT_OTHER]; /* parameters, by vgg_element */
    double input_mb, forward_backward_mb, parameters_mb;
} vgg_estimate;

/* PyTorch's class of a layer: its type's, but BatchNorm1d for rows of features. */
const char *vgg_layer_class(const vgg_layer_info *info);

/* Of a batch; 0 counts as 1. */
vgg_estimate vgg_network_estimate(const vgg_network *network, size_t batch);
double vgg_estimate_mb(const vgg_estimate *totals);

#endif
