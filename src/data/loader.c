/* The loader: workers fill a ring of batches, picture by picture.
 *
 * The ring has one place per batch prepared ahead and one for the batch that the caller holds;
 * batch b of the epoch is made in place b % places. A worker takes the next picture of the epoch
 * under the mutex, prepares it outside of it into the picture's own stretch of the place, and
 * counts it as done under the mutex again. Which worker made a picture leaves no trace. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "base/text.h"
#include "base/threads.h"
#include "vgg/data.h"

/* Times the short side that is resized to: how large a picture for a random view must stay. */
enum { REDUCED_TO = 2 };

typedef struct ring_place {
    float *inputs;      /* batch x channels x height x width */
    size_t *items;      /* batch item numbers of the data set */
    size_t *classes;    /* batch class numbers */
    vgg_status *status; /* batch outcomes; those that are not VGG_OK have a message: */
    char **messages;    /* NULL where memory for it ran out */
    size_t done;        /* pictures finished, readable or not */
} ring_place;

struct vgg_loader {
    const vgg_dataset *dataset;
    vgg_preprocess preprocess;
    bool augmented;
    vgg_augment augment;
    vgg_loader_options options;
    size_t input;       /* floats of one input */
    size_t batch_count; /* in an epoch */
    ring_place *ring;
    size_t places;
    vgg_batch handed; /* out last */
    pthread_t *workers;
    size_t started;

    pthread_mutex_t mutex;
    pthread_cond_t work;    /* there may be a picture to take, or an end */
    pthread_cond_t changed; /* a batch is complete, or a worker has put down its picture */

    /* Under the mutex; next_batch and running are changed by the caller's thread alone. */
    size_t *order; /* the items of the epoch */
    uint64_t epoch;
    bool running; /* an epoch has begun and has not failed */
    bool stop;
    size_t busy;                     /* workers that have a picture in hand */
    size_t next_batch;               /* that vgg_loader_next hands out next */
    size_t take_batch, take_picture; /* that a worker takes next */
};

