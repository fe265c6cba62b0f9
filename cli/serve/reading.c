/* The threads that read pictures, those of the lanes, and what a job is before and after that. */
#include <stdlib.h>

#include "cli/serve/queues.h"
#include "vgg/image.h"

/* What a thread does next: one of them is set. */
typedef struct task {
    vgg_serve_job *ended, *new_job;
    vgg_serve_picture *unread;
} task;

/* With the lock: what was begun first is finished first, and whether there is room for new jobs is
 * said at once. */
static bool find_task(vgg_serve_work *work, task *found) {
    size_t models = work->models->count;
    *found = (task){.ended = vgg_serve_jobs_take(&work->ended)};
    for (size_t i = 0; found->ended == NULL && found->new_job == NULL && i < models; i++) {
        work->next_new = (work->next_new + 1) % models;
        found->new_job = vgg_serve_jobs_take(&work->queues[work->next_new].new_jobs);
    }
    if (found->ended != NULL || found->new_job != NULL)
        return true;
    for (size_t i = 0; found->unread == NULL && i < models; i++) {
        work->next_read = (work->next_read + 1) % models;
        found->unread = vgg_serve_pictures_take(&work->queues[work->next_read].unread);
    }
    return found->unread != NULL;
}

/* Fills in the input of a picture. */
static void read_picture(const vgg_serve_work *work, vgg_serve_picture *picture) {
    const vgg_serve_version *version = picture->job->version;
    vgg_error error;
    vgg_decode_options how;
    vgg_decode_options_init(&how, sizeof how);
    how.max_pixels = work->options.max_pixels;
    picture->input = malloc(version->input * sizeof *picture->input);
    if (picture->input == NULL)
        picture->status = VGG_ERROR_MEMORY;
    else if (vgg_preprocess_encoded(vgg_model_preprocess(version->model), picture->bytes,
                                    picture->size, picture->name, &how, picture->input,
                                    &error) != VGG_OK)
        vgg_serve_picture_fail(picture, &error);
}

/* With the lock. */
static void make_ready(vgg_serve_work *work, vgg_serve_picture *picture) {
    vgg_serve_queue *queue = &work->queues[picture->job->model->place];
    if (queue->ready.count == 0)
        queue->wait_end = vgg_serve_now() + work->options.max_delay;
    vgg_serve_pictures_put(&queue->ready, picture);
    pthread_cond_signal(&work->for_computing);
}

/* With the lock, which is given up meanwhile: whether the job goes on. */
static void prepare(vgg_serve_work *work, vgg_serve_job *job) {
    job->outcome = vgg_serve_job_fate(work, job);
    if (job->outcome != VGG_SERVE_DONE)
        return;
    pthread_mutex_unlock(&work->lock);
    bool prepared = job->prepare(job);
    pthread_mutex_lock(&work->lock);
    job->outcome = vgg_serve_job_fate(work, job);
    if (job->outcome == VGG_SERVE_DONE && !prepared)
        job->outcome = VGG_SERVE_FAILED;
}

/* With the lock: its pictures wait from now on, or the job is over. */
static void admit(vgg_serve_work *work, vgg_serve_job *job) {
    vgg_serve_queue *queue = &work->queues[job->model->place];
    if (job->outcome == VGG_SERVE_DONE && job->count > work->options.queue - queue->waiting) {
        vgg_serve_metrics *metrics = work->options.metrics;
        vgg_serve_metrics_add(metrics, &metrics->models[job->model->place].full, job->count);
        job->outcome = VGG_SERVE_FULL;
    }
    if (job->outcome != VGG_SERVE_DONE || job->count == 0) {
        vgg_serve_jobs_put(&work->ended, job);
        return;
    }
    job->left = job->count;
    queue->waiting += job->count;
    double now = vgg_serve_now();
    for (size_t i = 0; i < job->count; i++) {
        vgg_serve_picture *picture = &job->pictures[i];
        picture->job = job;
        picture->since = now;
        if (picture->bytes == NULL) {
            make_ready(work, picture);
            continue;
        }
        vgg_serve_pictures_put(&queue->unread, picture);
        pthread_cond_signal(&work->for_readers);
    }
}

/* With the lock, which is given up meanwhile. */
static void work_on(vgg_serve_work *work, vgg_serve_picture *picture) {
    vgg_serve_outcome fate = vgg_serve_job_fate(work, picture->job);
    if (fate == VGG_SERVE_DONE) {
        vgg_serve_metrics *metrics = work->options.metrics;
        double begun = vgg_serve_now();
        pthread_mutex_unlock(&work->lock);
        read_picture(work, picture);
        vgg_serve_metrics_time(metrics, &metrics->models[picture->job->model->place].reading,
                               vgg_serve_now() - begun);
        pthread_mutex_lock(&work->lock);
        if (picture->status == VGG_OK) {
            make_ready(work, picture);
            return;
        }
    }
    vgg_serve_picture_done(work, picture, fate);
}

void *vgg_serve_lane_loop(void *argument) {
    vgg_serve_lane *lane = argument;
    vgg_serve_work *work = lane->work;
    pthread_mutex_lock(&work->lock);
    for (;;) {
        vgg_serve_job *job = vgg_serve_jobs_take(&lane->jobs);
        while (job == NULL && !work->stopping) {
            pthread_cond_wait(&lane->news, &work->lock);
            job = vgg_serve_jobs_take(&lane->jobs);
        }
        if (job == NULL)
            break;
        prepare(work, job);
        admit(work, job);
        lane->count--;
        pthread_cond_signal(&work->for_readers);
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

void *vgg_serve_read_loop(void *argument) {
    vgg_serve_work *work = argument;
    task found;
    pthread_mutex_lock(&work->lock);
    for (;;) {
        while (!find_task(work, &found) && !work->stopping) {
            pthread_cond_wait(&work->for_readers, &work->lock);
        }
        if (found.unread != NULL) {
            work_on(work, found.unread);
        } else if (found.new_job != NULL) {
            prepare(work, found.new_job);
            admit(work, found.new_job);
        } else if (found.ended != NULL) {
            pthread_mutex_unlock(&work->lock);
            found.ended->finish(found.ended);
            pthread_mutex_lock(&work->lock);
            work->jobs--;
        } else {
            break;
        }
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}
