#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/cgroup.h"
#include "base/error.h"
#include "vgg/memory.h"

bool vgg_size_mul(size_t a, size_t b, size_t *out) {
    size_t result;
    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *out = result;
    return true;
}

bool vgg_size_add(size_t a, size_t b, size_t *out) {
    size_t result;
    if (__builtin_add_overflow(a, b, &result))
        return false;
    *out = result;
    return true;
}

vgg_status vgg_allocator_set(const vgg_allocator *allocator, vgg_error *error) {
    if (allocator->allocate == NULL || allocator->resize == NULL || allocator->release == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "an allocator without one of its three functions");
    if (!vgg_allocator_install(allocator))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the allocator is set after memory was taken, or a second time; expected "
                        "before any other function of the library");
    return VGG_OK;
}

/* Kernels walk many streams through large blocks at once, more than there are entries for small
 * pages in a processor's table of addresses. */
#define LARGE_PAGE ((size_t)2 << 20)

void *vgg_aligned_alloc(size_t bytes) {
    /* The address space before an aligned block is lost, an eighth of it at most. */
    size_t alignment = bytes < 8 * LARGE_PAGE ? VGG_ALIGNMENT : LARGE_PAGE;
    if (bytes > SIZE_MAX - alignment)
        return NULL;
    size_t size = vgg_round_up(bytes == 0 ? 1 : bytes, VGG_ALIGNMENT);
    void *block = vgg_malloc_aligned(size, alignment);
    if (block == NULL)
        return NULL;
#if defined(MADV_HUGEPAGE)
    if (alignment == LARGE_PAGE)
        madvise(block, size, MADV_HUGEPAGE); /* a wish: without it all is well but slower */
#endif
    return block;
}

bool vgg_memory_fits(size_t bytes) {
    void *volatile block = malloc(bytes); /* volatile: else compilers leave the pair out */
    free(block);
    return block != NULL;
}

static size_t left_of(size_t limit, size_t used) {
    if (limit == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    return limit > used ? limit - used : 0;
}

size_t vgg_memory_available(void) {
    size_t kilobytes = vgg_kernel_number("/proc/meminfo", "MemAvailable:");
    size_t available = kilobytes > SIZE_MAX / 1024 ? SIZE_MAX : kilobytes * 1024;
    available = vgg_size_min(available, vgg_cgroup_memory(""));
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        size_t kb = vgg_kernel_number("/proc/self/status", "VmSize:");
        size_t used = kb > SIZE_MAX / 1024 ? 0 : kb * 1024;
        available = vgg_size_min(available, left_of((size_t)limit.rlim_cur, used));
    }
    return available;
}
