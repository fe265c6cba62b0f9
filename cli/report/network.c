/* What the network looks like and sees, and how it was made. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"
#include "cli/report/html.h"
#include "cli/report/report.h"

/* ---- filters ---- */

#define FILTERS_MOST 128
#define COLUMNS 16

/* The first convolution; false when there is none. */
static bool first_convolution(const vgg_network *network, vgg_tensor_info *info, size_t *tensor) {
    for (size_t l = 0; l < vgg_network_layer_count(network); l++) {
        vgg_layer_info layer = {.struct_size = sizeof layer};
        if (vgg_network_layer(network, l, &layer, NULL) != VGG_OK ||
            layer.type != VGG_LAYER_CONVOLUTION)
            continue;
        *tensor = layer.first_tensor;
        return vgg_network_tensor(network, *tensor, info, NULL) == VGG_OK && info->dimensions == 4;
    }
    return false;
}

/* A filter has no scale that means something: grey is 0, and its largest weight is white or black.
 */
static void draw_filter(const float *weights, const vgg_tensor_info *info, bool bgr,
                        vgg_image *image, size_t left, size_t top) {
    size_t channels = info->shape[1], side = info->shape[2], pixels = side * info->shape[3];
    float most = 1e-12f;
    for (size_t i = 0; i < channels * pixels; i++) {
        most = fmaxf(most, fabsf(weights[i]));
    }
    for (size_t i = 0; i < channels * pixels; i++) {
        size_t c = i / pixels, y = i % pixels / info->shape[3], x = i % info->shape[3];
        size_t to = bgr ? channels - 1 - c : c;
        image->pixels[((top + y) * image->width + left + x) * channels + to] =
            (uint8_t)lrintf(127.5f + 127.5f * weights[i] / most);
    }
}

void vgg_cli_filters(FILE *out, const vgg_model *model) {
    const vgg_network *network = vgg_model_network(model);
    const vgg_preprocess *preprocess = vgg_model_preprocess(model);
    vgg_tensor_info info = {.struct_size = sizeof info};
    size_t tensor;
    if (!first_convolution(network, &info, &tensor) || info.shape[1] > 3 || info.shape[1] == 2)
        return;
    size_t count = info.shape[0] < FILTERS_MOST ? info.shape[0] : FILTERS_MOST;
    size_t columns = count < COLUMNS ? count : COLUMNS, rows = (count + columns - 1) / columns;
    size_t cell = info.shape[2] + 1, size = info.count / info.shape[0];
    vgg_image image = {
        .width = columns * cell - 1, .height = rows * cell - 1, .channels = info.shape[1]};
    size_t bytes = image.width * image.height * image.channels;
    float *weights = calloc(info.count, sizeof *weights);
    image.pixels = malloc(bytes);
    if (weights != NULL && image.pixels != NULL &&
        vgg_network_copy_values(network, tensor, weights, info.count, NULL) == VGG_OK) {
        memset(image.pixels, 128, bytes); /* in dark and in light */
        for (size_t k = 0; k < count; k++) {
            draw_filter(weights + k * size, &info, preprocess != NULL && preprocess->bgr, &image,
                        k % columns * cell, k / columns * cell);
        }
        char name[128];
        snprintf(name, sizeof name, "%zu filters of %zux%zu", count, info.shape[2], info.shape[3]);
        vgg_cli_section_begin(out, "filters", "First-layer filters");
        fputs("<p class=\"hint\">Grey is 0; each filter has its own scale.</p>\n", out);
        vgg_cli_page_image(out, &image, VGG_IMAGE_PNG, name, "filters");
        vgg_cli_section_end(out);
    }
    free(image.pixels);
    free(weights);
}

/* ---- views ---- */

void vgg_cli_views(FILE *out, const char *folder) {
    char *path = NULL;
    vgg_image image;
    if (asprintf(&path, "%s/views.png", folder) < 0)
        return;
    if (vgg_image_load(path, &image, NULL) == VGG_OK) {
        vgg_cli_section_begin(out, "views", "Views");
        fputs("<p class=\"hint\">Pictures of the first batch as the network saw them.</p>\n", out);
        bool large = image.width * image.height > 200 * 200;
        vgg_cli_page_image(out, &image, large ? VGG_IMAGE_JPEG : VGG_IMAGE_PNG,
                           "Random views of training pictures", "views");
        vgg_cli_section_end(out);
        vgg_image_free(&image);
    }
    free(path);
}

