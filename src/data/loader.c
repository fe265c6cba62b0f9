/* The loader: fills a ring of batches, picture by picture, ahead of time.
 *
 * The ring has one place per batch prepared ahead and one for the batch that the caller holds;
 * batch b of the epoch is made in place b % places. Picture n of the epoch is piece n of
 * base/ahead.h, and has a stretch of its place to itself. Which thread made it leaves no trace. */
#include <string.h>

#include "base/ahead.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "base/text.h"
#include "data/order.h"

/* Times the short side that is resized to: how large a picture for a random view must stay. */
enum { REDUCED_TO = 2 };

typedef struct ring_place {
    float *inputs;      /* batch x channels x height x width */
    size_t *items;      /* batch item numbers of the data set */
    size_t *classes;    /* batch class numbers */
    vgg_status *status; /* batch outcomes; those that are not VGG_OK have a message: */
    char **messages;    /* NULL where memory for it ran out; warnings of those that are */
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
    vgg_batch handed;         /* out last */
    vgg_threads *own_threads; /* NULL when they are shared */
    vgg_ahead *ahead;

    size_t *order; /* the items of the epoch, with the times that each was shown before */
    uint64_t epoch;
    bool running;      /* an epoch has begun and has not failed */
    size_t next_batch; /* that vgg_loader_next hands out next */
};

void vgg_loader_options_init(vgg_loader_options *options, size_t size) {
    vgg_loader_options defaults = {.struct_size = size, .batch = 32, .ahead = 4};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- one picture ---- */

/* Pictures in the batches before number `batch`. */
static size_t pictures_before(const vgg_loader *loader, size_t batch) {
    return vgg_size_min(batch * loader->options.batch, vgg_dataset_count(loader->dataset));
}

/* user: the place of the message. */
static void keep_warning(void *user, const char *message) {
    char **kept = user;
    if (*kept == NULL)
        *kept = vgg_text_copy(message);
}

/* view: the number that a random view is drawn by. */
static vgg_status prepare(const vgg_loader *loader, size_t item, size_t view, float *input,
                          char **warning, vgg_error *error) {
    const vgg_loader_options *options = &loader->options;
    vgg_image image = {0};
    vgg_decode_options how;
    if (options->fill != NULL)
        return options->fill(options->fill_user, item, loader->epoch, view, input, error);
    vgg_decode_options_init(&how, sizeof how);
    how.least = loader->augmented ? REDUCED_TO * loader->preprocess.resize : 0;
    how.warn = loader->options.warn != NULL ? keep_warning : NULL;
    how.warn_user = warning;
    vgg_status status = vgg_dataset_read_with(loader->dataset, item, &how, &image, error);
    if (status != VGG_OK)
        return status;
    if (loader->augmented)
        status = vgg_preprocess_augmented(&loader->preprocess, &loader->augment, &image,
                                          loader->options.seed, loader->epoch, view, input, error);
    else
        status = vgg_preprocess_image(&loader->preprocess, &image, input, error);
    vgg_image_free(&image);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", vgg_dataset_item_name(loader->dataset, item));
    return status;
}

static void make_picture(void *context, size_t number) {
    vgg_loader *loader = context;
    ring_place *place = &loader->ring[number / loader->options.batch % loader->places];
    size_t at = number % loader->options.batch, view = loader->order[number];
    size_t item = view % vgg_dataset_count(loader->dataset);
    vgg_error why;
    place->items[at] = item;
    place->classes[at] = vgg_dataset_item_class(loader->dataset, item);
    place->status[at] =
        prepare(loader, item, view, place->inputs + at * loader->input, &place->messages[at], &why);
    if (place->status[at] == VGG_OK)
        return;
    vgg_free(place->messages[at]);
    place->messages[at] = vgg_text_copy(why.message);
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
    loader->order = vgg_calloc(vgg_dataset_count(loader->dataset), sizeof *loader->order);
    loader->ring = vgg_calloc(loader->places, sizeof *loader->ring);
    if (loader->order == NULL || loader->ring == NULL)
        return vgg_fail_memory(error, "a loader",
                               vgg_dataset_count(loader->dataset) * sizeof batch);
    for (size_t i = 0; i < loader->places; i++) {
        ring_place *place = &loader->ring[i];
        place->inputs = vgg_aligned_alloc(bytes);
        place->items = vgg_calloc(batch, sizeof *place->items);
        place->classes = vgg_calloc(batch, sizeof *place->classes);
        place->status = vgg_calloc(batch, sizeof *place->status);
        place->messages = vgg_calloc(batch, sizeof *place->messages);
        if (place->inputs == NULL || place->items == NULL || place->classes == NULL ||
            place->status == NULL || place->messages == NULL)
            return vgg_fail_memory(error, "a loader's batch", bytes);
    }
    return VGG_OK;
}

/* Workers are helpers of the thread that calls vgg_loader_next. */
static vgg_status start_workers(vgg_loader *loader, vgg_error *error) {
    const vgg_loader_options *options = &loader->options;
    size_t workers = options->workers == 0 ? vgg_threads_default() : options->workers;
    vgg_threads *threads;
    vgg_status status = vgg_threads_obtain(options->workers == 0 ? options->shared_threads : NULL,
                                           vgg_size_min(workers + 1, VGG_THREADS_MAX), &threads,
                                           &loader->own_threads, error);
    if (status == VGG_OK)
        status = vgg_ahead_create(threads, loader->places * options->batch, make_picture, loader,
                                  &loader->ahead, error);
    return status;
}

vgg_status vgg_loader_create(const vgg_dataset *dataset, const vgg_preprocess *preprocess,
                             const vgg_loader_options *options, vgg_loader **out,
                             vgg_error *error) {
    vgg_loader *loader = vgg_calloc(1, sizeof *loader);
    if (loader == NULL)
        return vgg_fail_memory(error, "a loader", sizeof *loader);
    loader->dataset = dataset;
    vgg_status status = copy_preprocess(loader, preprocess, error);
    if (status == VGG_OK)
        status = full_options(options, &loader->options, error);
    if (status == VGG_OK && loader->options.balance && vgg_dataset_several_labels(dataset))
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "pictures have several labels: an epoch cannot be balanced by them");
    if (status == VGG_OK)
        status = copy_augment(loader, error);
    if (status == VGG_OK && loader->options.fill != NULL && loader->options.values > 0)
        loader->input = loader->options.values;
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
            vgg_free(messages[j]);
            messages[j] = NULL;
        }
    }
}

