/* vgg show --channel: the pictures of folders that most excite a channel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cells.h"
#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/picture_progress.h"
#include "cli/predict_walk.h"
#include "cli/seen_picture.h"
#include "cli/show.h"

/* Pixels of the shorter side of what the network sees, in the picture, at least. */
#define SIDE_LEAST 160

typedef struct found {
    char *name;
    float value;
} found;

typedef struct top {
    const vgg_cli_show_options *options;
    const vgg_model *model;
    vgg_extractor *extractor;
    vgg_tap_info info;
    vgg_cli_predict_walk walk;
    vgg_picture picture; /* the next */
    found *best;         /* the largest value first */
    size_t count, read, failed;
    bool broken; /* for lack of memory, which was said */
    vgg_cli_progress line;
    size_t total;   /* pictures that the operands stand for */
    double started; /* vgg_cli_now */
} top;

static const vgg_picture *next_picture(void *user) {
    top *t = user;
    t->picture.path = vgg_cli_predict_walk_next(&t->walk);
    return t->picture.path != NULL && !t->broken ? &t->picture : NULL;
}

/* Keeps a picture that is among the best; of equal ones the first. */
static bool keep(top *t, const char *name, float value) {
    size_t most = t->options->top, place = t->count;
    while (place > 0 && !(t->best[place - 1].value >= value)) {
        place--;
    }
    if (place == most)
        return true;
    char *own = strdup(name);
    if (own == NULL) {
        vgg_cli_complain("show", "out of memory for the name of a picture");
        t->broken = true;
        return false;
    }
    if (t->count == most)
        free(t->best[--t->count].name);
    memmove(t->best + place + 1, t->best + place, (t->count - place) * sizeof *t->best);
    t->best[place] = (found){own, value};
    t->count++;
    return true;
}

static bool take(void *user, const vgg_extract_result *result) {
    top *t = user;
    if (result->warning != NULL || result->error != NULL)
        vgg_cli_progress_clear(&t->line);
    if (result->warning != NULL)
        vgg_cli_note((void *)"show", result->warning);
    if (result->error != NULL) {
        vgg_cli_complain("show", "%s", result->error->message);
        t->failed++;
        return true;
    }
    t->read++;
    vgg_cli_picture_progress(&t->line, "show", t->read + t->failed, 0, t->total, t->started);
    return keep(t, result->name, result->values[0][t->options->channel]);
}

/* Whether all could be looked at that could be read; anything else was said. */
static bool look_at_all(top *t) {
    do {
        vgg_error error;
        vgg_status status = vgg_extract_many(t->extractor, next_picture, take, t, &error);
        vgg_cli_progress_clear(&t->line);
        if (t->broken)
            return false;
        if (status != VGG_OK) {
            vgg_cli_complain("show", "%s", error.message);
            return false;
        }
        if (!vgg_cli_predict_walk_paused(&t->walk))
            return true;
        t->failed++;
        if (t->walk.alone != NULL)
            vgg_cli_complain("show", "%s: expected a picture file or a folder", t->walk.alone);
        else
            vgg_cli_predict_walk_complain(&t->walk, "show");
    } while (true);
}

/* ---- output ---- */

static vgg_status draw_cell(const top *t, vgg_cli_cells *cells, size_t i, size_t times,
                            vgg_error *error) {
    vgg_image image = {0}, seen = {0};
    vgg_status status = vgg_image_load(t->best[i].name, &image, error);
    if (status == VGG_OK)
        status = vgg_cli_seen_draw(vgg_model_preprocess(t->model), &image, times, &seen, error);
    if (status == VGG_OK) {
        const char *slash = strrchr(t->best[i].name, '/');
        char label[VGG_CLI_CELL_LABEL];
        snprintf(label, sizeof label, "%.3g  %s", (double)t->best[i].value,
                 slash != NULL ? slash + 1 : t->best[i].name);
        vgg_cli_cells_put(cells, i, &seen);
        vgg_cli_cells_label(cells, i, label);
    }
    vgg_image_free(&seen);
    vgg_image_free(&image);
    return status;
}

static bool draw(const top *t) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(t->model);
    size_t times = vgg_cli_seen_times(preprocess, SIDE_LEAST);
    vgg_cli_cells cells = {0};
    vgg_error error;
    vgg_status status = vgg_cli_cells_create(&cells, t->count, times * preprocess->width,
                                             times * preprocess->height, &error);
    for (size_t i = 0; status == VGG_OK && i < t->count; i++) {
        status = draw_cell(t, &cells, i, times, &error);
    }
    if (status == VGG_OK)
        status = vgg_cli_cells_save(&cells, t->options->out, &error);
    vgg_cli_cells_free(&cells);
    if (status != VGG_OK)
        vgg_cli_complain("show", "%s", error.message);
    return status == VGG_OK;
}

static bool print_json(const top *t) {
    json_t *list = json_array();
    for (size_t i = 0; i < t->count; i++) {
        list = vgg_cli_json_appended(
            list, json_pack("{s:o, s:o}", "image", vgg_cli_json_text(t->best[i].name), "value",
                            vgg_cli_json_number((double)t->best[i].value)));
    }
    bool fine = vgg_cli_json_print(
        json_pack("{s:o, s:I, s:I, s:o}", "layer", vgg_cli_json_text(t->options->layer), "channel",
                  (json_int_t)t->options->channel, "pictures", (json_int_t)t->read, "best", list),
        true, 0);
    if (fine)
        putchar('\n');
    else
        vgg_cli_complain("show", "out of memory for the JSON of %zu pictures", t->count);
    return fine;
}

static bool print(const top *t) {
    if (t->options->format[0] == 'j')
        return print_json(t);
    for (size_t i = 0; i < t->count; i++) {
        vgg_cli_print_line("%.4g  %s", (double)t->best[i].value, t->best[i].name);
    }
    return true;
}

static int show(top *t) {
    if (t->options->channel >= t->info.shape[0]) {
        vgg_cli_complain("show", "--channel: found %zu, but %s has %zu channels, from 0 on",
                         t->options->channel, t->options->layer, t->info.shape[0]);
        return VGG_CLI_USAGE;
    }
    t->best = calloc(t->options->top, sizeof *t->best);
    if (t->best == NULL) {
        vgg_cli_complain("show", "out of memory for %zu pictures", t->options->top);
        return VGG_CLI_FAILURE;
    }
    if (!look_at_all(t) || t->read == 0 || !print(t) || (t->options->out != NULL && !draw(t)))
        return VGG_CLI_FAILURE;
    return t->failed > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

int vgg_cli_show_top(const vgg_cli_show_options *o, const vgg_model *model, char **operands,
                     size_t count) {
    top t = {.options = o,
             .model = model,
             .info = {.struct_size = sizeof t.info},
             .walk = {.operands = operands, .count = count},
             .line = vgg_cli_progress_on(stderr)};
    vgg_picture_init(&t.picture, sizeof t.picture);
    int status = vgg_cli_show_extractor(o, model, VGG_FEATURE_POOL_MAX, &t.extractor, &t.info);
    if (status == VGG_CLI_OK) {
        t.total = vgg_cli_predict_walk_count(operands, count, "show");
        t.started = vgg_cli_now();
        status = show(&t);
    }
    for (size_t i = 0; i < t.count; i++) {
        free(t.best[i].name);
    }
    free(t.best);
    vgg_cli_predict_walk_end(&t.walk);
    vgg_extractor_free(t.extractor);
    return status;
}
