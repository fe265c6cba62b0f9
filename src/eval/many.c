/* Pictures one after another in batches, whatever is computed of them.
 *
 * Picture n is piece n of base/ahead.h. It has place n % window among the inputs, so that a batch
 * lies there in one stretch; while one batch is computed the next is read. */
#include <stdio.h>
#include <string.h>

#include "base/ahead.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "eval/many.h"

/* A picture from when it is known to when its result is handed out. */
typedef struct picture {
    vgg_picture given; /* path is a copy, and so is name, which is always there */
    vgg_status status; /* of reading it; unless VGG_OK there is a message: */
    char *message;     /* NULL where memory for it ran out */
    void *made;        /* where no floats are */
} picture;

typedef struct many {
    const vgg_many_work *work;
    vgg_next_picture *next;
    void *user;
    float *inputs;     /* of the window */
    picture *pictures; /* of the window */
    size_t window;
    size_t known, handed; /* pictures so far */
    bool ended;           /* there are no more */
} many;

void vgg_picture_init(vgg_picture *given, size_t size) {
    const vgg_picture defaults = {.struct_size = size};
    vgg_options_init(given, size, &defaults, sizeof defaults);
}

/* ---- reading ---- */

/* user: the place of the message. */
static void keep_warning(void *user, const char *message) {
    char **kept = user;
    if (*kept == NULL)
        *kept = vgg_text_copy(message);
}

static vgg_status check_sources(const vgg_picture *given, vgg_error *error) {
    int sources = (given->path != NULL) + (given->bytes != NULL) + (given->image != NULL);
    if (sources == 1)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "%s: %d of path, bytes and image are set, expected one", given->name, sources);
}

static vgg_status decode(const vgg_picture *given, const vgg_decode_options *how, vgg_image *image,
                         vgg_error *error) {
    if (given->path != NULL)
        return vgg_image_load_with(given->path, how, image, error);
    return vgg_image_decode_with(given->bytes, given->size, given->name, how, image, error);
}

/* Makes of a decoded picture what will be computed. */
static vgg_status prepare(const many *all, size_t number, const vgg_image *image,
                          vgg_error *error) {
    const vgg_many_work *work = all->work;
    size_t place = number % all->window;
    vgg_status status =
        work->make != NULL
            ? work->make(work->context, image, &all->pictures[place].made, error)
            : work->prepare(work->context, image, all->inputs + place * work->input, error);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", all->pictures[place].given.name);
    return status;
}

/* The same of an encoded one. */
static vgg_status prepare_encoded(const many *all, size_t number, const vgg_decode_options *how,
                                  vgg_error *error) {
    const vgg_many_work *work = all->work;
    size_t place = number % all->window;
    const vgg_picture *given = &all->pictures[place].given;
    float *input = all->inputs + place * work->input;
    if (work->preprocess != NULL && given->path != NULL)
        return vgg_preprocess_file(work->preprocess, given->path, how, input, error);
    if (work->preprocess != NULL)
        return vgg_preprocess_encoded(work->preprocess, given->bytes, given->size, given->name, how,
                                      input, error);
    vgg_image image = {0};
    vgg_status status = decode(given, how, &image, error);
    if (status == VGG_OK)
        status = prepare(all, number, &image, error);
    vgg_image_free(&image);
    return status;
}

static void read_picture(void *context, size_t number) {
    many *all = context;
    picture *one = &all->pictures[number % all->window];
    vgg_decode_options how;
    vgg_error why;
    vgg_decode_options_init(&how, sizeof how);
    how.warn = keep_warning;
    how.warn_user = &one->message;
    one->status = check_sources(&one->given, &why);
    if (one->status == VGG_OK)
        one->status = one->given.image != NULL ? prepare(all, number, one->given.image, &why)
                                               : prepare_encoded(all, number, &how, &why);
    if (one->status != VGG_OK) {
        vgg_free(one->message);
        one->message = vgg_text_copy(why.message);
    }
}

/* ---- knowing what there is ---- */

static void forget(const many *all, picture *one) {
    if (one->made != NULL)
        all->work->free_made(all->work->context, one->made);
    vgg_free((char *)one->given.path);
    vgg_free((char *)one->given.name);
    vgg_free(one->message);
    *one = (picture){0};
}

static vgg_status keep_texts(vgg_picture *given, size_t number, vgg_error *error) {
    char numbered[32];
    snprintf(numbered, sizeof numbered, "picture %zu", number);
    bool has_path = given->path != NULL;
    const char *name = given->name != NULL ? given->name : has_path ? given->path : numbered;
    given->name = vgg_text_copy(name);
    given->path = has_path ? vgg_text_copy(given->path) : NULL;
    if (given->name == NULL || (has_path && given->path == NULL))
        return vgg_fail_memory(error, "the name of a picture", strlen(numbered));
    return VGG_OK;
}

