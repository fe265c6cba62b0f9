/* The gradient of a convolution's bias, which every way to that of its weights ends with. */
#ifndef VGG_KERNELS_BIAS_GRADIENT_H
#define VGG_KERNELS_BIAS_GRADIENT_H

#include "base/memory.h"
#include "kernels/convolution.h"

/* dbias of a block of output channels from the groups' sums of it, `stride` floats apart. */
static inline void write_bias_gradient(const vgg_winograd_weights_task *task, const float *sums,
                                       size_t stride, size_t k_block) {
    size_t first = k_block * VGG_BLOCK, end = vgg_size_min(first + VGG_BLOCK, task->shape.outputs);
    for (size_t k = first; k < end; k++) {
        float total = 0;
        for (size_t group = 0; group < task->partition.groups; group++) {
            total += sums[group * stride + k - first];
        }
        task->dbias[k] = task->accumulate ? task->dbias[k] + total : total;
    }
}

#endif
