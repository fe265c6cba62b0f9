/* Allocations of a test program and of every library in it, counted, or failing at the nth. Nothing
 * is counted or fails under a sanitizer, which has an allocator of its own. */
#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

/* From now on until allocations_end: the allocation number `fail_at`, counted from 1, returns NULL;
 * with `lasting` all later ones too. 0: none fails. */
void allocations_begin(size_t fail_at, bool lasting);

/* The same, but those fail that would make more than `room` bytes be held at once. */
void allocations_begin_within(size_t room);

typedef struct allocations {
    size_t count; /* of allocations */
    size_t peak;  /* the most bytes that were held of them at once */
    size_t held;  /* bytes that still are */
    bool failed;  /* one did */
} allocations;

allocations allocations_end(void);

/* Whether any of this has an effect. */
bool allocations_work(void);

#endif
