/* Pictures to look at: mistakes, the hardest ones, and those behind each cell of the matrix. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/html.h"
#include "cli/report/report.h"

/* In each list. */
#define LIST_MOST 18
/* Of each cell: with a thumbnail, and by name. */
#define CELL_THUMBNAILS 12
#define CELL_NAMES 40
/* Names on the page, so that it stays small whatever there is. */
#define NAMES_MOST 6000

static bool look_up(const vgg_cli_evaluation *evaluation, size_t number,
                    vgg_scored_picture *picture) {
    *picture = (vgg_scored_picture){.struct_size = sizeof *picture};
    return vgg_scores_picture(evaluation->scores, number, picture, NULL) == VGG_OK;
}

/* The last two parts of a path tell pictures apart for people. */
static const char *short_name(const char *name) {
    const char *first = NULL, *second = NULL;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '/') {
            first = second;
            second = c;
        }
    }
    return first != NULL ? first + 1 : name;
}

static const char *address_of(const vgg_cli_evaluation *evaluation, size_t number) {
    return evaluation->thumbnails == NULL ? NULL
                                          : vgg_cli_thumbnail(evaluation->thumbnails, number);
}

/* ---- lists ---- */

static void write_picture(FILE *out, const vgg_cli_evaluation *evaluation, size_t number) {
    const vgg_scores *scores = evaluation->scores;
    vgg_scored_picture picture;
    if (!look_up(evaluation, number, &picture))
        return;
    const char *address = address_of(evaluation, number);
    fputs("<li class=\"picture\">", out);
    if (address != NULL)
        fprintf(out, "<img loading=\"lazy\" alt=\"\" src=\"%s\">", address);
    else if (evaluation->thumbnails != NULL)
        fputs("<span class=\"blank\"></span>", out); /* there was no time for it */
    fputs("<span class=\"truth\">", out);
    vgg_cli_html_text(out, vgg_scores_class_name(scores, picture.truth));
    fputs("</span>", out);
    if (picture.predicted != picture.truth) {
        fputs("<span class=\"taken\">taken for ", out);
        vgg_cli_html_text(out, vgg_scores_class_name(scores, picture.predicted));
        fputs("</span>", out);
    }
    if (isfinite(picture.confidence))
        fprintf(out, "<span class=\"sure\">%.0f&nbsp;%% sure, %.1f&nbsp;%% for it</span>",
                100 * picture.confidence, 100 * picture.probability);
    fputs("<span class=\"file\">", out);
    vgg_cli_html_text(out, short_name(picture.name));
    fputs("</span></li>\n", out);
}

static void write_list(FILE *out, const vgg_cli_evaluation *evaluation, vgg_score_order order,
                       const char *heading, const char *hint) {
    size_t pictures[LIST_MOST], found = 0, all = 0;
    vgg_status status =
        vgg_scores_select(evaluation->scores, order, LIST_MOST, pictures, &found, &all, NULL);
    if (!vgg_cli_page_has(out, status) || found == 0)
        return;
    fprintf(out, "<h3>%s</h3>\n<p class=\"hint\">%s", heading, hint);
    if (all > found)
        fprintf(out, " The first %zu of %zu.", found, all);
    fputs("</p>\n<ul class=\"pictures\">\n", out);
    for (size_t i = 0; i < found; i++) {
        write_picture(out, evaluation, pictures[i]);
    }
    fputs("</ul>\n", out);
}

void vgg_cli_gallery(FILE *out, const vgg_cli_evaluation *evaluation) {
    vgg_cli_section_begin(out, "pictures", "Pictures");
    write_list(out, evaluation, VGG_SCORE_MISTAKES, "Most confident mistakes",
               "Wrong, and sure of it.");
    write_list(out, evaluation, VGG_SCORE_LABELS, "Probable label errors",
               "The network disagrees with the label as surely as it agrees elsewhere.");
    write_list(out, evaluation, VGG_SCORE_HARDEST, "Hardest pictures",
               "Those with the highest loss.");
    vgg_cli_section_end(out);
}

/* ---- the pictures behind the cells ---- */

/* Where the pictures of each cell are: numbers sorted by cell, the most confident first. */
typedef struct cell_picture {
    size_t cell, number;
    double order;
} cell_picture;

