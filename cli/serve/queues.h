/* Inside vgg_serve_work: the queues, and what the threads that read, the one that computes and
 * those of the lanes do with them. */
#ifndef VGG_SERVE_QUEUES_H
#define VGG_SERVE_QUEUES_H

#include "cli/serve/work.h"

typedef struct vgg_serve_pictures {
    vgg_serve_picture *first, *last;
    size_t count;
} vgg_serve_pictures;

typedef struct vgg_serve_jobs {
    vgg_serve_job *first, *last;
} vgg_serve_jobs;

/* Of one model. */
typedef struct vgg_serve_queue {
    vgg_serve_jobs new_jobs;
    vgg_serve_pictures unread, ready;
    size_t waiting;  /* pictures of the two, and those that are being read */
    double wait_end; /* until then the first of `ready` waits for others */
} vgg_serve_queue;

/* Pictures that are computed together, the computing thread's alone. */
typedef struct vgg_serve_batch {
    vgg_serve_picture **pictures;
    const float **inputs;
    size_t count, top;
    vgg_serve_version *version; /* of all of them */
    const vgg_serve_job *job;   /* one of theirs: all ask for its layers */
} vgg_serve_batch;

/* Jobs that are prepared one after the other. */
typedef struct vgg_serve_lane {
    vgg_serve_work *work;
    pthread_cond_t news;
    vgg_serve_jobs jobs;
    size_t count; /* of jobs, with the one that is being prepared */
} vgg_serve_lane;

struct vgg_serve_work {
    vgg_serve_models *models;
    vgg_serve_work_options options;
    pthread_mutex_t lock;       /* of all that follows */
    pthread_cond_t for_readers; /* something is there to be read, prepared or finished */
    pthread_cond_t for_computing;
    vgg_serve_queue queues[VGG_CLI_TEXTS_MOST];
    vgg_serve_jobs ended; /* to be finished */
    vgg_serve_lane lanes[VGG_SERVE_LANES];
    size_t jobs;
    size_t next_read, next_new, next_computed; /* the model whose turn it is */
    bool abandoned, stopping;
    vgg_serve_batch together;
    pthread_t threads[VGG_THREADS_MAX + VGG_SERVE_LANES];
    size_t thread_count;
};

void vgg_serve_pictures_put(vgg_serve_pictures *queue, vgg_serve_picture *picture);
vgg_serve_picture *vgg_serve_pictures_take(vgg_serve_pictures *queue);
void vgg_serve_jobs_put(vgg_serve_jobs *queue, vgg_serve_job *job);
vgg_serve_job *vgg_serve_jobs_take(vgg_serve_jobs *queue);

/* With the lock: a picture of a job has its result; VGG_SERVE_DONE or why not. */
void vgg_serve_picture_done(vgg_serve_work *work, vgg_serve_picture *picture,
                            vgg_serve_outcome outcome);
/* With the lock: why a job is not to be gone on with; VGG_SERVE_DONE: it is. */
vgg_serve_outcome vgg_serve_job_fate(const vgg_serve_work *work, const vgg_serve_job *job);
/* Keeps why a picture has no result. */
void vgg_serve_picture_fail(vgg_serve_picture *picture, const vgg_error *error);

void *vgg_serve_read_loop(void *work);
void *vgg_serve_lane_loop(void *lane);
void *vgg_serve_compute_loop(void *work);

#endif
