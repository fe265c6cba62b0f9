/* The plugin that reaches a GPU, and which everything works without. */
#ifndef VGG_NN_GPU_PLUGIN_H
#define VGG_NN_GPU_PLUGIN_H

#include "nn/gpu/calls.h"
#include "vgg/status.h"

#define VGG_GPU_NAME 64

/* Loads the plugin, which then stays, and tries whether a GPU can be opened. VGG_ERROR_UNSUPPORTED,
 * saying in one line what is missing; then it is tried again the next time. */
vgg_status vgg_gpu_calls_find(const vgg_gpu_calls **calls, vgg_error *error);

/* What the GPU is called, after a success of it. */
void vgg_gpu_name(char name[VGG_GPU_NAME]);

/* From here on these in place of a plugin's; NULL: a plugin's again. For tests. */
void vgg_gpu_calls_use(const vgg_gpu_calls *calls);

#endif
