/* The confusion matrix: a table whose cells open the pictures behind them. */
#include <math.h>
#include <stdlib.h>

#include "cli/report/html.h"
#include "cli/report/report.h"
#include "cli/scores_shown.h"

/* A table of more classes is read by nobody: its pairs are listed, and the classes that are
 * confused most have the table. */
#define CLASSES_MOST 40
#define PAIRS_MOST 12
/* Shades of a cell, by the share of its row. */
#define SHADES 10

typedef struct matrix {
    const vgg_cli_evaluation *evaluation;
    size_t classes;
    size_t *counts; /* (classes, classes): rows are the truth */
    size_t *shown;  /* the classes in the table, in their order */
    size_t shown_count;
} matrix;

static const char *name_of(const matrix *m, size_t class_index) {
    return vgg_scores_class_name(m->evaluation->scores, class_index);
}

static void free_matrix(matrix *m) {
    free(m->counts);
    free(m->shown);
}

/* Pictures of the class that are taken for others, and of others that are taken for it. */
static size_t mistakes_of(const matrix *m, size_t class_index) {
    size_t count = 0;
    for (size_t c = 0; c < m->classes; c++) {
        if (c != class_index)
            count +=
                m->counts[class_index * m->classes + c] + m->counts[c * m->classes + class_index];
    }
    return count;
}

/* All classes, or those with the most mistakes. */
static vgg_status choose(matrix *m) {
    size_t *mistakes = calloc(m->classes, sizeof *mistakes);
    for (size_t c = 0; mistakes != NULL && c < m->classes; c++) {
        mistakes[c] = mistakes_of(m, c);
    }
    for (size_t c = 0; mistakes != NULL && c < m->classes; c++) {
        size_t before = 0;
        for (size_t d = 0; d < m->classes; d++) {
            before += mistakes[d] > mistakes[c] || (mistakes[d] == mistakes[c] && d < c);
        }
        if (m->classes <= CLASSES_MOST || before < CLASSES_MOST / 2)
            m->shown[m->shown_count++] = c;
    }
    free(mistakes);
    return mistakes != NULL ? VGG_OK : VGG_ERROR_MEMORY;
}

static vgg_status fill(matrix *m, const vgg_cli_evaluation *evaluation) {
    size_t classes = vgg_scores_class_count(evaluation->scores);
    *m = (matrix){.evaluation = evaluation, .classes = classes};
    if (classes > VGG_CLI_MATRIX_CLASSES)
        return VGG_ERROR_UNSUPPORTED;
    m->counts = calloc(classes, classes * sizeof *m->counts);
    m->shown = calloc(classes, sizeof *m->shown);
    if (m->counts == NULL || m->shown == NULL)
        return VGG_ERROR_MEMORY;
    vgg_status status = vgg_scores_confusion(evaluation->scores, m->counts, NULL);
    return status == VGG_OK ? choose(m) : status;
}

/* ---- the table ---- */

static void write_cell(FILE *out, const matrix *m, size_t truth, size_t predicted) {
    size_t count = m->counts[truth * m->classes + predicted], row = 0;
    for (size_t c = 0; c < m->classes; c++) {
        row += m->counts[truth * m->classes + c];
    }
    if (count == 0) {
        fputs("<td></td>", out);
        return;
    }
    size_t shade = (size_t)ceil(SHADES * (double)count / (double)row);
    fprintf(out,
            "<td class=\"%s h%zu\"><button type=\"button\" data-cell=\"%zu,%zu\" aria-label=\"%zu ",
            truth == predicted ? "right" : "wrong", shade, truth, predicted, count);
    vgg_cli_html_text(out, name_of(m, truth));
    if (truth == predicted)
        fputs(", recognised", out);
    else {
        fputs(", taken for ", out);
        vgg_cli_html_text(out, name_of(m, predicted));
    }
    fprintf(out, "\">%zu</button></td>", count);
}

static void write_head(FILE *out, const matrix *m) {
    fputs("<thead><tr><th scope=\"col\"><span class=\"corner\">is \\ taken for</span></th>", out);
    for (size_t i = 0; i < m->shown_count; i++) {
        fputs("<th scope=\"col\" class=\"turned\"><span>", out);
        vgg_cli_html_text(out, name_of(m, m->shown[i]));
        fputs("</span></th>", out);
    }
    fputs("</tr></thead>\n", out);
}

static void write_table(FILE *out, const matrix *m) {
    fputs("<p class=\"hint\" id=\"matrix-hint\">Rows are what pictures are, columns what they are "
          "taken for. A cell opens its pictures; the arrow keys move between cells.</p>\n"
          "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Confusion matrix\">"
          "<table class=\"matrix\" aria-describedby=\"matrix-hint\">\n",
          out);
    write_head(out, m);
    fputs("<tbody>\n", out);
    for (size_t i = 0; i < m->shown_count; i++) {
        fputs("<tr><th scope=\"row\">", out);
        vgg_cli_html_text(out, name_of(m, m->shown[i]));
        fputs("</th>", out);
        for (size_t j = 0; j < m->shown_count; j++) {
            write_cell(out, m, m->shown[i], m->shown[j]);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_pairs(FILE *out, const matrix *m) {
    vgg_confused_pair pairs[PAIRS_MOST];
    size_t found = 0;
    vgg_status status = vgg_scores_confused(m->evaluation->scores, PAIRS_MOST, pairs, &found, NULL);
    if (!vgg_cli_page_has(out, status) || found == 0)
        return;
    fputs("<h3>Most often confused</h3>\n<ul class=\"pairs\">\n", out);
    for (size_t i = 0; i < found; i++) {
        fprintf(out, "<li><button type=\"button\" data-cell=\"%zu,%zu\"><strong>%zu</strong> ",
                pairs[i].truth, pairs[i].predicted, pairs[i].pictures);
        vgg_cli_html_text(out, name_of(m, pairs[i].truth));
        fputs(" <span class=\"arrow\">taken for</span> ", out);
        vgg_cli_html_text(out, name_of(m, pairs[i].predicted));
        fputs("</button></li>\n", out);
    }
    fputs("</ul>\n", out);
}

void vgg_cli_confusion(FILE *out, const vgg_cli_evaluation *evaluation) {
    matrix m;
    if (vgg_cli_page_has(out, fill(&m, evaluation))) {
        vgg_cli_section_begin(out, "confusion", "Confusion");
        if (m.shown_count < m.classes)
            fprintf(out, "<p class=\"hint\">The %zu of %zu classes with the most mistakes.</p>\n",
                    m.shown_count, m.classes);
        write_table(out, &m);
        write_pairs(out, &m);
        vgg_cli_section_end(out);
    }
    free_matrix(&m);
}
