#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "base/error.h"
#include "base/memory.h"

/* How often a waiting thread looks before it sleeps: some tens of microseconds, the time between
 * two steps of a network, so that a running network rarely pays for a wake-up. */
#define SPINS 4000

/* The units that one thread takes first: the same part of every piece of work, so that it mostly
 * reads what it wrote itself a step before, which lies in its own caches. When it is done it takes
 * from the others. */
typedef struct share {
    _Alignas(VGG_ALIGNMENT) atomic_size_t next; /* first unit that nobody has taken */
    size_t end, chunk;
} share;

struct vgg_pool {
    size_t threads;
    pthread_t handles[VGG_THREADS_MAX];
    size_t started;

    vgg_pool_work *work;
    void *context;
    share *shares;            /* of each thread */
    atomic_size_t unfinished; /* helpers still inside the current work */
    atomic_uint generation;   /* counts the pieces of work; a change wakes the helpers */
    atomic_bool stop;

    /* For threads that have looked long enough. Who waits says so before it looks a last time, and
     * who changes what it waits for looks here afterwards: one of the two sees the other. So a pool
     * that is kept busy takes no lock. */
    atomic_uint sleepers;     /* helpers that wait for work */
    atomic_bool caller_waits; /* for the helpers to finish */
    pthread_mutex_t mutex;
    pthread_cond_t begun, finished;
};

typedef struct helper {
    vgg_pool *pool;
    size_t worker;
} helper;

#if defined(__SSE__)
/* Bits 15 and 6 of MXCSR: flush results to zero, take denormal inputs as zero. */
static unsigned denormals_off(void) {
    unsigned saved = _mm_getcsr();
    _mm_setcsr(saved | 0x8040u);
    return saved;
}

static void denormals_restore(unsigned saved) {
    _mm_setcsr(saved);
}
#else
static unsigned denormals_off(void) {
    return 0;
}

static void denormals_restore(unsigned saved) {
    (void)saved;
}
#endif

static void relax(void) {
#if defined(__SSE__)
    _mm_pause();
#endif
}

static void take_from(const vgg_pool *pool, share *from, size_t worker) {
    for (;;) {
        size_t begin = atomic_fetch_add(&from->next, from->chunk);
        if (begin >= from->end)
            return;
        pool->work(pool->context, begin, vgg_size_min(begin + from->chunk, from->end), worker);
    }
}

static void take_units(vgg_pool *pool, size_t worker) {
    size_t threads = pool->started + 1;
    for (size_t i = 0; i < threads; i++) {
        take_from(pool, &pool->shares[(worker + i) % threads], worker);
    }
}

static void share_out(vgg_pool *pool, size_t units) {
    size_t threads = pool->started + 1;
    for (size_t i = 0; i < threads; i++) {
        share *own = &pool->shares[i];
        size_t begin = units * i / threads;
        own->end = units * (i + 1) / threads;
        /* Several pieces per share level out threads of unequal speed. */
        own->chunk = vgg_size_max(1, (own->end - begin) / 8);
        atomic_store(&own->next, begin);
    }
}

/* Waits until the generation is no longer `seen`; returns the new one. */
static unsigned await_work(vgg_pool *pool, unsigned seen) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&pool->generation) != seen)
            return atomic_load(&pool->generation);
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->generation) == seen) {
        pthread_cond_wait(&pool->begun, &pool->mutex);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
    return atomic_load(&pool->generation);
}

static void *helper_main(void *argument) {
    helper self = *(helper *)argument;
    free(argument);
    vgg_pool *pool = self.pool;
    denormals_off();
    unsigned seen = 0;
    for (;;) {
        seen = await_work(pool, seen);
        if (atomic_load(&pool->stop))
            return NULL;
        take_units(pool, self.worker);
        if (atomic_fetch_sub(&pool->unfinished, 1) == 1 && atomic_load(&pool->caller_waits)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

static void wake_helpers(vgg_pool *pool) {
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers) == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->begun);
    pthread_mutex_unlock(&pool->mutex);
}

static void await_helpers(vgg_pool *pool) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&pool->unfinished) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_waits, true);
    while (atomic_load(&pool->unfinished) != 0) {
        pthread_cond_wait(&pool->finished, &pool->mutex);
    }
    atomic_store(&pool->caller_waits, false);
    pthread_mutex_unlock(&pool->mutex);
}

void vgg_pool_run(vgg_pool *pool, size_t units, vgg_pool_work *work, void *context) {
    unsigned saved = denormals_off();
    size_t helpers = units > 1 ? pool->started : 0;
    if (helpers == 0) {
        work(context, 0, units, 0);
    } else {
        pool->work = work;
        pool->context = context;
        share_out(pool, units);
        atomic_store(&pool->unfinished, helpers);
        wake_helpers(pool);
        take_units(pool, 0);
        await_helpers(pool);
    }
    denormals_restore(saved);
}

static vgg_status start_helper(vgg_pool *pool, vgg_error *error) {
    helper *argument = malloc(sizeof *argument);
    if (argument == NULL)
        return vgg_fail_memory(error, "a thread", sizeof *argument);
    *argument = (helper){pool, pool->started + 1};
    int failure = pthread_create(&pool->handles[pool->started], NULL, helper_main, argument);
    if (failure != 0) {
        free(argument);
        return vgg_fail(error, VGG_ERROR_MEMORY, "cannot start thread %zu of %zu: %s",
                        pool->started + 2, pool->threads, strerror(failure));
    }
    pool->started++;
    return VGG_OK;
}

vgg_status vgg_pool_create(size_t threads, vgg_pool **out, vgg_error *error) {
    if (threads == 0)
        threads = vgg_threads_default();
    if (threads > VGG_THREADS_MAX)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu threads asked for, expected at most %d",
                        threads, VGG_THREADS_MAX);
    vgg_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return vgg_fail_memory(error, "a thread pool", sizeof *pool);
    pool->threads = threads;
    pool->shares = vgg_aligned_alloc(threads * sizeof *pool->shares);
    if (pool->shares == NULL) {
        free(pool);
        return vgg_fail_memory(error, "a thread pool", threads * sizeof *pool->shares);
    }
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->begun, NULL);
    pthread_cond_init(&pool->finished, NULL);
    while (pool->started + 1 < threads) {
        vgg_status status = start_helper(pool, error);
        if (status != VGG_OK) {
            vgg_pool_free(pool);
            return status;
        }
    }
    *out = pool;
    return VGG_OK;
}

void vgg_pool_free(vgg_pool *pool) {
    if (pool == NULL)
        return;
    atomic_store(&pool->stop, true);
    wake_helpers(pool);
    for (size_t i = 0; i < pool->started; i++) {
        pthread_join(pool->handles[i], NULL);
    }
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->begun);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->shares);
    free(pool);
}

size_t vgg_pool_threads(const vgg_pool *pool) {
    return pool->threads;
}

/* The control group's processor quota, rounded up to whole processors; SIZE_MAX without one. */
static size_t quota_processors(void) {
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file == NULL)
        return SIZE_MAX;
    unsigned long long quota, period;
    int fields = fscanf(file, "%llu %llu", &quota, &period);
    fclose(file);
    if (fields != 2 || period == 0)
        return SIZE_MAX;
    return (size_t)((quota + period - 1) / period);
}

size_t vgg_threads_default(void) {
    size_t threads = 1;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        threads = (size_t)CPU_COUNT(&allowed);
    threads = vgg_size_min(threads, quota_processors());
    return vgg_size_min(vgg_size_max(threads, 1), VGG_THREADS_MAX);
}