/* Asks for pictures until the window is full. */
static vgg_status fill_window(many *all, vgg_error *error) {
    vgg_status status = VGG_OK;
    while (status == VGG_OK && !all->ended && all->known < all->handed + all->window) {
        picture *one = &all->pictures[all->known % all->window];
        const vgg_picture *given = all->next(all->user);
        if (given == NULL) {
            all->ended = true;
            break;
        }
        vgg_picture own;
        vgg_picture_init(&own, sizeof own);
        status = vgg_options_read(&own, sizeof own, given, "vgg_picture", error);
        if (status != VGG_OK)
            break;
        one->given = own;
        status = keep_texts(&one->given, all->known, error);
        all->known++;
    }
    return status;
}

/* ---- computing ---- */

/* Closes the gaps that unreadable pictures left; returns how many inputs there are. */
static size_t close_gaps(const many *all, float *inputs, size_t count) {
    size_t input = all->work->input, kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (all->pictures[(all->handed + i) % all->window].status != VGG_OK)
            continue;
        if (kept < i)
            memmove(inputs + kept * input, inputs + i * input, input * sizeof *inputs);
        kept++;
    }
    return kept;
}

/* Hands out the first picture that has not been: number `row` of its batch, where it was read. */
static vgg_status hand_out(many *all, size_t row, vgg_error *error) {
    picture *one = &all->pictures[all->handed % all->window];
    bool read = one->status == VGG_OK;
    vgg_many_picture done = {
        .number = all->handed, .name = one->given.name, .user = one->given.user};
    vgg_error why;
    if (!read && one->message != NULL)
        vgg_fail(&why, one->status, "%s", one->message);
    else if (!read)
        vgg_fail_memory(&why, "a message", VGG_ERROR_TEXT);
    done.error = read ? NULL : &why;
    done.warning = read ? one->message : NULL;
    bool go_on = all->work->hand_out(all->work->context, &done, row);
    forget(all, one);
    all->handed++;
    if (go_on)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_STOPPED, "stopped after %zu pictures", all->handed);
}

/* Computes and hands out a batch whose pictures are read. */
static vgg_status finish_batch(many *all, size_t count, vgg_error *error) {
    const vgg_many_work *work = all->work;
    float *inputs = all->inputs + all->handed % all->window * work->input;
    size_t readable = close_gaps(all, inputs, count), row = 0;
    vgg_status status = VGG_OK;
    if (readable > 0)
        status = work->compute(work->context, inputs, readable, error);
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        bool read = all->pictures[all->handed % all->window].status == VGG_OK;
        status = hand_out(all, row, error);
        row += read;
    }
    return status;
}

/* The same of one picture of which no floats were made. */
static vgg_status finish_made(many *all, vgg_error *error) {
    const vgg_many_work *work = all->work;
    picture *one = &all->pictures[all->handed % all->window];
    vgg_status status = VGG_OK;
    if (one->status == VGG_OK)
        status = work->compute_made(work->context, one->made, error);
    if (status == VGG_ERROR_SHAPE) {
        vgg_error_prefix(error, "%s", one->given.name);
        vgg_free(one->message);
        one->message = vgg_text_copy(error->message);
        one->status = status;
        status = VGG_OK;
    }
    return status == VGG_OK ? hand_out(all, 0, error) : status;
}

static vgg_status run_all(many *all, vgg_ahead *ahead, vgg_error *error) {
    vgg_status status = vgg_ahead_begin(ahead, 0, error);
    while (status == VGG_OK && all->handed < all->known) {
        bool made = all->work->make != NULL;
        size_t count = made ? 1 : vgg_size_min(all->known - all->handed, all->work->batch);
        vgg_ahead_allow(ahead, all->known);
        status = vgg_ahead_await(ahead, all->handed + count, error);
        if (status == VGG_OK)
            status = made ? finish_made(all, error) : finish_batch(all, count, error);
        if (status == VGG_OK)
            status = fill_window(all, error);
    }
    return status;
}

/* What is known to be there: all of few pictures, a window of more. */
static vgg_status begin(many *all, vgg_ahead **ahead, vgg_error *error) {
    const vgg_many_work *work = all->work;
    vgg_status status = VGG_OK;
    if (work->make == NULL)
        status = work->reserve(work->context, all->ended ? all->known : all->window, &all->inputs,
                               error);
    if (status == VGG_OK)
        status = vgg_ahead_create(work->threads, all->window, read_picture, all, ahead, error);
    return status;
}

vgg_status vgg_many_run(const vgg_many_work *work, vgg_next_picture *next, void *user,
                        vgg_error *error) {
    many all = {.work = work,
                .next = next,
                .user = user,
                .window = work->make != NULL ? work->window : VGG_MANY_WINDOW * work->batch};
    all.pictures = vgg_calloc(all.window, sizeof *all.pictures);
    vgg_ahead *ahead = NULL;
    vgg_status status = VGG_OK;
    if (all.pictures == NULL)
        status = vgg_fail_memory(error, "pictures", all.window * sizeof *all.pictures);
    if (status == VGG_OK)
        status = fill_window(&all, error);
    if (status == VGG_OK && all.known > 0) {
        status = begin(&all, &ahead, error);
        if (status == VGG_OK)
            status = run_all(&all, ahead, error);
    }
    vgg_ahead_free(ahead);
    for (size_t i = 0; all.pictures != NULL && i < all.window; i++) {
        forget(&all, &all.pictures[i]);
    }
    vgg_free(all.pictures);
    return status;
}
