/* The double as a plugin. */
#include "double.h"

__attribute__((visibility("default"))) const vgg_gpu_calls *vgg_cuda_plugin(void);

const vgg_gpu_calls *vgg_cuda_plugin(void) {
    return vgg_double_calls();
}
