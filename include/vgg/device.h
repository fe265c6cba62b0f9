/* Devices: what plans are computed on, and in which numbers. */
#ifndef VGG_DEVICE_H
#define VGG_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The values are pinned. */
typedef enum vgg_device_kind {
    VGG_DEVICE_CPU = 0,  /* the processor */
    VGG_DEVICE_CUDA = 1, /* an NVIDIA GPU: the current one of CUDA, its first unless
                          * CUDA_VISIBLE_DEVICES names others. It is reached through the plugin
                          * libvgg-cuda.so, which lies beside the library, or beside the program
                          * that has the library in it, or in the folder for libraries that they
                          * were built for, or where the environment variable VGG_CUDA_PLUGIN says
                          */
    VGG_DEVICE_AUTO = 2, /* the GPU where there is one that works, else the processor */
} vgg_device_kind;

/* "cpu", "cuda" or "auto"; NULL for any other value. */
VGG_API const char *vgg_device_name(vgg_device_kind kind);
/* The kind of that name; VGG_DEVICE_CPU when there is none. */
VGG_API vgg_device_kind vgg_device_named(const char *name);

/* In which numbers most of a network's products are made. Sums, weights that are trained, and all
 * files are float32 with each of them. docs/precision.md says what they cost and give. The values
 * are pinned. */
typedef enum vgg_precision {
    VGG_PRECISION_F32 = 0,
    /* Both operands of products are rounded to bfloat16. On the processor those of a 3x3
     * convolution, where it is done by Winograd's transforms, forward and backward, or, with AMX,
     * without them, and then those of 1x1 convolutions and maps between layers, too; and, in plans
     * without gradients, the weights of linear layers that are float32. The weights are rounded
     * when they have changed, into memory of the plan: for VGG-16 365 MB. Processors without AMX
     * give the same sums of the same products by transforms, and those with it others of their own;
     * vgg_precision_is_native tells whether it gains time. Only without `exact`. */
    VGG_PRECISION_BF16 = 1,
    VGG_PRECISION_TF32 = 2, /* to 10 bits behind the point; for GPUs only */
    VGG_PRECISION_F16 = 3,  /* to float16; for GPUs only */
} vgg_precision;

/* "f32", "bf16", "tf32" or "f16"; NULL for any other value. */
VGG_API const char *vgg_precision_name(vgg_precision precision);
/* The precision of that name; VGG_PRECISION_F32 when there is none. */
VGG_API vgg_precision vgg_precision_named(const char *name);
/* Whether this processor has instructions that multiply in this precision and gain time by it, and
 * the tier in use has them: AMX, or AVX-512 BF16 but for Intel's, which multiply float32 faster.
 * Without them a plan with VGG_PRECISION_BF16 takes longer than one with VGG_PRECISION_F32. */
VGG_API bool vgg_precision_is_native(vgg_precision precision);

typedef struct vgg_device_info {
    size_t struct_size;           /* set by the caller */
    vgg_device_kind kind;         /* which it is: VGG_DEVICE_CPU or VGG_DEVICE_CUDA */
    char name[64];                /* of the GPU, or the processor's instruction tier */
    vgg_precision precision;      /* in which it is best used when nothing else is asked for */
    char missing[VGG_ERROR_TEXT]; /* for VGG_DEVICE_AUTO, when it is the processor: why no GPU, in
                                   * one line. Else empty */
} vgg_device_info;

/* Whether plans can be made for a device, and what it is. VGG_ERROR_UNSUPPORTED, saying in one line
 * what is missing, when no plan can. The caller sets info->struct_size to sizeof *info before the
 * call. */
VGG_API vgg_status vgg_device_find(vgg_device_kind kind, vgg_device_info *info, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
