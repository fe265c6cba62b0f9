#include "cli/serve/work.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/serve/queues.h"

double vgg_serve_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void vgg_serve_pictures_put(vgg_serve_pictures *queue, vgg_serve_picture *picture) {
    picture->next = NULL;
    if (queue->last != NULL)
        queue->last->next = picture;
    else
        queue->first = picture;
    queue->last = picture;
    queue->count++;
}

vgg_serve_picture *vgg_serve_pictures_take(vgg_serve_pictures *queue) {
    vgg_serve_picture *picture = queue->first;
    if (picture == NULL)
        return NULL;
    queue->first = picture->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->count--;
    return picture;
}

void vgg_serve_jobs_put(vgg_serve_jobs *queue, vgg_serve_job *job) {
    job->next = NULL;
    if (queue->last != NULL)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

vgg_serve_job *vgg_serve_jobs_take(vgg_serve_jobs *queue) {
    vgg_serve_job *job = queue->first;
    if (job == NULL)
        return NULL;
    queue->first = job->next;
    if (queue->first == NULL)
        queue->last = NULL;
    return job;
}

vgg_serve_outcome vgg_serve_job_fate(const vgg_serve_work *work, const vgg_serve_job *job) {
    if (work->abandoned)
        return VGG_SERVE_STOPPED;
    return vgg_serve_now() > job->deadline ? VGG_SERVE_LATE : VGG_SERVE_DONE;
}

void vgg_serve_picture_done(vgg_serve_work *work, vgg_serve_picture *picture,
                            vgg_serve_outcome outcome) {
    vgg_serve_job *job = picture->job;
    vgg_serve_metrics *metrics = work->options.metrics;
    free(picture->input);
    picture->input = NULL;
    work->queues[job->model->place].waiting--;
    if (outcome == VGG_SERVE_LATE)
        vgg_serve_metrics_add(metrics, &metrics->models[job->model->place].late, 1);
    else if (picture->status != VGG_OK)
        vgg_serve_metrics_add(metrics, &metrics->models[job->model->place].failed, 1);
    if (outcome != VGG_SERVE_DONE)
        job->outcome = outcome;
    if (--job->left == 0) {
        vgg_serve_jobs_put(&work->ended, job);
        pthread_cond_signal(&work->for_readers);
    }
}

void vgg_serve_picture_fail(vgg_serve_picture *picture, const vgg_error *error) {
    picture->status = error->status;
    picture->message = strdup(error->message);
}

static bool start(vgg_serve_work *work, void *(*loop)(void *), void *of) {
    if (pthread_create(&work->threads[work->thread_count], NULL, loop, of) != 0)
        return false;
    work->thread_count++;
    return true;
}

vgg_serve_work *vgg_serve_work_create(vgg_serve_models *models,
                                      const vgg_serve_work_options *options) {
    vgg_serve_work *work = calloc(1, sizeof *work);
    if (work == NULL)
        return NULL;
    work->models = models;
    work->options = *options;
    pthread_mutex_init(&work->lock, NULL);
    pthread_cond_init(&work->for_readers, NULL);
    for (size_t i = 0; i < VGG_SERVE_LANES; i++) {
        work->lanes[i].work = work;
        pthread_cond_init(&work->lanes[i].news, NULL);
    }
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&work->for_computing, &clock);
    pthread_condattr_destroy(&clock);
    work->together.pictures = calloc(options->max_batch, sizeof *work->together.pictures);
    work->together.inputs = calloc(options->max_batch, sizeof *work->together.inputs);
    bool started = work->together.pictures != NULL && work->together.inputs != NULL &&
                   start(work, vgg_serve_compute_loop, work);
    for (size_t i = VGG_SERVE_AMONG_READERS + 1; started && i < VGG_SERVE_LANES; i++) {
        if (options->lanes[i] > 0)
            started = start(work, vgg_serve_lane_loop, &work->lanes[i]);
    }
    for (size_t i = 0; started && i < options->readers; i++) {
        started = start(work, vgg_serve_read_loop, work);
    }
    if (!started) {
        vgg_serve_work_free(work);
        return NULL;
    }
    return work;
}

bool vgg_serve_work_reserve(vgg_serve_work *work) {
    pthread_mutex_lock(&work->lock);
    bool taken = !work->abandoned;
    if (taken)
        work->jobs++;
    pthread_mutex_unlock(&work->lock);
    return taken;
}

void vgg_serve_work_submit(vgg_serve_work *work, vgg_serve_job *job) {
    if (job->version == NULL)
        job->version = vgg_serve_version_acquire(job->model);
    pthread_mutex_lock(&work->lock);
    vgg_serve_lane *lane = &work->lanes[job->lane];
    if (job->lane == VGG_SERVE_AMONG_READERS) {
        vgg_serve_jobs_put(&work->queues[job->model->place].new_jobs, job);
    } else if (lane->count < work->options.lanes[job->lane]) {
        lane->count++;
        vgg_serve_jobs_put(&lane->jobs, job);
        pthread_cond_signal(&lane->news);
    } else {
        job->outcome = VGG_SERVE_FULL;
        vgg_serve_jobs_put(&work->ended, job);
    }
    pthread_cond_signal(&work->for_readers);
    pthread_mutex_unlock(&work->lock);
}

void vgg_serve_work_abandon(vgg_serve_work *work) {
    pthread_mutex_lock(&work->lock);
    work->abandoned = true;
    pthread_cond_broadcast(&work->for_readers);
    pthread_cond_broadcast(&work->for_computing);
    pthread_mutex_unlock(&work->lock);
}

bool vgg_serve_work_goes_on(vgg_serve_work *work, const vgg_serve_job *job) {
    pthread_mutex_lock(&work->lock);
    bool goes_on = vgg_serve_job_fate(work, job) == VGG_SERVE_DONE;
    pthread_mutex_unlock(&work->lock);
    return goes_on;
}

size_t vgg_serve_work_jobs(vgg_serve_work *work) {
    pthread_mutex_lock(&work->lock);
    size_t jobs = work->jobs;
    pthread_mutex_unlock(&work->lock);
    return jobs;
}

size_t vgg_serve_work_waiting(vgg_serve_work *work, const vgg_serve_model *model) {
    pthread_mutex_lock(&work->lock);
    size_t waiting = work->queues[model->place].waiting;
    pthread_mutex_unlock(&work->lock);
    return waiting;
}

void vgg_serve_work_free(vgg_serve_work *work) {
    if (work == NULL)
        return;
    pthread_mutex_lock(&work->lock);
    work->stopping = true;
    pthread_cond_broadcast(&work->for_readers);
    for (size_t i = 0; i < VGG_SERVE_LANES; i++) {
        pthread_cond_broadcast(&work->lanes[i].news);
    }
    pthread_cond_broadcast(&work->for_computing);
    pthread_mutex_unlock(&work->lock);
    for (size_t i = 0; i < work->thread_count; i++) {
        pthread_join(work->threads[i], NULL);
    }
    pthread_mutex_destroy(&work->lock);
    pthread_cond_destroy(&work->for_readers);
    for (size_t i = 0; i < VGG_SERVE_LANES; i++) {
        pthread_cond_destroy(&work->lanes[i].news);
    }
    pthread_cond_destroy(&work->for_computing);
    free(work->together.pictures);
    free((void *)work->together.inputs);
    free(work);
}
