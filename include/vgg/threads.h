/* Threads: what plans, predictors, loaders and training runs compute on, and may share.
 *
 * Whoever is given none makes its own. A program that uses several of them at a time, such as a
 * server with a predictor per request, makes one vgg_threads and names it in all their options: the
 * processors then have one set of threads between them, instead of one each. */
#ifndef VGG_THREADS_H
#define VGG_THREADS_H

#include <stddef.h>

#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VGG_THREADS_MAX 256

/* Threads that share out work, the caller's own being one of them. Any number of the caller's
 * threads may use one vgg_threads at the same time: each does its own work, helped by those of the
 * threads that have nothing else to do, and never waits for the others' work. No result depends on
 * how many threads there are or on who else uses them.
 *
 * A child process made by fork inherits a vgg_threads without its threads: what computes with it
 * there goes on, on the calling thread alone. A vgg_loader does not; see there. */
typedef struct vgg_threads vgg_threads;

/* Calls task(context, i) once for every i of 0..tasks-1, on any threads, in any order, also one
 * after another on the calling thread, and returns when all calls have returned. */
typedef void vgg_executor(void *user, size_t tasks, void (*task)(void *context, size_t index),
                          void *context);

typedef struct vgg_threads_options {
    size_t struct_size; /* set by vgg_threads_options_init */
    size_t count;       /* threads, the caller's included, or most tasks for the executor at once;
                         * 1 to VGG_THREADS_MAX, default 0: vgg_threads_default() */
    vgg_executor *executor; /* the caller's own threads; no others are then made. It is called from
                             * within functions that compute, several times at once when several
                             * threads do; no task may wait for another. Default NULL: threads are
                             * made */
    void *user;             /* for the executor */
} vgg_threads_options;

VGG_API void vgg_threads_options_init(vgg_threads_options *options, size_t size);

/* options may be NULL. VGG_ERROR_MEMORY when the operating system gives no more threads. */
VGG_API vgg_status vgg_threads_create(const vgg_threads_options *options, vgg_threads **threads,
                                      vgg_error *error);

/* Ends the threads. Everything that was made with them must have been freed before. */
VGG_API void vgg_threads_free(vgg_threads *threads);

/* Threads that can work at once for one caller, that caller included. */
VGG_API size_t vgg_threads_count(const vgg_threads *threads);

/* Threads that are used where an option says 0: as many as the processors that affinity and the
 * quota of the control group leave to this process. */
VGG_API size_t vgg_threads_default(void);

#ifdef __cplusplus
}
#endif
#endif
