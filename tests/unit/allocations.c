#include "allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static bool running, lasts, failed;
static size_t count, fail_number, most, held, peak;

static void begin(size_t fail_at, bool lasting, size_t room) {
    count = held = peak = 0;
    failed = false;
    fail_number = fail_at;
    lasts = lasting;
    most = room;
    running = true;
}

void allocations_begin(size_t fail_at, bool lasting) {
    begin(fail_at, lasting, SIZE_MAX);
}

void allocations_begin_within(size_t room) {
    begin(0, false, room);
}

allocations allocations_end(void) {
    running = false;
    return (allocations){.count = count, .peak = peak, .held = held, .failed = failed};
}

#if defined(SANITIZED)

bool allocations_work(void) {
    return false;
}

#else

bool allocations_work(void) {
    return true;
}

/* The names by which glibc offers its allocator to programs that put one before it. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t members, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static bool fails(size_t size) {
    if (!running)
        return false;
    count++;
    bool now = fail_number > 0 && (lasts ? count >= fail_number : count == fail_number);
    now = now || held > most || size > most - held;
    failed = failed || now;
    return now;
}

static void *note(void *block) {
    if (running && block != NULL) {
        held += malloc_usable_size(block);
        peak = held > peak ? held : peak;
    }
    return block;
}

static void forget(void *block) {
    if (running && block != NULL) {
        size_t size = malloc_usable_size(block);
        held -= size < held ? size : held;
    }
}

static void *no_memory(void) {
    errno = ENOMEM;
    return NULL;
}

/* Seen by the libraries that the program is linked to. */
#pragma GCC visibility push(default)

void *malloc(size_t size) {
    return fails(size) ? no_memory() : note(__libc_malloc(size));
}

void *calloc(size_t members, size_t size) {
    return fails(members * size) ? no_memory() : note(__libc_calloc(members, size));
}

void *realloc(void *block, size_t size) {
    if (fails(size))
        return no_memory();
    forget(block);
    return note(__libc_realloc(block, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails(size) ? no_memory() : note(__libc_memalign(alignment, size));
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *made = fails(size) ? NULL : note(__libc_memalign(alignment, size));
    if (made == NULL)
        return ENOMEM;
    *block = made;
    return 0;
}

void free(void *block) {
    forget(block);
    __libc_free(block);
}

#pragma GCC visibility pop

#endif
