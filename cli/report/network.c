/* What the network looks like and sees, and how it was made. */
#include <stdlib.h>
#include <string.h>

#include "cli/filter_picture.h"
#include "cli/message.h"
#include "cli/report/html.h"
#include "cli/report/report.h"

/* ---- filters ---- */

#define FILTERS_MOST 128

void vgg_cli_filters(FILE *out, const vgg_model *model) {
    vgg_cli_filter_picture filters;
    vgg_error error;
    if (!vgg_cli_page_has(out, vgg_cli_filters_draw(model, FILTERS_MOST, 1, 1, &filters, &error)))
        return;
    char name[128];
    snprintf(name, sizeof name, "%zu filters of %zux%zu", filters.count, filters.height,
             filters.width);
    vgg_cli_section_begin(out, "filters", "First-layer filters");
    fputs("<p class=\"hint\">Grey is 0; each filter has its own scale.</p>\n", out);
    vgg_cli_page_image(out, &filters.image, VGG_IMAGE_PNG, name, "filters");
    vgg_cli_section_end(out);
    vgg_image_free(&filters.image);
}

/* ---- views ---- */

bool vgg_cli_views_load(const char *command, const char *folder, vgg_image *views) {
    char *path = NULL;
    vgg_error error;
    *views = (vgg_image){0};
    if (asprintf(&path, "%s/views.png", folder) < 0) {
        vgg_cli_complain(command, "out of memory for %s/views.png", folder);
        return false;
    }
    vgg_status status = vgg_image_load(path, views, &error);
    free(path);
    bool lacking = status == VGG_ERROR_MEMORY || status == VGG_ERROR_IO;
    if (status != VGG_OK && status != VGG_ERROR_NOT_FOUND)
        vgg_cli_complain(command, "%s%s%s", lacking ? "" : "note: ", error.message,
                         lacking ? "" : "; the page is without it");
    return !lacking;
}

void vgg_cli_views(FILE *out, const vgg_image *views) {
    bool large = views->width * views->height > 200 * 200;
    vgg_cli_section_begin(out, "views", "Views");
    fputs("<p class=\"hint\">Pictures of the first batch as the network saw them.</p>\n", out);
    vgg_cli_page_image(out, views, large ? VGG_IMAGE_JPEG : VGG_IMAGE_PNG,
                       "Random views of training pictures", "views");
    vgg_cli_section_end(out);
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
