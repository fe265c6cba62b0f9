/* A pool of threads that share one piece of work at a time. */
#ifndef VGG_BASE_THREADS_H
#define VGG_BASE_THREADS_H

#include <stddef.h>

#include "vgg/status.h"

typedef struct vgg_pool vgg_pool;

/* Works on the units begin..end-1. `worker` is 0..threads-1 and names the scratch memory that the
 * call may use. Which worker gets which units varies from run to run: a result may depend on the
 * unit, never on the worker or on the neighbours of a unit in its range. */
typedef void vgg_pool_work(void *context, size_t begin, size_t end, size_t worker);

/* A pool of `threads` threads, the caller of vgg_pool_run being one of them; 0 means
 * vgg_threads_default(). */
vgg_status vgg_pool_create(size_t threads, vgg_pool **pool, vgg_error *error);
void vgg_pool_free(vgg_pool *pool);
size_t vgg_pool_threads(const vgg_pool *pool);

/* Runs units 0..units-1 on all threads and returns when all are done. One call at a time per pool.
 * Denormal numbers count as zero inside, on every thread alike. Takes no memory. */
void vgg_pool_run(vgg_pool *pool, size_t units, vgg_pool_work *work, void *context);

#define VGG_THREADS_MAX 256

#endif
