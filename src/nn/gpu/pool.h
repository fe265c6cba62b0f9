/* Devices that stay open between plans, with the convolutions that were prepared on them: choosing
 * an engine for each takes longer than many passes, and a training makes a plan for the evaluation
 * of every epoch. */
#ifndef VGG_NN_GPU_POOL_H
#define VGG_NN_GPU_POOL_H

#include "nn/gpu/calls.h"

/* A convolution that was prepared, in use by an op of a plan or waiting for the next. */
typedef struct gpu_conv {
    vgg_gpu_conv_shape shape;
    vgg_gpu_conv_needs needs;
    vgg_gpu_conv *conv;
    struct gpu_conv *next;
} gpu_conv;

/* An open device, which one plan at a time has. */
typedef struct gpu_opened {
    const vgg_gpu_calls *calls;
    vgg_gpu *gpu;
    gpu_conv *idle; /* that given back last first */
    struct gpu_opened *next;
} gpu_opened;

/* One that is idle, or a further one. `said`, of `size` characters, has why there is none. */
vgg_gpu_result vgg_gpu_pool_take(const vgg_gpu_calls *calls, gpu_opened **opened, char *said,
                                 size_t size);
/* Keeps it for the next plan, unless it is not sound or enough are idle: then it is closed. */
void vgg_gpu_pool_give_back(gpu_opened *opened, bool sound);
/* Closes all that are idle. */
void vgg_gpu_pool_clear(void);

/* One of that shape. */
vgg_gpu_result vgg_gpu_take_conv(gpu_opened *opened, const vgg_gpu_conv_shape *shape,
                                 gpu_conv **conv);
void vgg_gpu_give_back_conv(gpu_opened *opened, gpu_conv *conv);

#endif
