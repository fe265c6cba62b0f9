/* The products of the convolution with tiles of 1 by AMX. A register of sums is 16 places times 16
 * output channels; four of them share two of the patch and two of filters. AMX_PRODUCT is the
 * instruction, and CHUNKS_AT_ONCE how many chunks of channels are multiplied at a time. */
#ifndef VGG_KERNELS_AMX_DIRECT_H
#define VGG_KERNELS_AMX_DIRECT_H

#include "kernels/amx.h"
#include "kernels/direct_parts.h"

#define STEP (2 * AMX_ROWS)

/* sums[block][places][16] += the products of some chunks, of 16 places or, if `wide`, 32, and of
 * one block of outputs or `both`; `first`: instead of +=. All of a tap is loaded before it is
 * multiplied, which is faster than as it is needed. */
VGG_INLINE void multiply(const distances *d, const char *x, const char *w, size_t chunks,
                         bool first, bool wide, bool both, char *sums) {
    char *second = sums + d->sums;
    AMX_ZERO(0);
    AMX_ZERO(1);
    AMX_ZERO(2);
    AMX_ZERO(3);
    if (!first) {
        AMX_LOAD(0, sums, AMX_ROW_BYTES);
        if (both)
            AMX_LOAD(1, second, AMX_ROW_BYTES);
        if (wide)
            AMX_LOAD(2, sums + AMX_BYTES, AMX_ROW_BYTES);
        if (wide && both)
            AMX_LOAD(3, second + AMX_BYTES, AMX_ROW_BYTES);
    }
    for (size_t chunk = 0; chunk < chunks; chunk++, x += d->plane) {
        for (size_t tap = 0; tap < d->taps; tap++, w += BLOCKS * AMX_BYTES) {
            const char *a = x + d->away[tap];
            AMX_LOAD(4, a, AMX_ROW_BYTES);
            if (wide)
                AMX_LOAD(5, a + AMX_BYTES, AMX_ROW_BYTES);
            AMX_LOAD(6, w, AMX_ROW_BYTES);
            if (both)
                AMX_LOAD(7, w + AMX_BYTES, AMX_ROW_BYTES);
            AMX_PRODUCT(0, 4, 6);
            if (both)
                AMX_PRODUCT(1, 4, 7);
            if (wide)
                AMX_PRODUCT(2, 5, 6);
            if (wide && both)
                AMX_PRODUCT(3, 5, 7);
        }
    }
    AMX_STORE(0, sums, AMX_ROW_BYTES);
    if (both)
        AMX_STORE(1, second, AMX_ROW_BYTES);
    if (wide)
        AMX_STORE(2, sums + AMX_BYTES, AMX_ROW_BYTES);
    if (wide && both)
        AMX_STORE(3, second + AMX_BYTES, AMX_ROW_BYTES);
}

/* The products of `places` from x on with the filters w of a group, of which `single` has one block
 * alone. */
static void multiply_strip(const distances *d, const char *w, const char *x, size_t places,
                           bool single, char *sums) {
    size_t chunk_bytes = d->taps * BLOCKS * AMX_BYTES;
    for (size_t chunk = 0; chunk < d->chunks; chunk += CHUNKS_AT_ONCE) {
        size_t some = vgg_size_min(CHUNKS_AT_ONCE, d->chunks - chunk);
        const char *from = x + chunk * d->plane, *filters = w + chunk * chunk_bytes;
        for (size_t place = 0; place < places; place += STEP) {
            const char *at = from + place * AMX_ROW_BYTES;
            char *to = sums + place * AMX_ROW_BYTES;
            if (single)
                multiply(d, at, filters, some, chunk == 0, true, false, to);
            else if (places - place > AMX_ROWS)
                multiply(d, at, filters, some, chunk == 0, true, true, to);
            else
                multiply(d, at, filters, some, chunk == 0, false, true, to);
        }
    }
}

#endif
