#include "base/allocator.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(void *user, size_t bytes, size_t alignment) {
    (void)user;
    void *block; /* posix_memalign: for aligned_alloc the size would have to be a multiple too */
    if (alignment <= _Alignof(max_align_t))
        return malloc(bytes);
    return posix_memalign(&block, alignment, bytes) == 0 ? block : NULL;
}

static void *resize(void *user, void *block, size_t bytes) {
    (void)user;
    return realloc(block, bytes);
}

static void release(void *user, void *block) {
    (void)user;
    free(block);
}

/* Chosen at most once, before anything else. */
static vgg_allocator hooks = {allocate, resize, release, NULL};
static atomic_bool in_use;

bool vgg_allocator_install(const vgg_allocator *allocator) {
    if (atomic_exchange(&in_use, true))
        return false;
    hooks = *allocator;
    return true;
}

static void note_use(void) {
    if (!atomic_load_explicit(&in_use, memory_order_relaxed))
        atomic_store(&in_use, true);
}

void *vgg_malloc_aligned(size_t bytes, size_t alignment) {
    note_use();
    return hooks.allocate(hooks.user, bytes == 0 ? 1 : bytes, alignment);
}

void *vgg_malloc(size_t bytes) {
    return vgg_malloc_aligned(bytes, _Alignof(max_align_t));
}

void *vgg_calloc(size_t count, size_t bytes) {
    size_t size;
    note_use();
    if (hooks.allocate == allocate) /* pages that are fresh from the system are zero already */
        return count == 0 || bytes == 0 ? calloc(1, 1) : calloc(count, bytes);
    if (__builtin_mul_overflow(count, bytes, &size))
        return NULL;
    void *block = vgg_malloc_aligned(size, _Alignof(max_align_t));
    if (block != NULL)
        memset(block, 0, size);
    return block;
}

void *vgg_realloc(void *block, size_t bytes) {
    if (block == NULL)
        return vgg_malloc(bytes);
    return hooks.resize(hooks.user, block, bytes == 0 ? 1 : bytes);
}

void vgg_free(void *block) {
    if (block != NULL)
        hooks.release(hooks.user, block);
}