void vgg_loader_options_init(vgg_loader_options *options, size_t size) {
    vgg_loader_options defaults = {.struct_size = size, .batch = 32, .ahead = 4};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- workers ---- */

static size_t pictures_in(const vgg_loader *loader, size_t batch) {
    return vgg_size_min(loader->options.batch,
                        vgg_dataset_count(loader->dataset) - batch * loader->options.batch);
}

static vgg_status prepare(const vgg_loader *loader, uint64_t epoch, size_t item, float *input,
                          vgg_error *error) {
    vgg_image image = {0};
    size_t least = loader->augmented ? REDUCED_TO * loader->preprocess.resize : 0;
    vgg_status status = vgg_dataset_read_reduced(loader->dataset, item, least, &image, error);
    if (status != VGG_OK)
        return status;
    if (loader->augmented)
        status = vgg_preprocess_augmented(&loader->preprocess, &loader->augment, &image,
                                          loader->options.seed, epoch, item, input, error);
    else
        status = vgg_preprocess_image(&loader->preprocess, &image, input, error);
    vgg_image_free(&image);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", vgg_dataset_item_name(loader->dataset, item));
    return status;
}

static bool has_work(const vgg_loader *loader) {
    return loader->running && loader->take_batch < loader->batch_count &&
           loader->take_batch < loader->next_batch + loader->options.ahead;
}

/* Called with the mutex held, which is let go while the picture is prepared. */
static void make_one_picture(vgg_loader *loader) {
    ring_place *place = &loader->ring[loader->take_batch % loader->places];
    size_t pictures = pictures_in(loader, loader->take_batch);
    size_t at = loader->take_picture++;
    size_t item = loader->order[loader->take_batch * loader->options.batch + at];
    uint64_t epoch = loader->epoch;
    if (loader->take_picture == pictures) {
        loader->take_batch++;
        loader->take_picture = 0;
    }
    loader->busy++;
    pthread_mutex_unlock(&loader->mutex);

    vgg_error why;
    place->items[at] = item;
    place->classes[at] = vgg_dataset_item_class(loader->dataset, item);
    place->status[at] = prepare(loader, epoch, item, place->inputs + at * loader->input, &why);
    if (place->status[at] != VGG_OK)
        place->messages[at] = vgg_text_copy(why.message);

    pthread_mutex_lock(&loader->mutex);
    loader->busy--;
    place->done++;
    if (place->done == pictures || !loader->running)
        pthread_cond_signal(&loader->changed);
}

static void *worker_main(void *argument) {
    vgg_loader *loader = argument;
    pthread_mutex_lock(&loader->mutex);
    while (!loader->stop) {
        if (has_work(loader))
            make_one_picture(loader);
        else
            pthread_cond_wait(&loader->work, &loader->mutex);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

/* ---- making and freeing ---- */

static vgg_status full_options(const vgg_loader_options *given, vgg_loader_options *options,
                               vgg_error *error) {
    vgg_loader_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_loader_options", error);
    if (status != VGG_OK)
        return status;
    if (options->batch == 0 || options->ahead == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a loader with batch %zu and ahead %zu; expected at least 1 of each",
                        options->batch, options->ahead);
    if (options->workers == 0)
        options->workers = vgg_threads_default();
    if (options->workers > VGG_THREADS_MAX)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a loader with %zu workers; expected at most %d",
                        options->workers, VGG_THREADS_MAX);
    return VGG_OK;
}

static vgg_status copy_preprocess(vgg_loader *loader, const vgg_preprocess *given,
                                  vgg_error *error) {
    vgg_preprocess *own = &loader->preprocess;
    vgg_preprocess_init(own, sizeof *own);
    vgg_status status = vgg_options_read(own, sizeof *own, given, "vgg_preprocess", error);
    if (status == VGG_OK)
        status = vgg_preprocess_check(own, error);
    /* vgg_preprocess_check holds the sides to VGG_IMAGE_MAX_SIDE: no overflow. */
    if (status == VGG_OK)
        loader->input = own->channels * own->height * own->width;
    return status;
}

static vgg_status copy_augment(vgg_loader *loader, vgg_error *error) {
    vgg_augment *own = &loader->augment;
    loader->augmented = loader->options.augment != NULL;
    vgg_augment_init(own, sizeof *own);
    return vgg_options_read(own, sizeof *own, loader->options.augment, "vgg_augment", error);
}

/* The ring's batches are no larger and no more than the data has. */
static void count_batches(vgg_loader *loader) {
    size_t count = vgg_dataset_count(loader->dataset);
    vgg_loader_options *options = &loader->options;
    loader->batch_count = count / options->batch;
    if (!options->drop_last && count % options->batch != 0)
        loader->batch_count++;
    options->batch = vgg_size_min(options->batch, count);
    options->ahead = vgg_size_min(options->ahead, vgg_size_max(loader->batch_count, 1));
    loader->places = options->ahead + 1;
}

static vgg_status check_memory(const vgg_loader *loader, size_t *inputs_bytes, vgg_error *error) {
    const vgg_preprocess *p = &loader->preprocess;
    size_t total;
    if (vgg_size_mul(loader->input, loader->options.batch, inputs_bytes) &&
        vgg_size_mul(*inputs_bytes, sizeof(float), inputs_bytes) &&
        vgg_size_mul(*inputs_bytes, loader->places, &total) && total <= vgg_memory_available())
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_MEMORY,
                    "out of memory: a loader that keeps %zu batches of %zu inputs of %zu x %zu x "
                    "%zu; a smaller batch or less ahead needs less",
                    loader->places, loader->options.batch, p->channels, p->height, p->width);
}

static vgg_status make_ring(vgg_loader *loader, vgg_error *error) {
    size_t batch = loader->options.batch, bytes;
    vgg_status status = check_memory(loader, &bytes, error);
    if (status != VGG_OK)
        return status;
    loader->order = calloc(vgg_dataset_count(loader->dataset), sizeof *loader->order);
    loader->ring = calloc(loader->places, sizeof *loader->ring);
    loader->workers = calloc(loader->options.workers, sizeof *loader->workers);
    if (loader->order == NULL || loader->ring == NULL || loader->workers == NULL)
        return vgg_fail_memory(error, "a loader",
                               vgg_dataset_count(loader->dataset) * sizeof batch);
    for (size_t i = 0; i < loader->places; i++) {
        ring_place *place = &loader->ring[i];
        place->inputs = vgg_aligned_alloc(bytes);
        place->items = calloc(batch, sizeof *place->items);
        place->classes = calloc(batch, sizeof *place->classes);
        place->status = calloc(batch, sizeof *place->status);
        place->messages = calloc(batch, sizeof *place->messages);
        if (place->inputs == NULL || place->items == NULL || place->classes == NULL ||
            place->status == NULL || place->messages == NULL)
            return vgg_fail_memory(error, "a loader's batch", bytes);
    }
    return VGG_OK;
}

static vgg_status start_workers(vgg_loader *loader, vgg_error *error) {
    while (loader->started < loader->options.workers) {
        int failure = pthread_create(&loader->workers[loader->started], NULL, worker_main, loader);
        if (failure != 0)
            return vgg_fail(error, VGG_ERROR_MEMORY, "cannot start worker %zu of %zu: %s",
                            loader->started + 1, loader->options.workers, strerror(failure));
        loader->started++;
    }
    return VGG_OK;
}

vgg_status vgg_loader_create(const vgg_dataset *dataset, const vgg_preprocess *preprocess,
                             const vgg_loader_options *options, vgg_loader **out,
                             vgg_error *error) {
    vgg_loader *loader = calloc(1, sizeof *loader);
    if (loader == NULL)
        return vgg_fail_memory(error, "a loader", sizeof *loader);
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->changed, NULL);
    loader->dataset = dataset;
    vgg_status status = copy_preprocess(loader, preprocess, error);
    if (status == VGG_OK)
        status = full_options(options, &loader->options, error);
    if (status == VGG_OK)
        status = copy_augment(loader, error);
    if (status == VGG_OK) {
        count_batches(loader);
        status = make_ring(loader, error);
    }
    if (status == VGG_OK)
        status = start_workers(loader, error);
    if (status == VGG_OK)
        *out = loader;
    else
        vgg_loader_free(loader);
    return status;
}