/* ---- configuration ---- */

static const json_t *group_of(const vgg_cli_run_facts *run, const char *group) {
    return json_object_get(run->about, group);
}

/* Whether one of the first `count` runs has it. */
static bool is_in(const vgg_cli_run_facts *const *runs, size_t count, const char *group,
                  const char *key) {
    for (size_t r = 0; r < count; r++) {
        if (json_object_get(group_of(runs[r], group), key) != NULL)
            return true;
    }
    return false;
}

static void write_fact(FILE *out, const vgg_cli_run_facts *const *runs, size_t count,
                       const char *group, const char *key) {
    bool differs = false;
    for (size_t r = 1; r < count; r++) {
        const char *a = vgg_cli_run_fact(runs[0], group, key);
        const char *b = vgg_cli_run_fact(runs[r], group, key);
        differs = differs || strcmp(a != NULL ? a : "", b != NULL ? b : "") != 0;
    }
    fprintf(out, "<tr%s><th scope=\"row\">", differs ? " class=\"differs\"" : "");
    vgg_cli_html_text(out, key);
    fputs("</th>", out);
    for (size_t r = 0; r < count; r++) {
        const char *text = vgg_cli_run_fact(runs[r], group, key);
        fputs("<td>", out);
        vgg_cli_html_text(out, text != NULL ? text : "–");
        fputs("</td>", out);
    }
    fputs("</tr>\n", out);
}

/* The rows of an object of run.json, of all runs that have it, those of the first in front. Takes
 * no memory, without which rows would be missing. */
static void write_group(FILE *out, const vgg_cli_run_facts *const *runs, size_t count,
                        const char *group, const char *heading) {
    const char *key;
    json_t *value;
    bool empty = true;
    for (size_t r = 0; r < count; r++) {
        empty = empty && json_object_size(group_of(runs[r], group)) == 0;
    }
    if (empty)
        return;
    fprintf(out,
            "<h3>%s</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">"
            "<table class=\"facts\">",
            heading, heading);
    if (count > 1) {
        fputs("<thead><tr><td></td>", out);
        for (size_t r = 0; r < count; r++) {
            fputs("<th scope=\"col\">", out);
            vgg_cli_html_text(out, runs[r]->folder);
            fputs("</th>", out);
        }
        fputs("</tr></thead>", out);
    }
    fputs("<tbody>\n", out);
    for (size_t r = 0; r < count; r++) {
        json_object_foreach(json_object_get(runs[r]->about, group), key, value) {
            if (!is_in(runs, r, group, key))
                write_fact(out, runs, count, group, key);
        }
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_command(FILE *out, const vgg_cli_run_facts *run) {
    const char *command = vgg_cli_run_fact(run, NULL, "command");
    if (command == NULL)
        return;
    fputs("<div class=\"command\"><pre tabindex=\"0\"><code>", out);
    vgg_cli_html_text(out, command);
    fputs("</code></pre><button type=\"button\" class=\"copy\">Copy</button></div>\n", out);
}

void vgg_cli_configuration(FILE *out, const vgg_cli_run_facts *const *runs, size_t count) {
    vgg_cli_section_begin(out, "configuration", "Configuration");
    bool noted = false;
    for (size_t r = 0; r < count; r++) {
        noted = noted || vgg_cli_run_fact(runs[r], NULL, "command") != NULL;
    }
    fputs(noted ? "<p class=\"hint\">The command that repeats it:</p>\n"
                : "<p class=\"hint\">Runs of version 0.1 do not note it.</p>\n",
          out);
    for (size_t r = 0; r < count; r++) {
        write_command(out, runs[r]);
    }
    fputs("<div class=\"columns\"><div>", out);
    write_group(out, runs, count, "options", "Options");
    fputs("</div><div>", out);
    write_group(out, runs, count, "data", "Data");
    write_group(out, runs, count, "network", "Network");
    write_group(out, runs, count, "machine", "Machine");
    fputs("</div></div>\n", out);
    vgg_cli_section_end(out);
}