static int compare(const void *left, const void *right) {
    const cell_picture *a = left, *b = right;
    if (a->cell != b->cell)
        return a->cell < b->cell ? -1 : 1;
    if (a->order != b->order)
        return a->order > b->order ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Mistakes come with the surest first, right ones with the least sure. */
static size_t sort_by_cell(const vgg_cli_evaluation *evaluation, cell_picture *pictures) {
    size_t count = vgg_scores_count(evaluation->scores);
    size_t classes = vgg_scores_class_count(evaluation->scores), found = 0;
    for (size_t i = 0; i < count; i++) {
        vgg_scored_picture picture;
        if (!look_up(evaluation, i, &picture))
            continue;
        bool right = picture.truth == picture.predicted;
        double sure = isfinite(picture.confidence) ? picture.confidence : 0;
        pictures[found++] = (cell_picture){.cell = picture.truth * classes + picture.predicted,
                                           .number = i,
                                           .order = right ? -sure : sure};
    }
    qsort(pictures, found, sizeof *pictures, compare);
    return found;
}

/* Thumbnails are given to the first pictures of every cell before the second ones. */
static void mark_thumbnails(const vgg_cli_evaluation *evaluation, const cell_picture *pictures,
                            size_t count, const char **addresses) {
    size_t classes = vgg_scores_class_count(evaluation->scores);
    for (size_t round = 0; round < CELL_THUMBNAILS; round++) {
        for (size_t i = round; i < count; i++) {
            bool right = pictures[i].cell / classes == pictures[i].cell % classes;
            bool is_round = pictures[i - round].cell == pictures[i].cell &&
                            (i == round || pictures[i - round - 1].cell != pictures[i].cell);
            if (is_round && !(right && round >= CELL_THUMBNAILS / 3))
                addresses[i] = address_of(evaluation, pictures[i].number);
        }
    }
}

static void write_entry(FILE *out, const vgg_cli_evaluation *evaluation, size_t number,
                        const char *address) {
    vgg_scored_picture picture;
    if (!look_up(evaluation, number, &picture))
        return;
    fputs("[", out);
    vgg_cli_html_json(out, short_name(picture.name));
    fprintf(out, ",%.0f", isfinite(picture.confidence) ? 1000 * picture.confidence : -1.0);
    if (address != NULL)
        fprintf(out, ",\"%s\"", address);
    fputs("]", out);
}

static void write_cells(FILE *out, const vgg_cli_evaluation *evaluation,
                        const cell_picture *pictures, size_t count, const char *const *addresses) {
    size_t classes = vgg_scores_class_count(evaluation->scores), names = 0;
    for (size_t i = 0, end; i < count; i = end) {
        size_t written = 0;
        for (end = i; end < count && pictures[end].cell == pictures[i].cell; end++) {
            bool listed = addresses[end] != NULL || (end - i < CELL_NAMES && names < NAMES_MOST);
            if (!listed)
                continue;
            if (written == 0)
                fprintf(out, "%s\"%zu,%zu\":[", i > 0 && names > 0 ? ",\n" : "",
                        pictures[i].cell / classes, pictures[i].cell % classes);
            fputs(written > 0 ? "," : "", out);
            write_entry(out, evaluation, pictures[end].number, addresses[end]);
            written++;
            names++;
        }
        fputs(written > 0 ? "]" : "", out);
    }
}

void vgg_cli_cells(FILE *out, const vgg_cli_evaluation *evaluation) {
    size_t count = vgg_scores_count(evaluation->scores);
    cell_picture *pictures = calloc(count + 1, sizeof *pictures);
    const char **addresses = calloc(count + 1, sizeof *addresses);
    bool room = pictures != NULL && addresses != NULL;
    if (vgg_cli_page_has(out, room ? VGG_OK : VGG_ERROR_MEMORY)) {
        count = sort_by_cell(evaluation, pictures);
        mark_thumbnails(evaluation, pictures, count, addresses);
        fputs("<script type=\"application/json\" id=\"cells\">{", out);
        write_cells(out, evaluation, pictures, count, addresses);
        fputs("}</script>\n", out);
    }
    fputs("<dialog id=\"cell\" aria-labelledby=\"cell-heading\"><div class=\"top\">"
          "<h3 id=\"cell-heading\" tabindex=\"-1\"></h3><button type=\"button\" class=\"close\" "
          "aria-label=\"Close\">×</button></div><p class=\"hint\"></p>"
          "<ul class=\"pictures\"></ul></dialog>\n",
          out);
    free(addresses);
    free(pictures);
}
