/* What is told to TensorBoard of a training: figures of steps and epochs, the first batch as the
 * network saw it, and how weights and gradients are distributed. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/plan.h"
#include "train/board.h"
#include "train/trainer.h"

/* Points of a curve in an epoch, at most. */
#define POINTS 50
/* Steps between points where nobody knows how long an epoch is. */
#define STEPS_BETWEEN 10
/* White pixels around each picture of the grid. */
#define MARGIN 2

struct vgg_board {
    vgg_board_file file;
    bool histograms;
    bool seen; /* the views of a batch are shown */
};

/* An epoch that ended without its evaluation is evaluated again, with the number of its last step.
 */
static uint64_t first_step(const vgg_progress *progress) {
    return progress->updates + (progress->ended ? 0 : 1);
}

vgg_status vgg_board_open(const vgg_trainer *trainer, vgg_board **out, vgg_error *error) {
    char *folder = vgg_path_join(vgg_run_folder(trainer->run), "tensorboard");
    vgg_board *board = vgg_calloc(1, sizeof *board);
    vgg_status status = VGG_OK;
    if (folder == NULL || board == NULL)
        status = vgg_fail_memory(error, "an event file", sizeof *board);
    else
        status = vgg_board_file_open(&board->file, folder, first_step(&trainer->progress), error);
    vgg_free(folder);
    if (status != VGG_OK) {
        vgg_free(board);
        return status;
    }
    board->histograms = trainer->options.histograms;
    *out = board;
    return VGG_OK;
}

void vgg_board_close(vgg_board *board) {
    if (board == NULL)
        return;
    vgg_board_file_close(&board->file);
    vgg_free(board);
}

/* ---- views ---- */

/* Puts a picture into place `number` of a grid of `columns`. */
static void place(const vgg_image *picture, size_t number, size_t columns, vgg_image *grid) {
    size_t line = picture->width * picture->channels;
    size_t top = MARGIN + number / columns * (picture->height + MARGIN);
    size_t left = MARGIN + number % columns * (picture->width + MARGIN);
    for (size_t y = 0; y < picture->height; y++) {
        memcpy(grid->pixels + ((top + y) * grid->width + left) * grid->channels,
               picture->pixels + y * line, line);
    }
}

/* Few of large pictures, more of small ones. */
static vgg_status draw_views(const vgg_preprocess *shape, const vgg_train_event *event,
                             vgg_image *grid, vgg_error *error) {
    size_t columns = shape->width > 64 || shape->height > 64 ? 4 : 8;
    size_t count = vgg_size_min(event->input_count, columns * columns);
    size_t rows = (count + columns - 1) / columns;
    size_t floats = shape->channels * shape->height * shape->width;
    *grid = (vgg_image){.width = MARGIN + columns * (shape->width + MARGIN),
                        .height = MARGIN + rows * (shape->height + MARGIN),
                        .channels = shape->channels};
    size_t bytes = grid->width * grid->height * grid->channels;
    grid->pixels = vgg_malloc(bytes);
    if (grid->pixels == NULL)
        return vgg_fail_memory(error, "a grid of views", bytes);
    memset(grid->pixels, 255, bytes);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        vgg_image picture;
        status = vgg_preprocess_restore(shape, event->inputs + i * floats, &picture, error);
        if (status != VGG_OK)
            break;
        place(&picture, i, columns, grid);
        vgg_image_free(&picture);
    }
    return status;
}

static vgg_status add_views(const vgg_trainer *trainer, const vgg_train_event *event,
                            vgg_text *summary, vgg_error *error) {
    const vgg_preprocess *shape = vgg_model_preprocess(trainer->model);
    vgg_image grid = {0};
    if (shape == NULL)
        return VGG_OK;
    vgg_status status = draw_views(shape, event, &grid, error);
    if (status == VGG_OK)
        status = vgg_summary_image(summary, "views", &grid, error);
    vgg_image_free(&grid);
    /* A library that was built without PNG shows none. */
    return status == VGG_ERROR_UNSUPPORTED ? VGG_OK : status;
}

/* ---- events ---- */

static bool is_point(const vgg_train_event *event) {
    if (event->steps == 0)
        return event->step % STEPS_BETWEEN == 0;
    size_t between = (event->steps + POINTS - 1) / POINTS;
    return event->step % between == 0 || event->step == event->steps;
}

static vgg_status tell_step(vgg_board *board, const vgg_trainer *trainer,
                            const vgg_train_event *event, vgg_error *error) {
    vgg_text summary = {0};
    vgg_status status = VGG_OK;
    if (is_point(event)) {
        vgg_summary_scalar(&summary, "loss/train", event->loss);
        vgg_summary_scalar(&summary, "accuracy/train", event->accuracy);
        vgg_summary_scalar(&summary, "rate", event->rate);
    }
    if (!board->seen && event->inputs != NULL)
        status = add_views(trainer, event, &summary, error);
    board->seen = true;
    if (status == VGG_OK)
        return vgg_board_file_write(&board->file, trainer->progress.updates, &summary, error);
    vgg_text_free(&summary);
    return status;
}

/* The gradients are those of the last step, as far as this trainer has done one. */
static void add_histograms(const vgg_trainer *trainer, vgg_text *summary) {
    char tag[sizeof "gradients/" + VGG_TENSOR_NAME];
    for (size_t t = 0; t < trainer->network->tensor_count; t++) {
        const vgg_tensor *tensor = &trainer->network->tensors[t];
        const float *gradient = vgg_plan_gradient(trainer->plan, t);
        size_t count = tensor->info.count;
        if (tensor->values == NULL || !tensor->info.learnable)
            continue;
        snprintf(tag, sizeof tag, "weights/%s", tensor->info.name);
        vgg_summary_histogram(summary, tag, tensor->values, count);
        if (gradient == NULL || !trainer->stepped)
            continue;
        snprintf(tag, sizeof tag, "gradients/%s", tensor->info.name);
        vgg_summary_histogram(summary, tag, gradient, count);
    }
}

static void add_accuracy(vgg_text *summary, const vgg_train_event *event) {
    if (event->label_scores == NULL) {
        vgg_summary_scalar(summary, "accuracy/validation_top1", event->validation_top1);
        vgg_summary_scalar(summary, "accuracy/validation_top5", event->validation_top5);
        return;
    }
    vgg_summary_scalar(summary, "accuracy/validation_mean_average_precision",
                       event->validation_mean_average_precision);
    vgg_summary_scalar(summary, "accuracy/validation_exact_match", event->validation_exact_match);
}

static vgg_status tell_epoch(vgg_board *board, const vgg_trainer *trainer,
                             const vgg_train_event *event, vgg_error *error) {
    vgg_text summary = {0};
    if (event->validated) {
        vgg_summary_scalar(&summary, "loss/validation", event->validation_loss);
        add_accuracy(&summary, event);
    }
    vgg_summary_scalar(&summary, "images_per_s", event->images_per_s);
    if (board->histograms)
        add_histograms(trainer, &summary);
    return vgg_board_file_write(&board->file, trainer->progress.updates, &summary, error);
}

vgg_status vgg_board_tell(vgg_board *board, const vgg_trainer *trainer,
                          const vgg_train_event *event, vgg_error *error) {
    if (event->type == VGG_EVENT_STEP)
        return tell_step(board, trainer, event, error);
    if (event->type == VGG_EVENT_EPOCH)
        return tell_epoch(board, trainer, event, error);
    return VGG_OK;
}
