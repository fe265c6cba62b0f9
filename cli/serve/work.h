/* The way of a picture through the server: threads that read and preprocess, and one that computes
 * in batches whatever is ready. Beside them are lanes, each with a thread of its own, for jobs that
 * take long by themselves or are of another kind.
 *
 * A job is what one client asks for; its pictures are answered together. Each model has queues of
 * its own, and threads take from the models in turn, so that one with many clients does not keep
 * those of another waiting. */
#ifndef VGG_SERVE_WORK_H
#define VGG_SERVE_WORK_H

#include "cli/serve/metrics.h"
#include "cli/serve/models.h"

typedef struct vgg_serve_job vgg_serve_job;

typedef struct vgg_serve_picture {
    struct vgg_serve_picture *next; /* in its queue */
    vgg_serve_job *job;
    const void *bytes; /* encoded; NULL: the input is there already */
    size_t size;
    const char *name;  /* what the answer and messages call it */
    char own_name[32]; /* room for that */
    double since;      /* when it was there, by vgg_serve_now */
    float *input;      /* freed by the server when it was computed */
    /* The result: */
    vgg_status status;
    char *message; /* unless VGG_OK; may be NULL for lack of memory */
    vgg_prediction *best;
    size_t found;
    float *logits; /* of all classes, where the job asks for them */
    float *layers; /* what the layers of the job give, one after the other */
} vgg_serve_picture;

/* How a job ends. */
typedef enum vgg_serve_outcome {
    VGG_SERVE_DONE,    /* each picture has its result */
    VGG_SERVE_FAILED,  /* `prepare` said so */
    VGG_SERVE_FULL,    /* there is no room for its pictures in the queue, or for it in its lane */
    VGG_SERVE_LATE,    /* its deadline has passed */
    VGG_SERVE_STOPPED, /* the server ends */
} vgg_serve_outcome;

/* Where a job is prepared. */
typedef enum vgg_serve_lane_name {
    VGG_SERVE_AMONG_READERS,
    VGG_SERVE_EXPLAINING,
    VGG_SERVE_SEARCHING, /* also for showing what was found */
    VGG_SERVE_LANES,     /* so many there are */
} vgg_serve_lane_name;

struct vgg_serve_job {
    struct vgg_serve_job *next;
    vgg_serve_model *model;
    vgg_serve_version *version; /* kept until the job is ended; NULL: submitting takes the newest */
    vgg_serve_lane_name lane;
    /* Called in a thread that reads pictures, or that of the lane: makes the pictures of what the
     * client has sent. False: the job fails. */
    bool (*prepare)(vgg_serve_job *job);
    /* Called in such a thread when nothing is left to do; the job may be gone afterwards. */
    void (*finish)(vgg_serve_job *job);
    vgg_serve_picture *pictures;
    size_t count, left;
    size_t top;        /* classes of `best` */
    bool wants_logits; /* of all classes */
    /* Layers whose outputs are wanted; with some and without `top` the network is computed up to
     * the highest of them. */
    vgg_tap taps[VGG_SERVE_TAPS_MOST];
    size_t tap_count, tap_values; /* floats of a picture of all of them */
    double deadline;              /* by vgg_serve_now */
    vgg_serve_outcome outcome;
};

typedef struct vgg_serve_work_options {
    size_t readers;                /* threads that read pictures */
    size_t queue;                  /* pictures that may wait for a model */
    size_t lanes[VGG_SERVE_LANES]; /* jobs that may be in each, the first not looked at; 0: none,
                                    * which has no thread */
    size_t max_batch;              /* pictures that are computed at once */
    double max_delay;              /* seconds that a picture waits for others */
    size_t max_pixels;             /* of a picture */
    vgg_serve_metrics *metrics;
} vgg_serve_work_options;

typedef struct vgg_serve_work vgg_serve_work;

/* Seconds of a clock that nobody sets. */
double vgg_serve_now(void);

/* NULL when threads or memory could not be had. */
vgg_serve_work *vgg_serve_work_create(vgg_serve_models *models,
                                      const vgg_serve_work_options *options);

/* Promises a job that is submitted next, and counts it from here on; false: none are taken any
 * more. */
bool vgg_serve_work_reserve(vgg_serve_work *work);
/* Takes a job that was promised over until `finish` is called. */
void vgg_serve_work_submit(vgg_serve_work *work, vgg_serve_job *job);

/* Ends every job that is not done with VGG_SERVE_STOPPED, as soon as the batch that is being
 * computed is. */
void vgg_serve_work_abandon(vgg_serve_work *work);

/* Whether a job is to be gone on with: it is not late, and the server does not end. */
bool vgg_serve_work_goes_on(vgg_serve_work *work, const vgg_serve_job *job);

/* Jobs that are not ended, and pictures that wait for a model. */
size_t vgg_serve_work_jobs(vgg_serve_work *work);
size_t vgg_serve_work_waiting(vgg_serve_work *work, const vgg_serve_model *model);

/* Ends the threads; there must be no jobs. */
void vgg_serve_work_free(vgg_serve_work *work);

#endif
