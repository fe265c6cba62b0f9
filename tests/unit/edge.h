/* Structs of callers that know less of them or more than the library. Each lies at the edge of a
 * page behind which nothing may be read or written. */
#ifndef EDGE_H
#define EDGE_H

#include <sys/mman.h>
#include <unistd.h>

#include "vgg_test.h"

/* How much longer than ours a longer struct is. */
enum { TAIL = 64 };

static inline size_t page(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* `size` bytes of 0xff in front of a page that cannot be touched. */
static inline unsigned char *edge(size_t size) {
    unsigned char *pages =
        mmap(NULL, 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED && size <= page());
    assert_int_equal(mprotect(pages + page(), page(), PROT_NONE), 0);
    memset(pages, 0xff, page());
    return pages + page() - size;
}

static inline void unmap(unsigned char *bytes, size_t size) {
    assert_int_equal(munmap(bytes + size - page(), 2 * page()), 0);
}

static inline size_t size_of(const void *given) {
    size_t size;
    memcpy(&size, given, sizeof size);
    return size;
}

static inline void set_size(void *given, size_t size) {
    memcpy(given, &size, sizeof size);
}

#endif
