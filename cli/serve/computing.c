/* The thread that computes: whatever is ready of one model goes together, model after model. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/serve/layers.h"
#include "cli/serve/queues.h"

/* With the lock: when the first of the pictures that are ready is to be looked at. */
static double due(const vgg_serve_work *work, const vgg_serve_queue *queue) {
    double deadline = queue->ready.first->job->deadline;
    if (work->abandoned || queue->ready.count >= work->options.max_batch)
        return 0;
    return queue->wait_end < deadline ? queue->wait_end : deadline;
}

/* With the lock: the next model with pictures that need not wait for others, in turn; NULL: none.
 * *until: when to look again, 0 for when something is there. */
static vgg_serve_queue *find_queue(vgg_serve_work *work, double *until) {
    size_t models = work->models->count;
    double now = vgg_serve_now();
    *until = 0;
    for (size_t i = 0; i < models; i++) {
        size_t place = (work->next_computed + 1 + i) % models;
        vgg_serve_queue *queue = &work->queues[place];
        if (queue->ready.count == 0)
            continue;
        double when = due(work, queue);
        if (when <= now) {
            work->next_computed = place;
            return queue;
        }
        if (*until == 0 || when < *until)
            *until = when;
    }
    return NULL;
}

static bool same_layers(const vgg_serve_job *left, const vgg_serve_job *right) {
    for (size_t t = 0; t < left->tap_count && t < right->tap_count; t++) {
        if (left->taps[t].layer != right->taps[t].layer)
            return false;
    }
    return left->tap_count == right->tap_count;
}

/* With the lock: takes pictures of one version and for the same layers, as many as may be computed
 * at once; those whose clients have given up by now are put aside. */
static void gather(vgg_serve_work *work, vgg_serve_queue *queue, vgg_serve_batch *together) {
    together->count = together->top = 0;
    together->version = NULL;
    together->job = NULL;
    while (queue->ready.first != NULL && together->count < work->options.max_batch) {
        vgg_serve_job *job = queue->ready.first->job;
        if (together->job != NULL &&
            (job->version != together->version || !same_layers(job, together->job)))
            break;
        vgg_serve_picture *picture = vgg_serve_pictures_take(&queue->ready);
        vgg_serve_outcome fate = vgg_serve_job_fate(work, job);
        if (fate != VGG_SERVE_DONE) {
            vgg_serve_picture_done(work, picture, fate);
            continue;
        }
        together->version = job->version;
        together->job = job;
        together->inputs[together->count] = picture->input;
        together->pictures[together->count++] = picture;
        together->top = job->top > together->top ? job->top : together->top;
    }
    /* Whoever is left has waited for this batch already. */
    queue->wait_end = 0;
}

static bool keep_result(void *user, const vgg_predict_result *result) {
    const vgg_serve_batch *together = user;
    vgg_serve_picture *picture = together->pictures[result->number];
    const vgg_serve_job *job = picture->job;
    if (result->error != NULL) {
        vgg_serve_picture_fail(picture, result->error);
        return true;
    }
    size_t found = result->found < job->top ? result->found : job->top;
    size_t classes = job->wants_logits ? together->version->classes : 0;
    picture->best = malloc((found > 0 ? found : 1) * sizeof *picture->best);
    picture->logits = classes > 0 ? malloc(classes * sizeof *picture->logits) : NULL;
    if (picture->best == NULL || (classes > 0 && picture->logits == NULL)) {
        picture->status = VGG_ERROR_MEMORY;
        return true;
    }
    picture->found = found;
    memcpy(picture->best, result->best, found * sizeof *picture->best);
    if (classes > 0)
        memcpy(picture->logits, result->logits, classes * sizeof *picture->logits);
    return true;
}

static void predict(vgg_serve_batch *together) {
    vgg_error error;
    if (vgg_predict_inputs(together->version->predictor, together->inputs, together->count,
                           together->top, keep_result, together, &error) == VGG_OK)
        return;
    for (size_t i = 0; i < together->count; i++) {
        vgg_serve_picture *picture = together->pictures[i];
        if (picture->best == NULL && picture->status == VGG_OK)
            vgg_serve_picture_fail(picture, &error);
    }
}

/* Computes what was gathered, and counts it. */
static void compute(const vgg_serve_work *work, vgg_serve_batch *together) {
    vgg_serve_metrics *metrics = work->options.metrics;
    vgg_serve_model_metrics *of = &metrics->models[together->pictures[0]->job->model->place];
    double begun = vgg_serve_now();
    for (size_t i = 0; i < together->count; i++) {
        vgg_serve_metrics_time(metrics, &of->waiting, begun - together->pictures[i]->since);
    }
    if (together->top > 0)
        predict(together);
    if (together->job->tap_count > 0)
        vgg_serve_layers_compute(&work->models->computing, together);
    vgg_serve_metrics_time(metrics, &of->computing, vgg_serve_now() - begun);
    vgg_serve_metrics_add(metrics, &of->pictures, together->count);
    vgg_serve_metrics_add(metrics, &of->batches, 1);
}

/* With the lock: waits for something to be there, or until then. */
static void wait_until(vgg_serve_work *work, double until) {
    if (until == 0) {
        pthread_cond_wait(&work->for_computing, &work->lock);
        return;
    }
    struct timespec end = {.tv_sec = (time_t)until};
    end.tv_nsec = (long)(1e9 * (until - (double)end.tv_sec));
    pthread_cond_timedwait(&work->for_computing, &work->lock, &end);
}

void *vgg_serve_compute_loop(void *argument) {
    vgg_serve_work *work = argument;
    vgg_serve_batch *together = &work->together;
    double until;
    pthread_mutex_lock(&work->lock);
    while (!work->stopping) {
        vgg_serve_queue *queue = find_queue(work, &until);
        if (queue == NULL) {
            wait_until(work, until);
            continue;
        }
        gather(work, queue, together);
        if (together->count == 0)
            continue;
        pthread_mutex_unlock(&work->lock);
        compute(work, together);
        pthread_mutex_lock(&work->lock);
        for (size_t i = 0; i < together->count; i++) {
            vgg_serve_picture_done(work, together->pictures[i], VGG_SERVE_DONE);
        }
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}
