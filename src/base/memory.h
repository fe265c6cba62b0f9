/* Memory: overflow-checked sizes, aligned blocks, and how much the process may still take. */
#ifndef VGG_BASE_MEMORY_H
#define VGG_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/allocator.h"

/* Blocks for numbers start on a cache line, which is also the widest vector. */
#define VGG_ALIGNMENT 64

/* *out = a * b or a + b; false, leaving *out alone, when the result does not fit. */
bool vgg_size_mul(size_t a, size_t b, size_t *out);
bool vgg_size_add(size_t a, size_t b, size_t *out);

static inline size_t vgg_size_min(size_t a, size_t b) {
    return a < b ? a : b;
}

static inline size_t vgg_size_max(size_t a, size_t b) {
    return a > b ? a : b;
}

static inline size_t vgg_round_up(size_t value, size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

/* A block of at least `bytes` bytes, aligned to VGG_ALIGNMENT and not cleared; vgg_free releases
 * it. NULL when memory ran out. */
void *vgg_aligned_alloc(size_t bytes);

/* Whether a block of this size could be had at this moment: asked before calls into libraries that
 * do not survive when they run out of memory. Other threads may take it before the call does. */
bool vgg_memory_fits(size_t bytes);

/* Bytes that this process can still take: the least of the machine's available memory, the limits
 * of its control groups and the address-space limit. */
size_t vgg_memory_available(void);

#endif
