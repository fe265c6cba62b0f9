/* Shares of the units of a piece of work, one for each thread, and who takes what of them. */
#ifndef VGG_BASE_SHARES_H
#define VGG_BASE_SHARES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "base/threads.h"

/* The units that one thread takes first: the same part of every piece of work, so that it mostly
 * reads what it wrote itself an op before, which lies in its own caches. When it is done it takes
 * from the others. */
typedef struct vgg_share {
    _Alignas(VGG_ALIGNMENT) atomic_size_t next; /* first unit that nobody has taken */
    size_t end, chunk;
    atomic_size_t pace; /* nanoseconds that the thread took for a unit of late; 0: not known */
} vgg_share;

/* As many units for each. */
void vgg_shares_cut(vgg_share *shares, size_t count, size_t units);

/* Works on units, those of the worker's own share first, until there are none or, if it may leave
 * some to others, none that it should take. */
void vgg_shares_take(vgg_share *shares, size_t count, size_t worker, bool leave, vgg_work *work,
                     void *context);

#endif
