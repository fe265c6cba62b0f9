/* The specification of every kernel: what the argument structs of kernels.h mean, written from the
 * definitions, one value at a time, in double. */
#ifndef VGG_KERNELS_REF_REF_H
#define VGG_KERNELS_REF_REF_H

#include <math.h>

#include "kernels/kernels.h"

/* Where the value of (image, channel, pixel) lies in a blocked activation. */
static inline size_t vgg_blocked_at(size_t image, size_t channel, size_t pixel, size_t channels,
                                    size_t pixels) {
    return ((image * vgg_blocks(channels) + channel / VGG_BLOCK) * pixels + pixel) * VGG_BLOCK +
           channel % VGG_BLOCK;
}

/* Weight number `index`, however weights are stored. */
static inline double vgg_weight_value(vgg_element element, const void *weights, size_t index) {
    float value;
    vgg_elements_to_float(
        element, (const unsigned char *)weights + index * vgg_element_bytes(element), 1, &value);
    return (double)value;
}

/* A denormal counts as a zero of its sign. */
static inline float vgg_flushed(float value) {
    return fpclassify(value) == FP_SUBNORMAL ? copysignf(0, value) : value;
}

/* The number of bfloat16 that a value is rounded to. */
static inline uint16_t vgg_bf16_of(float value) {
    uint16_t number;
    float flushed = vgg_flushed(value);
    vgg_elements_from_float(VGG_ELEMENT_BFLOAT16, &flushed, 1, (unsigned char *)&number);
    return number;
}

/* A value of a map of floats or, where there are some, of numbers of bfloat16, and writing one. */
static inline float vgg_map_value(const float *values, const uint16_t *numbers, size_t at) {
    return numbers == NULL ? values[at]
                           : (float)vgg_weight_value(VGG_ELEMENT_BFLOAT16, numbers, at);
}

static inline void vgg_map_write(float *values, uint16_t *numbers, size_t at, float value) {
    if (numbers == NULL)
        values[at] = value;
    else
        numbers[at] = vgg_bf16_of(value);
}

/* Notes that a max-pool took value 2 * row + column of the window at `at` in y, and asks whether it
 * did. */
static inline void vgg_choice_set(vgg_choice *chosen, size_t at, size_t which) {
    unsigned bit = 1u << at % VGG_BLOCK;
    vgg_choice *choice = &chosen[at / VGG_BLOCK];
    choice->columns = (uint16_t)(which % 2 ? choice->columns | bit : choice->columns & ~bit);
    choice->rows = (uint16_t)(which / 2 ? choice->rows | bit : choice->rows & ~bit);
}

static inline bool vgg_choice_is(const vgg_choice *chosen, size_t at, size_t which) {
    const vgg_choice *choice = &chosen[at / VGG_BLOCK];
    return (choice->columns >> at % VGG_BLOCK & 1u) == which % 2 &&
           (choice->rows >> at % VGG_BLOCK & 1u) == which / 2;
}

/* The gradient of value (row, column) of a plane from that of a 2x2 max-pool's output. */
static inline float vgg_spread_value(const float *dy, const uint16_t *dy_bf16,
                                     const vgg_choice *chosen, size_t image, size_t channel,
                                     size_t row, size_t column, size_t channels, size_t height,
                                     size_t width) {
    if (row / 2 >= height / 2 || column / 2 >= width / 2)
        return 0;
    size_t pixel = row / 2 * (width / 2) + column / 2;
    size_t at = vgg_blocked_at(image, channel, pixel, channels, (height / 2) * (width / 2));
    bool taken = vgg_choice_is(chosen, at, row % 2 * 2 + column % 2);
    return taken ? vgg_map_value(dy, dy_bf16, at) : 0;
}

#endif
