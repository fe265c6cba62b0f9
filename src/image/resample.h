/* The coefficients of a resize, and what is done with them to samples. */
#ifndef VGG_IMAGE_RESAMPLE_H
#define VGG_IMAGE_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "vgg/status.h"

/* Bits after the point of a coefficient: 8 are left for the sample and 2 for the overshoot of a
 * filter with negative lobes. */
enum { PRECISION = 32 - 8 - 2, HALF = 1 << (PRECISION - 1) };

/* For each place of the result: the first place of the source that counts, how many do, and `taps`
 * coefficients, of which the first `count` are used. */
typedef struct window {
    size_t first, count;
} window;

typedef struct resampling {
    size_t taps;
    window *windows;
    int32_t *coefficients;
} resampling;

static inline uint8_t to_sample(int32_t sum) {
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* All places that the windows of a resampling of `count` places cover. */
static inline window covered(const resampling *plan, size_t count) {
    const window *last = &plan->windows[count - 1];
    size_t first = plan->windows[0].first;
    return (window){.first = first, .count = last->first + last->count - first};
}

/* The pass over columns: makes `width` places of each of the rows, which lie `pitch` samples apart,
 * without gaps between rows of the result. */
vgg_status vgg_mix_columns(const uint8_t *rows, size_t pitch, size_t count, const resampling *plan,
                           size_t channels, uint8_t *out, size_t width, vgg_error *error);

/* The pass over rows: one row of the result, `length` samples, from `count` rows that lie `pitch`
 * samples apart. */
void vgg_mix_rows(const uint8_t *rows, size_t count, size_t pitch, const int32_t *k, uint8_t *out,
                  size_t length);

#endif
