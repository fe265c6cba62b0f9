/* Measuring a GPU. */
#ifndef VGG_NN_GPU_MEASURE_H
#define VGG_NN_GPU_MEASURE_H

#include "vgg/plan.h"

/* Multiply-adds of products in that precision, counted as two operations, and bytes that a copy
 * reads and writes, per second. */
vgg_status vgg_gpu_measure(vgg_precision precision, vgg_machine *found, vgg_error *error);

#endif
