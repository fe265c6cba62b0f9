/* Where the library's memory comes from. */
#ifndef VGG_MEMORY_H
#define VGG_MEMORY_H

#include <stddef.h>

#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Functions of the caller's that stand in for malloc, realloc and free. They may be called from any
 * thread, several at once. Frozen. */
typedef struct vgg_allocator {
    /* At least `bytes` bytes, 1 or more, at a multiple of `alignment`, a power of two; NULL when
     * there are none. */
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    /* Makes a block that was allocated with an alignment of malloc's larger or smaller and keeps
     * what is in it; NULL, and the block as it was, when that cannot be. */
    void *(*resize)(void *user, void *block, size_t bytes);
    void (*release)(void *user, void *block); /* never NULL */
    void *user;
} vgg_allocator;

/* Takes all memory of the library's own from the allocator, which is copied, in the whole process
 * and for as long as it lasts: the first function of the library that is called, and called once;
 * VGG_ERROR_ARGUMENT later on. Not for use by several threads. What libjpeg, Jansson and the other
 * libraries below take on their way still comes from where they take it, and files are mapped. */
VGG_API vgg_status vgg_allocator_set(const vgg_allocator *allocator, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