static void forget_messages(vgg_loader *loader) {
    for (size_t i = 0; i < loader->places; i++) {
        char **messages = loader->ring[i].messages;
        for (size_t j = 0; messages != NULL && j < loader->options.batch; j++) {
            free(messages[j]);
            messages[j] = NULL;
        }
    }
}

static void free_ring(vgg_loader *loader) {
    forget_messages(loader);
    for (size_t i = 0; i < loader->places; i++) {
        free(loader->ring[i].inputs);
        free(loader->ring[i].items);
        free(loader->ring[i].classes);
        free(loader->ring[i].status);
        free(loader->ring[i].messages);
    }
    free(loader->ring);
}

void vgg_loader_free(vgg_loader *loader) {
    if (loader == NULL)
        return;
    pthread_mutex_lock(&loader->mutex);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (size_t i = 0; i < loader->started; i++) {
        pthread_join(loader->workers[i], NULL);
    }
    if (loader->ring != NULL)
        free_ring(loader);
    free(loader->workers);
    free(loader->order);
    pthread_cond_destroy(&loader->changed);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->mutex);
    free(loader);
}

/* ---- an epoch ---- */

/* Called with the mutex held: no worker takes a picture afterwards, and none has one in hand. */
static void halt(vgg_loader *loader) {
    loader->running = false;
    while (loader->busy > 0) {
        pthread_cond_wait(&loader->changed, &loader->mutex);
    }
}

