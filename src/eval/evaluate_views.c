/* Measuring with a predictor: one picture after another, while the next are read. */
#include "base/ahead.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "eval/predictor.h"
#include "eval/tally.h"

/* A picture of the data, as it was read. */
typedef struct read_item {
    vgg_status status;
    char *message; /* why it could not be read, or what is odd about it */
    vgg_image image;
    vgg_scaled *scaled; /* where the predictor computes views; else the image is there */
} read_item;

typedef struct viewing {
    vgg_predictor *predictor;
    const vgg_dataset *dataset;
    const vgg_eval_options *options;
    vgg_ahead *ahead;
    vgg_prediction best; /* the likeliest class, which nobody asks for */
    read_item items[VGG_VIEW_WINDOW];
} viewing;

/* user: the place of the message. */
static void keep_warning(void *user, const char *message) {
    char **kept = user;
    if (*kept == NULL)
        *kept = vgg_text_copy(message);
}

static void read_item_of(void *context, size_t number) {
    viewing *v = context;
    read_item *item = &v->items[number % VGG_VIEW_WINDOW];
    vgg_error why;
    vgg_decode_options how;
    vgg_decode_options_init(&how, sizeof how);
    how.warn = v->options->warn != NULL ? keep_warning : NULL;
    how.warn_user = &item->message;
    item->status = vgg_dataset_read_with(v->dataset, number, &how, &item->image, &why);
    if (item->status == VGG_OK && v->predictor->viewers != NULL) {
        item->status = vgg_predictor_scale(v->predictor, &item->image, &item->scaled, &why);
        if (item->status != VGG_OK)
            vgg_error_prefix(&why, "%s", vgg_dataset_item_name(v->dataset, number));
        vgg_image_free(&item->image);
    }
    if (item->status == VGG_OK)
        return;
    vgg_free(item->message);
    item->message = vgg_text_copy(why.message);
}

static void forget(const viewing *v, read_item *item) {
    vgg_image_free(&item->image);
    vgg_predictor_scaled_free(v->predictor, item->scaled);
    vgg_free(item->message);
    *item = (read_item){0};
}

/* A picture that could not be read or viewed is left out, unless the caller stops there. */
static vgg_status skip(const viewing *v, const read_item *item, size_t number, vgg_error *error) {
    const vgg_eval_options *options = v->options;
    if (item->message == NULL)
        return vgg_fail_memory(error, "a message", VGG_ERROR_TEXT);
    vgg_error why;
    vgg_fail(&why, item->status, "%s", item->message);
    const char *name = vgg_dataset_item_name(v->dataset, number);
    if (item->status != VGG_ERROR_MEMORY &&
        (options->skipped == NULL || options->skipped(options->user, name, &why)))
        return VGG_OK;
    return vgg_fail(error, why.status, "%s", why.message);
}

/* The logits of a picture, which are the predictor's first row. */
static vgg_status compute(viewing *v, const read_item *item, vgg_error *error) {
    size_t found;
    if (item->scaled != NULL)
        return vgg_predictor_view(v->predictor, item->scaled, error);
    return vgg_predict_image(v->predictor, &item->image, 1, &v->best, &found, error);
}

/* The row of a picture that was read; NULL, and why in the item, where the picture has not the
 * views that are asked for. */
static vgg_status view_item(viewing *v, read_item *item, size_t number, const float **row,
                            vgg_error *error) {
    if (item->message != NULL)
        vgg_warn(v->options->warn, v->options->warn_user, "%s", item->message);
    vgg_status status = compute(v, item, error);
    if (status == VGG_OK) {
        *row = v->predictor->logits;
        return VGG_OK;
    }
    vgg_error_prefix(error, "%s", vgg_dataset_item_name(v->dataset, number));
    if (status != VGG_ERROR_SHAPE)
        return status;
    vgg_free(item->message);
    item->message = vgg_text_copy(error->message);
    item->status = status;
    return VGG_OK;
}

static vgg_status take_item(viewing *v, vgg_tally *tally, size_t number, vgg_error *error) {
    read_item *item = &v->items[number % VGG_VIEW_WINDOW];
    const float *row = NULL;
    vgg_status status = VGG_OK;
    if (item->status == VGG_OK)
        status = view_item(v, item, number, &row, error);
    if (item->status != VGG_OK)
        status = skip(v, item, number, error);
    forget(v, item);
    if (status == VGG_OK)
        status = vgg_tally_take(tally, v->dataset, v->options, number, row, error);
    if (status == VGG_OK)
        status = vgg_tally_progress(v->dataset, v->options, number + 1, error);
    return status;
}

static vgg_status take_all(viewing *v, vgg_tally *tally, vgg_error *error) {
    size_t count = vgg_dataset_count(v->dataset), first = v->options->first;
    vgg_status status = vgg_ahead_begin(v->ahead, first, error);
    for (size_t number = first; status == VGG_OK && number < count; number++) {
        vgg_ahead_allow(v->ahead, vgg_size_min(number + VGG_VIEW_WINDOW, count));
        status = vgg_ahead_await(v->ahead, number + 1, error);
        if (status == VGG_OK)
            status = take_item(v, tally, number, error);
    }
    return status;
}

static vgg_status measure(viewing *v, vgg_tally *tally, vgg_error *error) {
    vgg_status status =
        vgg_ahead_create(v->predictor->threads, VGG_VIEW_WINDOW, read_item_of, v, &v->ahead, error);
    if (status == VGG_OK)
        status = take_all(v, tally, error);
    vgg_ahead_free(v->ahead);
    for (size_t i = 0; i < VGG_VIEW_WINDOW; i++) {
        forget(v, &v->items[i]);
    }
    return status;
}

vgg_status vgg_evaluate_with(vgg_predictor *predictor, const vgg_dataset *dataset,
                             const vgg_eval_options *given, vgg_eval_result *result,
                             vgg_error *error) {
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_eval_options", error);
    if (status == VGG_OK)
        status = vgg_result_check(result, "vgg_eval_result", error);
    if (status == VGG_OK)
        status = vgg_tally_check_model(dataset, predictor->classes,
                                       vgg_model_output(predictor->model), &options, error);
    if (status == VGG_OK)
        status = vgg_tally_check(dataset, &options, 1, error);
    if (status != VGG_OK)
        return status;
    viewing v = {.predictor = predictor, .dataset = dataset, .options = &options};
    vgg_tally tally = {0};
    status = vgg_tally_begin(&tally, predictor->model, &options, error);
    if (status == VGG_OK)
        status = measure(&v, &tally, error);
    if (status == VGG_OK)
        status = vgg_tally_result(&tally, &options, result, error);
    vgg_tally_end(&tally);
    return status;
}
