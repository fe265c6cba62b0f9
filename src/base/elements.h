/* The types of number that stored tensors are made of. */
#ifndef VGG_BASE_ELEMENTS_H
#define VGG_BASE_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum vgg_element {
    VGG_ELEMENT_FLOAT32 = 0,
    VGG_ELEMENT_FLOAT64,
    VGG_ELEMENT_FLOAT16,
    VGG_ELEMENT_BFLOAT16,
    VGG_ELEMENT_INT8, /* a weight's only beside a scale for each row */
    VGG_ELEMENT_INT64,
    VGG_ELEMENT_OTHER, /* known by size only; no weight may have it */
} vgg_element;

typedef struct vgg_element_type {
    const char *name; /* as safetensors writes it: "F32" */
    size_t bytes;
    vgg_element element;
} vgg_element_type;

/* "F32", "F16", "BF16", "F64", "I8" or "I64"; "other" for what has no number of its own. */
const char *vgg_element_name(vgg_element element);

/* NULL for a name that is not known. */
const vgg_element_type *vgg_element_type_named(const char *name);

/* Bytes of a number that kernels read. */
static inline size_t vgg_element_bytes(vgg_element element) {
    return element == VGG_ELEMENT_FLOAT32 ? 4 : element == VGG_ELEMENT_INT8 ? 1 : 2;
}

/* True for the types that weights may have on their own. */
bool vgg_element_is_weight(vgg_element element);

/* Reads `count` little-endian numbers of a weight type or int8, at any alignment, as floats;
 * float64 is rounded to nearest. */
void vgg_elements_to_float(vgg_element element, const unsigned char *bytes, size_t count,
                           float *values);

/* Writes floats as float32, float16 or bfloat16, rounded to nearest, ties to even; what is beyond
 * float16's 65504 becomes infinite. */
void vgg_elements_from_float(vgg_element element, const float *values, size_t count,
                             unsigned char *bytes);

/* The largest whole number that a weight of int8 has; the least is its negative. */
#define VGG_INT8_MOST 127

/* Writes a row of weights as whole numbers, rounded to nearest, ties to even, and returns what they
 * are times: the largest absolute value / VGG_INT8_MOST. That is no finite number when a weight is
 * not; the whole numbers are then all 0. */
float vgg_elements_to_int8(const float *values, size_t count, signed char *numbers);

#endif
