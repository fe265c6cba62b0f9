/* Threads that share out work.
 *
 * A piece of work has a job: the units, cut into a share for each thread, and a gate. The caller
 * opens the gate; helpers that have nothing else to do go in, and whoever finds no unit left to
 * take closes it. The caller takes units like everybody else and then waits for those who went in,
 * each of whom has one range of units in hand at most, or the few last ones, which slower threads
 * left to it (shares.c). A helper that is elsewhere (in another caller's job, in the background) is
 * not waited for: others take its share. */
#include "base/threads.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/shares.h"

/* How often a waiting thread looks before it sleeps: some tens to hundreds of microseconds, by how
 * long a processor pauses, which is more than lies between two ops of a network, so that a running
 * network rarely pays for a wake-up. */
#define SPINS 4000

/* Callers that are helped at the same time; one more works alone. */
#define JOBS 8

/* A job's gate: 0 when nobody uses the job, otherwise a sum of these and of the helpers inside. */
#define GATE_TAKEN 0x10000u
#define GATE_OPEN 0x20000u
#define GATE_INSIDE 0xffffu

typedef struct job {
    _Alignas(VGG_ALIGNMENT) atomic_uint gate;
    vgg_threads *threads;
    vgg_work *work;
    void *context;
    vgg_share *shares; /* of each thread */
    /* Who waits says so before it looks a last time, and who changes what it waits for looks here
     * afterwards: one of the two sees the other. So threads that are kept busy take no lock. The
     * same holds of the sleepers below. */
    atomic_bool caller_waits; /* for the helpers to go */
    pthread_cond_t left;
} job;

struct vgg_threads {
    size_t count;
    vgg_executor *executor;
    void *user;
    pid_t process; /* in which the helpers live */
    pthread_t handles[VGG_THREADS_MAX];
    size_t started;
    atomic_bool stop;

    job jobs[JOBS];
    atomic_uint generation; /* counts what there is to do; a change wakes the helpers */
    atomic_size_t backlog;  /* pieces that wait in the background */

    pthread_mutex_t mutex;
    atomic_uint sleepers; /* helpers that wait for another generation */
    pthread_cond_t begun;
    vgg_background *background; /* the list of it; under the mutex, as all that is in its members */
    pthread_cond_t background_left;
};

typedef struct helper {
    vgg_threads *threads;
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

/* Whether this is a child process, which has the memory of the helpers but not the helpers; the
 * mutex may be held by one of them forever. */
static bool is_inherited(const vgg_threads *threads) {
    return threads->process != getpid();
}

/* ---- taking units ---- */

/* Takes units until there are none or, if it may leave some to others, none that it should take,
 * and closes the gate. */
static void take_units(job *from, size_t worker, bool leave) {
    unsigned saved = denormals_off();
    vgg_shares_take(from->shares, from->threads->count, worker, leave, from->work, from->context);
    denormals_restore(saved);
    if ((atomic_load(&from->gate) & GATE_OPEN) != 0)
        atomic_fetch_and(&from->gate, ~GATE_OPEN);
}

/* ---- helpers ---- */

/* Waits until the generation is no longer `seen`. */
static void await_change(vgg_threads *threads, unsigned seen) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&threads->generation) != seen)
            return;
        relax();
    }
    pthread_mutex_lock(&threads->mutex);
    atomic_fetch_add(&threads->sleepers, 1);
    while (atomic_load(&threads->generation) == seen) {
        pthread_cond_wait(&threads->begun, &threads->mutex);
    }
    atomic_fetch_sub(&threads->sleepers, 1);
    pthread_mutex_unlock(&threads->mutex);
}

static bool go_in(job *into) {
    unsigned gate = atomic_load(&into->gate);
    while ((gate & GATE_OPEN) != 0) {
        if (atomic_compare_exchange_weak(&into->gate, &gate, gate + 1))
            return true;
    }
    return false;
}

static void go_out(job *of) {
    unsigned gate = atomic_fetch_sub(&of->gate, 1) - 1;
    if ((gate & GATE_INSIDE) > 0 || !atomic_load(&of->caller_waits))
        return;
    pthread_mutex_lock(&of->threads->mutex);
    pthread_cond_signal(&of->left);
    pthread_mutex_unlock(&of->threads->mutex);
}

/* Helps one caller, if there is one to be helped. */
static bool help(vgg_threads *threads, size_t worker) {
    for (size_t i = 0; i < JOBS; i++) {
        job *open = &threads->jobs[i];
        if (!go_in(open))
            continue;
        take_units(open, worker, true);
        go_out(open);
        return true;
    }
    return false;
}

