/* vgg show --layer: what the channels of a layer give for a picture, as a picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cells.h"
#include "cli/clean_text.h"
#include "cli/colour_scale.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/seen_picture.h"
#include "cli/show.h"
#include "cli/standard_input.h"

/* Pixels of a map's shorter side in the picture, at least. */
#define SIDE_LEAST 112

typedef struct channel {
    size_t number;
    float least, most;
    const float *map;
} channel;

typedef struct maps {
    const vgg_cli_show_options *options;
    const vgg_model *model;
    vgg_extractor *extractor;
    vgg_tap_info info;
    vgg_image image;
    float *values;
    channel *channels; /* the strongest first */
    size_t shown;
} maps;

/* The one with the larger value first, of equal ones that with the lower number. */
static int compare(const void *left, const void *right) {
    const channel *a = left, *b = right;
    if (a->most != b->most)
        return a->most > b->most ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

static void sort(maps *m) {
    size_t count = m->info.shape[0], places = m->info.shape[1] * m->info.shape[2];
    for (size_t c = 0; c < count; c++) {
        channel *own = &m->channels[c];
        *own = (channel){.number = c, .map = m->values + c * places};
        own->least = own->most = own->map[0];
        for (size_t i = 1; i < places; i++) {
            own->least = fminf(own->least, own->map[i]);
            own->most = fmaxf(own->most, own->map[i]);
        }
    }
    qsort(m->channels, count, sizeof *m->channels, compare);
    m->shown = m->options->channels < count ? m->options->channels : count;
}

static vgg_status compute(maps *m, const char *path, vgg_error *error) {
    vgg_status status = vgg_cli_load_image(path, &m->image, error);
    if (status != VGG_OK)
        return status;
    m->values = calloc(m->info.values, sizeof *m->values);
    m->channels = calloc(m->info.shape[0], sizeof *m->channels);
    if (m->values == NULL || m->channels == NULL) {
        snprintf(error->message, sizeof error->message, "out of memory for %zu maps",
                 m->info.shape[0]);
        return VGG_ERROR_MEMORY;
    }
    status = vgg_extract_image(m->extractor, &m->image, (float *const[]){m->values}, error);
    if (status == VGG_OK)
        sort(m);
    return status;
}

/* ---- the picture ---- */

/* Each map has a scale of its own, from its least value, or 0 when that is above it, to its most;
 * one without a difference is dark. */
static void draw_map(const maps *m, const channel *own, const vgg_cli_colour_scale *scale,
                     vgg_cli_cells *cells, size_t cell) {
    size_t height = m->info.shape[1], width = m->info.shape[2];
    double least = fmin((double)own->least, 0), range = (double)own->most - least;
    uint8_t *to = vgg_cli_cell(cells, cell);
    for (size_t i = 0; i < cells->width * cells->height; i++) {
        size_t x = i % cells->width, y = i / cells->width;
        float value = own->map[y * height / cells->height * width + x * width / cells->width];
        vgg_cli_colour c =
            vgg_cli_colour_of(scale, range > 0 ? ((double)value - least) / range : 0);
        uint8_t *pixel = to + 3 * (y * cells->image.width + x);
        pixel[0] = (uint8_t)lrint(255 * c.red);
        pixel[1] = (uint8_t)lrint(255 * c.green);
        pixel[2] = (uint8_t)lrint(255 * c.blue);
    }
    char label[VGG_CLI_CELL_LABEL];
    snprintf(label, sizeof label, "%zu: %.3g", own->number, (double)own->most);
    vgg_cli_cells_label(cells, cell, label);
}

/* The first cell is what the network sees. */
static vgg_status draw_seen(const maps *m, vgg_cli_cells *cells, vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(m->model);
    vgg_image seen = {0}, small = {0};
    vgg_status status = vgg_cli_seen_draw(
        preprocess, &m->image, vgg_cli_seen_times(preprocess, cells->height), &seen, error);
    if (status == VGG_OK)
        status =
            vgg_image_resize(&seen, cells->width, cells->height, VGG_FILTER_BICUBIC, &small, error);
    if (status == VGG_OK) {
        vgg_cli_cells_put(cells, 0, &small);
        vgg_cli_cells_label(cells, 0, "input");
    }
    vgg_image_free(&small);
    vgg_image_free(&seen);
    return status;
}

static vgg_status draw(const maps *m, vgg_error *error) {
    size_t height = m->info.shape[1], width = m->info.shape[2];
    size_t side = height < width ? height : width, times = (SIDE_LEAST + side - 1) / side;
    vgg_cli_cells cells;
    vgg_status status =
        vgg_cli_cells_create(&cells, m->shown + 1, times * width, times * height, error);
    if (status != VGG_OK)
        return status;
    vgg_cli_colour_scale scale;
    vgg_cli_colour_scale_make(&scale);
    status = draw_seen(m, &cells, error);
    for (size_t i = 0; status == VGG_OK && i < m->shown; i++) {
        draw_map(m, &m->channels[i], &scale, &cells, i + 1);
    }
    if (status == VGG_OK)
        status = vgg_cli_cells_save(&cells, m->options->out, error);
    vgg_cli_cells_free(&cells);
    return status;
}

/* ---- output ---- */

static void print_text(const maps *m) {
    vgg_cli_print_line("%s: %zu of %zu channels of %s, %zu x %zu", m->options->out, m->shown,
                       m->info.shape[0], m->options->layer, m->info.shape[1], m->info.shape[2]);
    for (size_t i = 0; i < m->shown; i++) {
        printf("%6zu  %.4g\n", m->channels[i].number, (double)m->channels[i].most);
    }
}

static bool print_json(const maps *m) {
    json_t *list = json_array();
    for (size_t i = 0; i < m->shown; i++) {
        const channel *own = &m->channels[i];
        list = vgg_cli_json_appended(
            list, json_pack("{s:I, s:o, s:o}", "channel", (json_int_t)own->number, "least",
                            vgg_cli_json_number((double)own->least), "most",
                            vgg_cli_json_number((double)own->most)));
    }
    bool fine = vgg_cli_json_print(
        json_pack("{s:o, s:[I, I, I], s:o}", "layer", vgg_cli_json_text(m->options->layer), "shape",
                  (json_int_t)m->info.shape[0], (json_int_t)m->info.shape[1],
                  (json_int_t)m->info.shape[2], "channels", list),
        true, 0);
    if (fine)
        putchar('\n');
    else
        vgg_cli_complain("show", "out of memory for the JSON of %zu channels", m->shown);
    return fine;
}

static int show(maps *m, const char *path) {
    vgg_error error;
    if (m->info.dimensions != 3) {
        vgg_cli_complain(
            "show",
            "--layer: %s gives one number for each channel, not a map; --channel looks at one",
            m->options->layer);
        return VGG_CLI_USAGE;
    }
    if (compute(m, path, &error) != VGG_OK || draw(m, &error) != VGG_OK) {
        vgg_cli_complain("show", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    if (m->options->format[0] == 'j')
        return print_json(m) ? VGG_CLI_OK : VGG_CLI_FAILURE;
    print_text(m);
    return VGG_CLI_OK;
}

int vgg_cli_show_maps(const vgg_cli_show_options *o, const vgg_model *model, const char *path) {
    maps m = {.options = o, .model = model, .info = {.struct_size = sizeof m.info}};
    int status = vgg_cli_show_extractor(o, model, VGG_FEATURE_POOL_NONE, &m.extractor, &m.info);
    if (status == VGG_CLI_OK)
        status = show(&m, path);
    free(m.channels);
    free(m.values);
    vgg_image_free(&m.image);
    vgg_extractor_free(m.extractor);
    return status;
}
