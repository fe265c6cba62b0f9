#include "base/ahead.h"

#include <pthread.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

struct vgg_ahead {
    vgg_threads *threads;
    vgg_ahead_make *make;
    void *context;
    vgg_background background;
    pid_t process;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a piece was made */

    /* Under the mutex. Pieces before `made` are made, those before `next` are begun; of those
     * between, number n is made when done[n % most]. */
    size_t most;
    bool *done;
    size_t made, next, limit;
    size_t busy; /* threads that have a piece in hand */
};

static void offer(vgg_ahead *ahead) {
    vgg_threads_offer(ahead->threads, &ahead->background, ahead->limit - ahead->next);
}

/* Called with the mutex held, which is let go while the piece is made. */
static void make_next(vgg_ahead *ahead) {
    size_t number = ahead->next++;
    ahead->busy++;
    offer(ahead);
    pthread_mutex_unlock(&ahead->mutex);
    ahead->make(ahead->context, number);
    pthread_mutex_lock(&ahead->mutex);
    ahead->busy--;
    ahead->done[number % ahead->most] = true;
    while (ahead->made < ahead->next && ahead->done[ahead->made % ahead->most]) {
        ahead->done[ahead->made++ % ahead->most] = false;
    }
    pthread_cond_broadcast(&ahead->changed);
}

/* Makes a piece, if there is one. */
static void make_one(void *context) {
    vgg_ahead *ahead = context;
    pthread_mutex_lock(&ahead->mutex);
    if (ahead->next < ahead->limit)
        make_next(ahead);
    pthread_mutex_unlock(&ahead->mutex);
}

static void make_one_of(void *context, size_t index) {
    (void)index;
    make_one(context);
}

static bool is_inherited(const vgg_ahead *ahead) {
    return ahead->process != getpid();
}

static vgg_status check_process(const vgg_ahead *ahead, vgg_error *error) {
    if (!is_inherited(ahead))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "what reads pictures ahead was made before this process was forked, and its "
                    "threads are not here; expected one made by this process");
}

vgg_status vgg_ahead_create(vgg_threads *threads, size_t most, vgg_ahead_make *make, void *context,
                            vgg_ahead **out, vgg_error *error) {
    vgg_ahead *ahead = vgg_calloc(1, sizeof *ahead);
    bool *done = vgg_calloc(most, sizeof *done);
    if (ahead == NULL || done == NULL) {
        vgg_free(ahead);
        vgg_free(done);
        return vgg_fail_memory(error, "reading ahead", sizeof *ahead + most * sizeof *done);
    }
    ahead->threads = threads;
    ahead->make = make;
    ahead->context = context;
    ahead->background.work = make_one;
    ahead->background.context = ahead;
    ahead->process = getpid();
    ahead->most = most;
    ahead->done = done;
    pthread_mutex_init(&ahead->mutex, NULL);
    pthread_cond_init(&ahead->changed, NULL);
    vgg_threads_add(threads, &ahead->background);
    *out = ahead;
    return VGG_OK;
}

void vgg_ahead_free(vgg_ahead *ahead) {
    if (ahead == NULL)
        return;
    if (!is_inherited(ahead)) {
        vgg_ahead_halt(ahead);
        vgg_threads_remove(ahead->threads, &ahead->background);
        pthread_cond_destroy(&ahead->changed);
        pthread_mutex_destroy(&ahead->mutex);
    }
    vgg_free(ahead->done);
    vgg_free(ahead);
}

void vgg_ahead_halt(vgg_ahead *ahead) {
    if (is_inherited(ahead))
        return;
    pthread_mutex_lock(&ahead->mutex);
    ahead->limit = ahead->next;
    offer(ahead);
    while (ahead->busy > 0) {
        pthread_cond_wait(&ahead->changed, &ahead->mutex);
    }
    pthread_mutex_unlock(&ahead->mutex);
}

vgg_status vgg_ahead_begin(vgg_ahead *ahead, size_t first, vgg_error *error) {
    vgg_status status = check_process(ahead, error);
    if (status != VGG_OK)
        return status;
    vgg_ahead_halt(ahead);
    pthread_mutex_lock(&ahead->mutex);
    ahead->made = ahead->next = ahead->limit = first;
    pthread_mutex_unlock(&ahead->mutex);
    return VGG_OK;
}

void vgg_ahead_allow(vgg_ahead *ahead, size_t limit) {
    if (is_inherited(ahead))
        return;
    pthread_mutex_lock(&ahead->mutex);
    ahead->limit = limit;
    offer(ahead);
    pthread_mutex_unlock(&ahead->mutex);
}

/* Called with the mutex held, which is let go meanwhile. */
static void make_on_executor(vgg_ahead *ahead, size_t end) {
    size_t tasks = end > ahead->next ? end - ahead->next : 0;
    if (tasks == 0)
        return;
    pthread_mutex_unlock(&ahead->mutex);
    vgg_threads_execute(ahead->threads, tasks, make_one_of, ahead);
    pthread_mutex_lock(&ahead->mutex);
}

vgg_status vgg_ahead_await(vgg_ahead *ahead, size_t end, vgg_error *error) {
    vgg_status status = check_process(ahead, error);
    if (status != VGG_OK)
        return status;
    pthread_mutex_lock(&ahead->mutex);
    make_on_executor(ahead, end);
    while (ahead->made < end) {
        if (ahead->next < ahead->limit)
            make_next(ahead);
        else
            pthread_cond_wait(&ahead->changed, &ahead->mutex);
    }
    pthread_mutex_unlock(&ahead->mutex);
    return VGG_OK;
}
