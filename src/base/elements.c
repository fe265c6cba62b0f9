#include "base/elements.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "weights are used as they lie in files, which are little-endian");

static const vgg_element_type types[] = {
    {"F32", 4, VGG_ELEMENT_FLOAT32},   {"F64", 8, VGG_ELEMENT_FLOAT64},
    {"F16", 2, VGG_ELEMENT_FLOAT16},   {"BF16", 2, VGG_ELEMENT_BFLOAT16},
    {"I64", 8, VGG_ELEMENT_INT64},     {"U64", 8, VGG_ELEMENT_OTHER},
    {"I32", 4, VGG_ELEMENT_OTHER},     {"U32", 4, VGG_ELEMENT_OTHER},
    {"I16", 2, VGG_ELEMENT_OTHER},     {"U16", 2, VGG_ELEMENT_OTHER},
    {"I8", 1, VGG_ELEMENT_INT8},       {"U8", 1, VGG_ELEMENT_OTHER},
    {"BOOL", 1, VGG_ELEMENT_OTHER},    {"F8_E4M3", 1, VGG_ELEMENT_OTHER},
    {"F8_E5M2", 1, VGG_ELEMENT_OTHER}, {"C64", 8, VGG_ELEMENT_OTHER},
};

const vgg_element_type *vgg_element_type_named(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    }
    return NULL;
}

const char *vgg_element_name(vgg_element element) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].element == element && element != VGG_ELEMENT_OTHER)
            return types[i].name;
    }
    return "other";
}

bool vgg_element_is_weight(vgg_element element) {
    return element == VGG_ELEMENT_FLOAT32 || element == VGG_ELEMENT_FLOAT64 ||
           element == VGG_ELEMENT_FLOAT16 || element == VGG_ELEMENT_BFLOAT16;
}

static float float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 sign bit, 5 exponent bits with bias 15, 10 fraction bits. */
static float float_from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t fraction = half & 0x3ffu;
    if (exponent == 0) {
        float magnitude = (float)fraction * 0x1p-24f;
        return sign != 0 ? -magnitude : magnitude;
    }
    if (exponent == 0x1f)
        return float_from_bits(sign | 0x7f800000u | fraction << 13);
    return float_from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

void vgg_elements_to_float(vgg_element element, const unsigned char *bytes, size_t count,
                           float *values) {
    if (element == VGG_ELEMENT_FLOAT32) {
        memcpy(values, bytes, count * sizeof *values);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        double wide;
        switch (element) {
        case VGG_ELEMENT_FLOAT16:
            memcpy(&half, bytes + 2 * i, sizeof half);
            values[i] = float_from_half(half);
            break;
        case VGG_ELEMENT_BFLOAT16:
            memcpy(&half, bytes + 2 * i, sizeof half);
            values[i] = float_from_bits((uint32_t)half << 16);
            break;
        case VGG_ELEMENT_FLOAT64:
            memcpy(&wide, bytes + 8 * i, sizeof wide);
            values[i] = (float)wide;
            break;
        case VGG_ELEMENT_INT8:
            values[i] = (float)(signed char)bytes[i];
            break;
        case VGG_ELEMENT_FLOAT32:
        case VGG_ELEMENT_INT64:
        case VGG_ELEMENT_OTHER:
            values[i] = 0.0f;
            break;
        }
    }
}

static uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* bits >> shift, rounded to nearest, ties to even. */
static uint32_t round_bits(uint32_t bits, unsigned shift) {
    uint32_t half = 1u << (shift - 1);
    return (bits + half - 1 + (bits >> shift & 1)) >> shift;
}

/* A NaN stays one, though its payload may be in the bits that go. */
static uint16_t bfloat_from_float(float value) {
    uint32_t bits = bits_of_float(value);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)round_bits(bits, 16);
}

static uint16_t half_from_float(float value) {
    uint32_t bits = bits_of_float(value), sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (bits >= 0x47800000u) /* 65536 */
        return (uint16_t)(sign | 0x7c00u);
    if (bits >= 0x38800000u) /* 2^-14, the smallest normal number; rounding up may reach infinity */
        return (uint16_t)(sign | round_bits(bits - 0x38000000u, 13));
    /* Multiples of 2^-24: adding 1.5 * 2^-1 lets the addition itself round to them. */
    float shifted = float_from_bits(bits) + 0.75f;
    return (uint16_t)(sign | (bits_of_float(shifted) - bits_of_float(0.75f)));
}

void vgg_elements_from_float(vgg_element element, const float *values, size_t count,
                             unsigned char *bytes) {
    for (size_t i = 0; i < count; i++) {
        if (element == VGG_ELEMENT_FLOAT32) {
            memcpy(bytes + 4 * i, &values[i], sizeof values[i]);
            continue;
        }
        uint16_t half = element == VGG_ELEMENT_FLOAT16 ? half_from_float(values[i])
                                                       : bfloat_from_float(values[i]);
        memcpy(bytes + 2 * i, &half, sizeof half);
    }
}

float vgg_elements_to_int8(const float *values, size_t count, signed char *numbers) {
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fabsf(values[i]) > most || values[i] != values[i] ? fabsf(values[i]) : most;
    }
    float scale = most / VGG_INT8_MOST;
    for (size_t i = 0; i < count; i++) {
        double number = scale > 0 && isfinite(scale) ? rint((double)values[i] / (double)scale) : 0;
        /* Below the smallest normal number a scale can be rounded so far down that more would come
         * out. */
        numbers[i] = (signed char)fmax(-VGG_INT8_MOST, fmin(number, VGG_INT8_MOST));
    }
    return scale;
}
