/* The maps that Winograd's convolutions read: of floats or, beside products of numbers of bfloat16,
 * of such numbers. */
#ifndef VGG_KERNELS_WINOGRAD_MAPS_H
#define VGG_KERNELS_WINOGRAD_MAPS_H

#include <stddef.h>

#include "kernels/tier.h"

#if defined(VGG_BF16)
#define HAS_NUMBERS(map) ((map) != NULL)
#else
#define HAS_NUMBERS(map) false
#endif

VGG_INLINE const void *map_at(const void *map, bool numbers, ptrdiff_t value) {
    return (const char *)map + value * (ptrdiff_t)(numbers ? sizeof(uint16_t) : sizeof(float));
}

VGG_INLINE vf load_at(const void *map, bool numbers, ptrdiff_t value) {
    return vf_load_element(numbers ? VGG_ELEMENT_BFLOAT16 : VGG_ELEMENT_FLOAT32,
                           map_at(map, numbers, value), 0);
}

#endif