vgg_status vgg_loader_start(vgg_loader *loader, uint64_t epoch, size_t first_batch,
                            vgg_error *error) {
    if (first_batch > loader->batch_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "an epoch has %zu batches; cannot begin at number %zu", loader->batch_count,
                        first_batch);
    size_t count = vgg_dataset_count(loader->dataset);
    pthread_mutex_lock(&loader->mutex);
    halt(loader);
    forget_messages(loader);
    if (loader->options.shuffle)
        vgg_random_permutation(loader->order, count, loader->options.seed, epoch);
    else
        for (size_t i = 0; i < count; i++) {
            loader->order[i] = i;
        }
    for (size_t i = 0; i < loader->places; i++) {
        loader->ring[i].done = 0;
    }
    loader->epoch = epoch;
    loader->next_batch = first_batch;
    loader->take_batch = first_batch;
    loader->take_picture = 0;
    loader->running = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    return VGG_OK;
}

size_t vgg_loader_batch_count(const vgg_loader *loader) {
    return loader->batch_count;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Waits for the next batch and moves the window of the workers on; returns the seconds waited. */
static double await_batch(vgg_loader *loader, ring_place **ready, size_t *pictures) {
    double began = now();
    pthread_mutex_lock(&loader->mutex);
    ring_place *place = &loader->ring[loader->next_batch % loader->places];
    *pictures = pictures_in(loader, loader->next_batch);
    while (place->done < *pictures) {
        pthread_cond_wait(&loader->changed, &loader->mutex);
    }
    place->done = 0; /* of the batch that will be made here after this one */
    loader->next_batch++;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    *ready = place;
    return now() - began;
}

/* Tells the caller about one picture that could not be prepared; anything but VGG_OK ends the
 * epoch. Memory that ran out is no fault of the picture. */
static vgg_status skip(const vgg_loader *loader, const ring_place *place, size_t at,
                       vgg_error *error) {
    if (place->messages[at] == NULL)
        return vgg_fail_memory(error, "a message", VGG_ERROR_TEXT);
    vgg_error why;
    vgg_fail(&why, place->status[at], "%s", place->messages[at]);
    const char *name = vgg_dataset_item_name(loader->dataset, place->items[at]);
    if (why.status != VGG_ERROR_MEMORY &&
        (loader->options.skipped == NULL ||
         loader->options.skipped(loader->options.user, name, &why)))
        return VGG_OK;
    return vgg_fail(error, why.status, "%s", why.message);
}

/* Closes the gaps that unreadable pictures left, so that the others stay in order. */
static vgg_status close_gaps(const vgg_loader *loader, ring_place *place, size_t pictures,
                             size_t *count, vgg_error *error) {
    size_t kept = 0;
    vgg_status status = VGG_OK;
    for (size_t at = 0; status == VGG_OK && at < pictures; at++) {
        if (place->status[at] != VGG_OK) {
            status = skip(loader, place, at, error);
            free(place->messages[at]);
            place->messages[at] = NULL;
            continue;
        }
        if (kept < at) {
            memmove(place->inputs + kept * loader->input, place->inputs + at * loader->input,
                    loader->input * sizeof(float));
            place->items[kept] = place->items[at];
            place->classes[kept] = place->classes[at];
        }
        kept++;
    }
    *count = kept;
    return status;
}

vgg_status vgg_loader_next(vgg_loader *loader, const vgg_batch **batch, vgg_error *error) {
    if (!loader->running)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the loader is in no epoch; expected vgg_loader_start before");
    if (loader->next_batch == loader->batch_count) {
        *batch = NULL;
        return VGG_OK;
    }
    ring_place *place;
    size_t pictures, count;
    double waited = await_batch(loader, &place, &pictures);
    vgg_status status = close_gaps(loader, place, pictures, &count, error);
    if (status != VGG_OK) {
        pthread_mutex_lock(&loader->mutex);
        halt(loader);
        pthread_mutex_unlock(&loader->mutex);
        return status;
    }
    loader->handed = (vgg_batch){.struct_size = sizeof loader->handed,
                                 .count = count,
                                 .skipped = pictures - count,
                                 .inputs = place->inputs,
                                 .classes = place->classes,
                                 .items = place->items,
                                 .waited = waited};
    *batch = &loader->handed;
    return VGG_OK;
}
