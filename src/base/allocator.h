/* Where memory comes from: malloc and its kin, or what vgg_allocator_set put in their place. */
#ifndef VGG_BASE_ALLOCATOR_H
#define VGG_BASE_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/memory.h"

/* What malloc, calloc, realloc and free do. All memory of the library's own comes from these;
 * memory that the C library or a dependency made goes back to it. */
void *vgg_malloc(size_t bytes);
void *vgg_calloc(size_t count, size_t bytes);
void *vgg_realloc(void *block, size_t bytes);
void vgg_free(void *block);

/* At a multiple of a power of two. */
void *vgg_malloc_aligned(size_t bytes, size_t alignment);

/* False when memory was taken already or an allocator installed. */
bool vgg_allocator_install(const vgg_allocator *allocator);

#endif
