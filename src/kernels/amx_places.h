/* Where the places of a patch come from: its rows are those of the images of a part with zeros
 * between, and a row begins with the zeros that end the one before. */
#ifndef VGG_KERNELS_AMX_PLACES_H
#define VGG_KERNELS_AMX_PLACES_H

#include "kernels/amx.h"
#include "kernels/choice.h"
#include "kernels/direct_parts.h"
#include "kernels/maps.h"

/* Maps (height, width) of floats or of bfloat16, or, with `spread`, what windows of a max-pool
 * chose in such maps. */
typedef struct batch_maps {
    const float *values;
    const uint16_t *numbers;
    const vgg_choice *spread;
    size_t height, width;
} batch_maps;

/* A row of a map of one block of channels: values or numbers, or the windows of a max-pool and what
 * they chose. */
typedef struct map_row {
    const float *values;
    const uint16_t *numbers;
    const vgg_choice *chosen;
    int odd;       /* the row within its windows */
    size_t places; /* 0: zeros */
} map_row;

/* Row y of a block of an image, which may lie outside. */
VGG_INLINE map_row map_row_at(const batch_maps *maps, size_t plane, size_t y) {
    size_t side = maps->spread != NULL ? 2 : 1;
    size_t height = maps->height / side, width = maps->width / side;
    if (y / side >= height)
        return (map_row){0};
    size_t pixel = (plane * height + y / side) * width;
    return (map_row){.values = maps->numbers != NULL ? NULL : maps->values + pixel * VGG_BLOCK,
                     .numbers = maps->numbers != NULL ? maps->numbers + pixel * VGG_BLOCK : NULL,
                     .chosen = maps->spread != NULL ? maps->spread + pixel : NULL,
                     .odd = (int)(y % side),
                     .places = width * side};
}

VGG_INLINE vf map_value(const map_row *row, bool spread, size_t place) {
    if (!spread)
        return map_load(row->values, row->numbers, place * VGG_BLOCK);
    size_t at = place / 2;
    return unpool(map_load(row->values, row->numbers, at * VGG_BLOCK), &row->chosen[at], 0,
                  row->odd, (int)(place % 2));
}

/* The same, rounded. */
VGG_INLINE __m256i map_number(const map_row *row, bool spread, size_t place) {
    if (!spread && row->numbers != NULL)
        return _mm256_loadu_si256(
            (const __m256i *)(const void *)(row->numbers + place * VGG_BLOCK));
    return (__m256i)_mm512_cvtneps_pbh((__m512)map_value(row, spread, place));
}

/* Two blocks of numbers, one behind the other. */
VGG_INLINE __m512i both_numbers(__m256i first, __m256i second) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
}

/* A row of `low` and `high` blocks of channels, of which the latter may be zeros, rounded:
 * operands' rows, `apart` bytes from each other. */
VGG_INLINE void round_row(const map_row *low, const map_row *high, bool spread, size_t apart,
                          char *to) {
    for (size_t place = 0; place < low->places; place++, to += apart) {
        vf even = map_value(low, spread, place);
        vf odd = high->places == 0 ? (vf){0} : map_value(high, spread, place);
        __m512bh both = _mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
        memcpy(to, &both, sizeof both);
    }
}

/* The same of numbers that are rounded already. */
static inline void copy_row(const map_row *low, const map_row *high, size_t apart, char *to) {
    for (size_t place = 0; place < low->places; place++, to += apart) {
        __m256i odd = high->places == 0 ? _mm256_setzero_si256() : map_number(high, false, place);
        __m512i both = both_numbers(map_number(low, false, place), odd);
        memcpy(to, &both, sizeof both);
    }
}

static inline void put_row(const map_row *low, const map_row *high, size_t apart, char *to) {
    if (low->chosen != NULL)
        round_row(low, high, true, apart, to);
    else if (low->numbers != NULL)
        copy_row(low, high, apart, to);
    else
        round_row(low, high, false, apart, to);
}

/* Two blocks of numbers as pairs of their numbers. */
VGG_INLINE __m512i paired_numbers(__m256i even, __m256i odd) {
    const __m512i places =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(places, both_numbers(even, odd));
}

#endif
