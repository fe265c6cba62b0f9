/* What the bodies of the kernels share: they are compiled for the GPU and, in tests, for the host,
 * so they are C and C++ at once. A body does one unit of a task of nn/gpu/kernels.h. */
#ifndef VGG_CUDA_BODIES_H
#define VGG_CUDA_BODIES_H

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "nn/gpu/kernels.h"

#ifdef __CUDACC__
#define VGG_BODY static __device__ __forceinline__
#else
#define VGG_BODY static inline
#endif

/* ---- elements ---- */

VGG_BODY uint32_t vgg_bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

VGG_BODY float vgg_float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To nearest even; what is not a number stays none. */
VGG_BODY uint16_t vgg_to_bfloat16(float value) {
    uint32_t bits = vgg_bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* The same for float16: beyond its range infinite, below it its denormals. */
VGG_BODY uint16_t vgg_to_float16(float value) {
    uint32_t bits = vgg_bits_of(value), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (rest >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00u);
    if (rest < 0x38800000u) { /* denormal: adding 0.5 leaves its bits at the end */
        float shifted = vgg_float_of(rest) + 0.5f;
        return (uint16_t)(sign | (vgg_bits_of(shifted) - 0x3f000000u));
    }
    return (uint16_t)(sign | ((rest + 0xfffu + (rest >> 13 & 1u) - 0x38000000u) >> 13));
}

VGG_BODY float vgg_from_float16(uint16_t number) {
    uint32_t sign = (uint32_t)(number & 0x8000u) << 16, rest = number & 0x7fffu;
    if (rest >= 0x7c00u)
        return vgg_float_of(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest < 0x400u) { /* denormal: rest * 2^-24 */
        float size = (float)rest * 5.9604644775390625e-8f;
        return vgg_float_of(sign | vgg_bits_of(size));
    }
    return vgg_float_of(sign | ((rest << 13) + 0x38000000u));
}

/* The number of a value among those of a batch, as the processor counts them. */
VGG_BODY uint64_t vgg_body_counted(int blocked, size_t image, size_t pixel, size_t channel,
                                   size_t channels, size_t pixels) {
    if (!blocked)
        return (uint64_t)image * channels + channel;
    uint64_t blocks = (channels + VGG_GPU_BLOCK - 1) / VGG_GPU_BLOCK;
    uint64_t block = image * blocks + channel / VGG_GPU_BLOCK;
    return (block * pixels + pixel) * VGG_GPU_BLOCK + channel % VGG_GPU_BLOCK;
}

VGG_BODY float vgg_load(const void *from, vgg_gpu_element element, size_t at) {
    if (element == VGG_GPU_FLOAT32)
        return ((const float *)from)[at];
    if (element == VGG_GPU_BFLOAT16)
        return vgg_float_of((uint32_t)((const uint16_t *)from)[at] << 16);
    return vgg_from_float16(((const uint16_t *)from)[at]);
}

VGG_BODY void vgg_store(void *to, vgg_gpu_element element, size_t at, float value) {
    if (element == VGG_GPU_FLOAT32)
        ((float *)to)[at] = value;
    else if (element == VGG_GPU_BFLOAT16)
        ((uint16_t *)to)[at] = vgg_to_bfloat16(value);
    else
        ((uint16_t *)to)[at] = vgg_to_float16(value);
}

/* ---- groups ---- */

#ifdef __CUDACC__
#define VGG_UNROLL _Pragma("unroll")
#else
#define VGG_UNROLL
#endif

/* Group number `group` of values; they are aligned to its size, which one load has. */
VGG_BODY void vgg_load8(const void *from, vgg_gpu_element element, size_t group, float *values) {
#ifdef __CUDACC__
    if (element == VGG_GPU_FLOAT32) {
        const float4 *at = (const float4 *)from + 2 * group;
        float4 low = at[0], high = at[1];
        memcpy(values, &low, sizeof low);
        memcpy(values + 4, &high, sizeof high);
        return;
    }
    uint4 words = ((const uint4 *)from)[group];
    uint16_t numbers[VGG_GPU_LANES];
    memcpy(numbers, &words, sizeof words);
#else
    const uint16_t *numbers = (const uint16_t *)from + group * VGG_GPU_LANES;
    if (element == VGG_GPU_FLOAT32) {
        memcpy(values, (const float *)from + group * VGG_GPU_LANES, VGG_GPU_LANES * sizeof *values);
        return;
    }
#endif
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        values[i] = vgg_load(numbers, element, i);
    }
}

VGG_BODY void vgg_store8(void *to, vgg_gpu_element element, size_t group, const float *values) {
#ifdef __CUDACC__
    if (element == VGG_GPU_FLOAT32) {
        float4 *at = (float4 *)to + 2 * group;
        at[0] = make_float4(values[0], values[1], values[2], values[3]);
        at[1] = make_float4(values[4], values[5], values[6], values[7]);
        return;
    }
    uint16_t numbers[VGG_GPU_LANES];
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        vgg_store(numbers, element, i, values[i]);
    }
    uint4 words;
    memcpy(&words, numbers, sizeof words);
    ((uint4 *)to)[group] = words;
#else
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        vgg_store(to, element, group * VGG_GPU_LANES + i, values[i]);
    }
#endif
}

#endif