/* Called with the mutex held: the first that has pieces, which becomes the last of the list. */
static vgg_background *choose_background(vgg_threads *threads) {
    vgg_background **link = &threads->background, *chosen;
    while (*link != NULL && atomic_load(&(*link)->waiting) == 0) {
        link = &(*link)->next;
    }
    chosen = *link;
    if (chosen == NULL)
        return NULL;
    *link = chosen->next;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = chosen;
    chosen->next = NULL;
    return chosen;
}

/* Does a piece of background work, if there is one. */
static bool work_in_background(vgg_threads *threads) {
    if (atomic_load(&threads->backlog) == 0)
        return false;
    pthread_mutex_lock(&threads->mutex);
    vgg_background *chosen = choose_background(threads);
    if (chosen != NULL) {
        chosen->inside++;
        pthread_mutex_unlock(&threads->mutex);
        chosen->work(chosen->context);
        pthread_mutex_lock(&threads->mutex);
        if (--chosen->inside == 0)
            pthread_cond_broadcast(&threads->background_left);
    }
    pthread_mutex_unlock(&threads->mutex);
    return chosen != NULL;
}

static void *helper_main(void *argument) {
    helper self = *(helper *)argument;
    vgg_free(argument);
    vgg_threads *threads = self.threads;
    for (;;) {
        unsigned seen = atomic_load(&threads->generation);
        if (atomic_load(&threads->stop))
            return NULL;
        if (!help(threads, self.worker) && !work_in_background(threads))
            await_change(threads, seen);
    }
}

static void wake_helpers(vgg_threads *threads) {
    atomic_fetch_add(&threads->generation, 1);
    if (atomic_load(&threads->sleepers) == 0 || is_inherited(threads))
        return;
    pthread_mutex_lock(&threads->mutex);
    pthread_cond_broadcast(&threads->begun);
    pthread_mutex_unlock(&threads->mutex);
}

/* ---- callers ---- */

static job *take_job(vgg_threads *threads) {
    for (size_t i = 0; i < JOBS; i++) {
        unsigned unused = 0;
        if (atomic_load(&threads->jobs[i].gate) == 0 &&
            atomic_compare_exchange_strong(&threads->jobs[i].gate, &unused, GATE_TAKEN))
            return &threads->jobs[i];
    }
    return NULL;
}

static unsigned inside(job *of) {
    return atomic_load(&of->gate) & GATE_INSIDE;
}

