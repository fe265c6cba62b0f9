/* What the other rooms do with threads: share out the units of a piece of work, and let threads
 * that have nothing to do there make things ahead of time. */
#ifndef VGG_BASE_THREADS_H
#define VGG_BASE_THREADS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "vgg/threads.h"

/* Works on the units begin..end-1. `worker` is 0..threads-1 and names the scratch memory that the
 * call may use. Which worker gets which units varies from run to run: a result may depend on the
 * unit, never on the worker or on the neighbours of a unit in its range. */
typedef void vgg_work(void *context, size_t begin, size_t end, size_t worker);

/* `shared`, or where that is NULL new threads, `count` of them (0: vgg_threads_default), which *own
 * then keeps for vgg_threads_free; it is NULL otherwise. */
vgg_status vgg_threads_obtain(vgg_threads *shared, size_t count, vgg_threads **threads,
                              vgg_threads **own, vgg_error *error);

/* The number of threads that vgg_threads_obtain would give. */
size_t vgg_threads_obtained(const vgg_threads *shared, size_t count);

/* Runs units 0..units-1 and returns when all are done. Callers on several threads, and work that
 * calls it from within, do not disturb one another, nor wait for anything but threads that have
 * units of their own work in hand. Denormal numbers count as zero inside, on every thread alike.
 * Takes no memory. */
void vgg_threads_run(vgg_threads *threads, size_t units, vgg_work *work, void *context);

/* ---- work in the background ---- */

/* Work in pieces that somebody will want later. Threads that no vgg_threads_run has a use for take
 * it up, a piece at a time; one that has a piece in hand is not waited for by any vgg_threads_run.
 * The owner sets work and context; the rest belongs to the threads. */
typedef struct vgg_background {
    void (*work)(void *context); /* does a piece, if there is one */
    void *context;
    atomic_size_t waiting; /* pieces that nobody has taken yet */
    size_t inside;         /* threads that are in `work` */
    struct vgg_background *next;
} vgg_background;

/* From now on threads look for pieces. Without threads, as in a vgg_threads with an executor or one
 * inherited over fork, nobody ever looks. */
void vgg_threads_add(vgg_threads *threads, vgg_background *background);
/* Returns when no thread is in `work` any more, and none will be. */
void vgg_threads_remove(vgg_threads *threads, vgg_background *background);
/* Says how many pieces wait, whenever that changes. Threads look for them as long as there are
 * some; it does no harm when `work` then finds that the calling thread was faster. */
void vgg_threads_offer(vgg_threads *threads, vgg_background *background, size_t waiting);

/* Runs task(context, i) for every i on the executor, if the threads have one. */
bool vgg_threads_execute(vgg_threads *threads, size_t tasks,
                         void (*task)(void *context, size_t index), void *context);

#endif
