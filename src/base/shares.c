#include "base/shares.h"

#include <time.h>

/* Units that are left to another thread, at most: it may be that they are more work than it did. */
#define LEAVE_MOST 4

void vgg_shares_cut(vgg_share *shares, size_t count, size_t units) {
    for (size_t i = 0; i < count; i++) {
        vgg_share *own = &shares[i];
        size_t begin = units * i / count;
        own->end = units * (i + 1) / count;
        /* Several pieces per share level out threads of unequal speed. */
        own->chunk = vgg_size_max(1, (own->end - begin) / 8);
        atomic_store(&own->pace, 0);
        atomic_store(&own->next, begin);
    }
}

static size_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (size_t)now.tv_sec * 1000000000u + (size_t)now.tv_nsec;
}

/* Units of a share that nobody has taken. */
static size_t left_of(const vgg_share *units) {
    size_t next = atomic_load(&units->next);
    return next < units->end ? units->end - next : 0;
}

/* Whether the other threads that have done some will have taken the last unit, and done it, before
 * this one would have done another. Processors are of unequal speed: some have a neighbour that
 * computes, and some are built so. */
static bool others_are_faster(const vgg_share *shares, size_t count, size_t worker) {
    double left = 0, others = 0, rate = 0; /* the latter in units a nanosecond */
    double own = (double)atomic_load(&shares[worker].pace);
    for (size_t i = 0; i < count; i++) {
        size_t pace = atomic_load(&shares[i].pace);
        left += (double)left_of(&shares[i]);
        if (i == worker || pace == 0)
            continue;
        rate += 1 / (double)pace;
        others++;
    }
    return left <= LEAVE_MOST * others && own * rate > left + 1;
}

/* Takes the next units of a share: how many. Ever fewer, so that threads of unequal speed end
 * together. */
static size_t take_some(vgg_share *units, size_t *begin) {
    size_t left = left_of(units);
    size_t count = vgg_size_max(1, vgg_size_min(units->chunk, left / 4));
    if (left == 0)
        return 0;
    *begin = atomic_fetch_add(&units->next, count);
    return *begin < units->end ? vgg_size_min(count, units->end - *begin) : 0;
}

void vgg_shares_take(vgg_share *shares, size_t count, size_t worker, bool leave, vgg_work *work,
                     void *context) {
    for (size_t i = 0; i < count; i++) {
        size_t begin, some;
        while (!(leave && others_are_faster(shares, count, worker)) &&
               (some = take_some(&shares[(worker + i) % count], &begin)) > 0) {
            size_t before = nanoseconds();
            work(context, begin, begin + some, worker);
            atomic_store(&shares[worker].pace, (nanoseconds() - before) / some + 1);
        }
    }
}