static void await_helpers(job *of) {
    for (int i = 0; i < SPINS; i++) {
        if (inside(of) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&of->threads->mutex);
    atomic_store(&of->caller_waits, true);
    while (inside(of) > 0) {
        pthread_cond_wait(&of->left, &of->threads->mutex);
    }
    atomic_store(&of->caller_waits, false);
    pthread_mutex_unlock(&of->threads->mutex);
}

static void take_units_of(void *context, size_t index) {
    take_units(context, index, false);
}

static void run_with_helpers(vgg_threads *threads, job *own) {
    atomic_store(&own->gate, GATE_TAKEN | GATE_OPEN);
    wake_helpers(threads);
    take_units(own, 0, true);
    await_helpers(own);
    take_units(own, 0, false); /* should they have left some, too */
}

void vgg_threads_run(vgg_threads *threads, size_t units, vgg_work *work, void *context) {
    job *own = units > 1 && threads->count > 1 ? take_job(threads) : NULL;
    if (own == NULL) {
        unsigned saved = denormals_off();
        work(context, 0, units, 0);
        denormals_restore(saved);
        return;
    }
    own->work = work;
    own->context = context;
    vgg_shares_cut(own->shares, threads->count, units);
    size_t tasks = vgg_size_min(units, threads->count);
    if (!vgg_threads_execute(threads, tasks, take_units_of, own))
        run_with_helpers(threads, own);
    atomic_store(&own->gate, 0);
}

bool vgg_threads_execute(vgg_threads *threads, size_t tasks,
                         void (*task)(void *context, size_t index), void *context) {
    if (threads->executor == NULL || is_inherited(threads))
        return false;
    threads->executor(threads->user, tasks, task, context);
    return true;
}

/* ---- in the background ---- */

void vgg_threads_add(vgg_threads *threads, vgg_background *background) {
    if (is_inherited(threads))
        return;
    pthread_mutex_lock(&threads->mutex);
    background->next = threads->background;
    threads->background = background;
    pthread_mutex_unlock(&threads->mutex);
}

void vgg_threads_remove(vgg_threads *threads, vgg_background *background) {
    vgg_threads_offer(threads, background, 0);
    if (is_inherited(threads))
        return;
    pthread_mutex_lock(&threads->mutex);
    vgg_background **link = &threads->background;
    while (*link != NULL && *link != background) {
        link = &(*link)->next;
    }
    if (*link != NULL)
        *link = background->next;
    while (background->inside > 0) {
        pthread_cond_wait(&threads->background_left, &threads->mutex);
    }
    pthread_mutex_unlock(&threads->mutex);
}

void vgg_threads_offer(vgg_threads *threads, vgg_background *background, size_t waiting) {
    size_t before = atomic_exchange(&background->waiting, waiting);
    atomic_fetch_add(&threads->backlog, waiting - before);
    if (waiting > before)
        wake_helpers(threads);
}

/* ---- making and freeing ---- */

void vgg_threads_options_init(vgg_threads_options *options, size_t size) {
    const vgg_threads_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static vgg_status start_helper(vgg_threads *threads, vgg_error *error) {
    helper *argument = vgg_malloc(sizeof *argument);
    if (argument == NULL)
        return vgg_fail_memory(error, "a thread", sizeof *argument);
    *argument = (helper){threads, threads->started + 1};
    int failure = pthread_create(&threads->handles[threads->started], NULL, helper_main, argument);
    if (failure != 0) {
        vgg_free(argument);
        return vgg_fail(error, VGG_ERROR_MEMORY, "cannot start thread %zu of %zu: %s",
                        threads->started + 2, threads->count, strerror(failure));
    }
    threads->started++;
    return VGG_OK;
}

static void free_memory(vgg_threads *threads) {
    vgg_free(threads->jobs[0].shares);
    vgg_free(threads);
}

static vgg_status allocate(size_t count, vgg_threads **out, vgg_error *error) {
    size_t bytes = JOBS * count * sizeof(vgg_share);
    vgg_threads *threads = vgg_aligned_alloc(sizeof *threads);
    vgg_share *shares = vgg_aligned_alloc(bytes);
    if (threads == NULL || shares == NULL) {
        vgg_free(threads);
        vgg_free(shares);
        return vgg_fail_memory(error, "threads", sizeof *threads + bytes);
    }
    memset(threads, 0, sizeof *threads);
    memset(shares, 0, bytes);
    threads->count = count;
    threads->process = getpid();
    pthread_mutex_init(&threads->mutex, NULL);
    pthread_cond_init(&threads->begun, NULL);
    pthread_cond_init(&threads->background_left, NULL);
    for (size_t i = 0; i < JOBS; i++) {
        threads->jobs[i].threads = threads;
        threads->jobs[i].shares = shares + i * count;
        pthread_cond_init(&threads->jobs[i].left, NULL);
    }
    *out = threads;
    return VGG_OK;
}

vgg_status vgg_threads_create(const vgg_threads_options *given, vgg_threads **out,
                              vgg_error *error) {
    vgg_threads_options options;
    vgg_threads_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_threads_options", error);
    if (status != VGG_OK)
        return status;
    size_t count = options.count == 0 ? vgg_threads_default() : options.count;
    if (count > VGG_THREADS_MAX)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu threads asked for, expected at most %d",
                        count, VGG_THREADS_MAX);
    vgg_threads *threads = NULL;
    status = allocate(count, &threads, error);
    if (status != VGG_OK)
        return status;
    threads->executor = options.executor;
    threads->user = options.user;
    while (status == VGG_OK && options.executor == NULL && threads->started + 1 < count) {
        status = start_helper(threads, error);
    }
    if (status == VGG_OK)
        *out = threads;
    else
        vgg_threads_free(threads);
    return status;
}

void vgg_threads_free(vgg_threads *threads) {
    if (threads == NULL)
        return;
    /* What destroys a condition waits for those who wait there, whom a child does not have. */
    if (is_inherited(threads)) {
        free_memory(threads);
        return;
    }
    atomic_store(&threads->stop, true);
    wake_helpers(threads);
    for (size_t i = 0; i < threads->started; i++) {
        pthread_join(threads->handles[i], NULL);
    }
    for (size_t i = 0; i < JOBS; i++) {
        pthread_cond_destroy(&threads->jobs[i].left);
    }
    pthread_cond_destroy(&threads->background_left);
    pthread_cond_destroy(&threads->begun);
    pthread_mutex_destroy(&threads->mutex);
    free_memory(threads);
}

size_t vgg_threads_count(const vgg_threads *threads) {
    return threads->count;
}

size_t vgg_threads_obtained(const vgg_threads *shared, size_t count) {
    if (shared != NULL)
        return shared->count;
    return count == 0 ? vgg_threads_default() : count;
}

vgg_status vgg_threads_obtain(vgg_threads *shared, size_t count, vgg_threads **threads,
                              vgg_threads **own, vgg_error *error) {
    *own = NULL;
    *threads = shared;
    if (shared != NULL)
        return VGG_OK;
    vgg_threads_options options;
    vgg_threads_options_init(&options, sizeof options);
    options.count = count;
    vgg_status status = vgg_threads_create(&options, own, error);
    *threads = *own;
    return status;
}
