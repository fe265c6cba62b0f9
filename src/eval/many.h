/* Pictures one after another in batches: read by all threads while another batch is computed, and
 * handed out in their order. What is computed of them is the user's. */
#ifndef VGG_EVAL_MANY_H
#define VGG_EVAL_MANY_H

#include "base/threads.h"
#include "vgg/predict.h"

/* Batches that lie in memory: one is computed while the others are read. */
#define VGG_MANY_WINDOW 2

/* A picture that is done; belongs to the caller of hand_out. */
typedef struct vgg_many_picture {
    size_t number; /* from 0 */
    const char *name;
    void *user;             /* as in its vgg_picture */
    const vgg_error *error; /* why it could not be read; NULL: it was */
    const char *warning;    /* of its decoder; NULL: none */
} vgg_many_picture;

typedef struct vgg_many_work {
    vgg_threads *threads;
    size_t batch; /* pictures that are computed at once */
    size_t input; /* floats that are made of a picture */
    void *context;
    /* Makes them; on any thread, for several pictures at once. */
    vgg_status (*prepare)(void *context, const vgg_image *image, float *input, vgg_error *error);
    /* Where it does nothing but this preprocessing, so that encoded pictures go without it; NULL:
     * it does more. */
    const vgg_preprocess *preprocess;
    /* Called once before anything is read: room for the floats of so many pictures. */
    vgg_status (*reserve)(void *context, size_t pictures, float **inputs, vgg_error *error);
    /* Computes a batch, whose floats it may overwrite. */
    vgg_status (*compute)(void *context, float *inputs, size_t count, vgg_error *error);
    /* Takes a picture of the batch; row: which one of those computed, unless there is an error.
     * False: stop. */
    bool (*hand_out)(void *context, const vgg_many_picture *picture, size_t row);

    /* In place of floats something of the user's may be made of a picture, as prepare does it; then
     * batch, input, prepare, reserve and compute are not used, and one picture is computed at a
     * time. VGG_ERROR_SHAPE of that is the picture's own error, any other ends it. make NULL:
     * floats are made. */
    size_t window; /* pictures that lie in memory */
    vgg_status (*make)(void *context, const vgg_image *image, void **made, vgg_error *error);
    vgg_status (*compute_made)(void *context, const void *made, vgg_error *error);
    void (*free_made)(void *context, void *made); /* NULL: nothing was made */
} vgg_many_work;

/* Until there are no more pictures. */
vgg_status vgg_many_run(const vgg_many_work *work, vgg_next_picture *next, void *user,
                        vgg_error *error);

#endif
