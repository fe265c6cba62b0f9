/* Room for floats, taken one after the other and looked at once. */
#ifndef VGG_INSIDE_FLOATS_H
#define VGG_INSIDE_FLOATS_H

#include <string.h>

#include "base/memory.h"

/* `count` zeros, for vgg_free; *failed becomes true when memory ran out. */
static inline float *vgg_take_floats(size_t count, bool *failed) {
    float *floats = vgg_aligned_alloc(count * sizeof *floats);
    *failed = *failed || floats == NULL;
    if (floats != NULL)
        memset(floats, 0, count * sizeof *floats);
    return floats;
}

#endif