static void free_ring(vgg_loader *loader) {
    forget_messages(loader);
    for (size_t i = 0; i < loader->places; i++) {
        vgg_free(loader->ring[i].inputs);
        vgg_free(loader->ring[i].items);
        vgg_free(loader->ring[i].classes);
        vgg_free(loader->ring[i].status);
        vgg_free(loader->ring[i].messages);
    }
    vgg_free(loader->ring);
}

void vgg_loader_free(vgg_loader *loader) {
    if (loader == NULL)
        return;
    vgg_ahead_free(loader->ahead);
    vgg_threads_free(loader->own_threads);
    if (loader->ring != NULL)
        free_ring(loader);
    vgg_free(loader->order);
    vgg_free(loader);
}

/* ---- an epoch ---- */

/* The batches that lie in the ring beside the one in the caller's hands. */
static void allow_batches(vgg_loader *loader) {
    size_t last = loader->next_batch + loader->options.ahead;
    vgg_ahead_allow(loader->ahead,
                    pictures_before(loader, vgg_size_min(last, loader->batch_count)));
}

static vgg_status order_items(vgg_loader *loader, uint64_t epoch, vgg_error *error) {
    size_t count = vgg_dataset_count(loader->dataset);
    if (loader->options.balance)
        return vgg_order_balanced(loader->dataset, loader->options.seed, epoch, loader->order,
                                  error);
    if (loader->options.shuffle)
        vgg_random_permutation(loader->order, count, loader->options.seed, epoch);
    for (size_t i = 0; i < count && !loader->options.shuffle; i++) {
        loader->order[i] = i;
    }
    return VGG_OK;
}

vgg_status vgg_loader_start(vgg_loader *loader, uint64_t epoch, size_t first_batch,
                            vgg_error *error) {
    if (first_batch > loader->batch_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "an epoch has %zu batches; cannot begin at number %zu", loader->batch_count,
                        first_batch);
    loader->running = false;
    vgg_status status = vgg_ahead_begin(loader->ahead, pictures_before(loader, first_batch), error);
    if (status != VGG_OK)
        return status;
    forget_messages(loader);
    status = order_items(loader, epoch, error);
    if (status != VGG_OK)
        return status;
    loader->epoch = epoch;
    loader->next_batch = first_batch;
    loader->running = true;
    allow_batches(loader);
    return VGG_OK;
}

size_t vgg_loader_batch_count(const vgg_loader *loader) {
    return loader->batch_count;
}

/* Whether the error is the picture's. Memory that ran out is not, and `fill` says what is. */
static bool is_of_picture(const vgg_loader *loader, vgg_status status) {
    return loader->options.fill != NULL ? status == VGG_ERROR_FORMAT : status != VGG_ERROR_MEMORY;
}

/* Tells the caller about one picture that could not be prepared; anything but VGG_OK ends the
 * epoch. */
static vgg_status skip(const vgg_loader *loader, const ring_place *place, size_t at,
                       vgg_error *error) {
    if (place->messages[at] == NULL)
        return vgg_fail_memory(error, "a message", VGG_ERROR_TEXT);
    vgg_error why;
    vgg_fail(&why, place->status[at], "%s", place->messages[at]);
    const char *name = vgg_dataset_item_name(loader->dataset, place->items[at]);
    if (is_of_picture(loader, why.status) &&
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
            vgg_free(place->messages[at]);
            place->messages[at] = NULL;
            continue;
        }
        if (place->messages[at] != NULL)
            vgg_warn(loader->options.warn, loader->options.warn_user, "%s", place->messages[at]);
        vgg_free(place->messages[at]);
        place->messages[at] = NULL;
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
    size_t number = loader->next_batch, count;
    size_t end = pictures_before(loader, number + 1);
    size_t pictures = end - pictures_before(loader, number);
    ring_place *place = &loader->ring[number % loader->places];
    double began = vgg_clock_seconds();
    vgg_status status = vgg_ahead_await(loader->ahead, end, error);
    double waited = vgg_clock_seconds() - began;
    if (status == VGG_OK) {
        loader->next_batch++;
        allow_batches(loader);
        status = close_gaps(loader, place, pictures, &count, error);
    }
    if (status != VGG_OK) {
        loader->running = false;
        vgg_ahead_halt(loader->ahead);
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
