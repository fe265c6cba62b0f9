/* The curves of runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/chart.h"
#include "cli/report/html.h"
#include "cli/report/report.h"

/* Two curves of each run at most, and three of one; an accuracy is one of several figures. */
#define SERIES_MOST (2 * VGG_CLI_RUNS_MOST + 1)
#define CURVES_MOST 5

/* A column that a chart shows. */
typedef struct curve {
    size_t column;
    const char *name;
    bool dashed;
} curve;

typedef struct panel {
    const char *title, *y_name;
    bool percent;
    curve curves[CURVES_MOST];
    size_t count;
} panel;

static const panel panels[] = {
    {"Loss",
     "loss",
     false,
     {{VGG_CLI_LOSS, "validation", false}, {VGG_CLI_TRAIN_LOSS, "training", true}},
     2},
    {"Accuracy",
     "share of pictures",
     true,
     {{VGG_CLI_TOP1, "validation top-1", false},
      {VGG_CLI_PRECISION, "validation mean average precision", false},
      {VGG_CLI_TRAIN_ACCURACY, "training", true},
      {VGG_CLI_TOP5, "validation top-5", false},
      {VGG_CLI_EXACT, "validation, each label right", false}},
     5},
    {"Learning rate", "rate", false, {{VGG_CLI_RATE, "learning rate", false}}, 1},
    {"Speed", "images/s", false, {{VGG_CLI_SPEED, "images/s", false}}, 1},
};

/* Whether anything of a column is known. */
static bool has(const vgg_cli_run_facts *run, size_t column) {
    for (size_t i = 0; i < run->epochs; i++) {
        if (isfinite(run->columns[column][i]))
            return true;
    }
    return false;
}

/* One run has a colour per curve, several have one each, and not their top-5. */
static size_t collect(const panel *p, const vgg_cli_run_facts *const *runs, size_t count,
                      vgg_cli_series series[SERIES_MOST]) {
    size_t found = 0;
    for (size_t r = 0; r < count; r++) {
        size_t own = 0;
        for (size_t c = 0; c < p->count && own < (count > 1 ? 2 : 3); c++) {
            const curve *shown = &p->curves[c];
            if (!has(runs[r], shown->column))
                continue;
            series[found++] = (vgg_cli_series){.name = shown->name,
                                               .colour = count > 1 ? r : own,
                                               .dashed = shown->dashed,
                                               .count = runs[r]->epochs,
                                               .x = runs[r]->columns[VGG_CLI_EPOCH],
                                               .y = runs[r]->columns[shown->column]};
            own++;
        }
    }
    return found;
}

/* Whether a curve of an earlier run has this name. */
static bool is_named(const vgg_cli_series *series, size_t i) {
    for (size_t j = 0; j < i; j++) {
        if (strcmp(series[j].name, series[i].name) == 0)
            return true;
    }
    return false;
}

/* Of several runs only what the lines mean: their colours are said once for all charts. */
static void write_legend(FILE *out, const vgg_cli_series *series, size_t count, bool single) {
    fputs("<ul class=\"legend\">", out);
    for (size_t i = 0; i < count; i++) {
        if (is_named(series, i))
            continue;
        fputs("<li><span class=\"key ", out);
        if (single)
            fprintf(out, "c%zu", series[i].colour);
        fprintf(out, "%s\"></span>", series[i].dashed ? " dashed" : "");
        vgg_cli_html_text(out, series[i].name);
        fputs("</li>", out);
    }
    fputs("</ul>\n", out);
}

void vgg_cli_each_chart(const vgg_cli_run_facts *const *runs, size_t count,
                        vgg_cli_chart_callback *tell, void *user) {
    for (size_t i = 0; i < sizeof panels / sizeof *panels; i++) {
        const panel *p = &panels[i];
        vgg_cli_series series[SERIES_MOST];
        size_t found = collect(p, runs, count, series);
        const vgg_cli_chart chart = {.title = p->title,
                                     .x_name = "epoch",
                                     .y_name = p->y_name,
                                     .percent = p->percent,
                                     .series = series,
                                     .series_count = found};
        if (found > 0)
            tell(user, &chart);
    }
}

/* The page under way. */
typedef struct sheet {
    FILE *out;
    bool single;
    size_t charts;
} sheet;

static void write_chart(void *user, const vgg_cli_chart *chart) {
    sheet *s = user;
    fprintf(s->out, "<figure class=\"panel\"><figcaption>%s</figcaption>\n", chart->title);
    write_legend(s->out, chart->series, chart->series_count, s->single);
    vgg_cli_chart_svg(s->out, chart, s->charts++);
    fputs("</figure>\n", s->out);
}

/* Several runs are told apart by one legend for all charts. */
static void write_run_names(FILE *out, const vgg_cli_run_facts *const *runs, size_t count) {
    fputs("<ul class=\"legend runs\">", out);
    for (size_t r = 0; r < count; r++) {
        fprintf(out, "<li><span class=\"key c%zu\"></span>", r);
        vgg_cli_html_text(out, runs[r]->folder);
        fputs("</li>", out);
    }
    fputs("</ul>\n", out);
}

/* ---- the numbers ---- */

/* Rows of a table: the last and the best are always among them. */
#define ROWS_MOST 200

static void write_table(FILE *out, const vgg_cli_run_facts *run) {
    const size_t shown[] = {VGG_CLI_TRAIN_LOSS,
                            VGG_CLI_TRAIN_ACCURACY,
                            VGG_CLI_LOSS,
                            run->several ? VGG_CLI_PRECISION : VGG_CLI_TOP1,
                            run->several ? VGG_CLI_EXACT : VGG_CLI_TOP5,
                            VGG_CLI_RATE};
    size_t stride = (run->epochs + ROWS_MOST - 1) / ROWS_MOST;
    fputs("<details><summary>Numbers of ", out);
    vgg_cli_html_text(out, run->folder);
    fputs("</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"Numbers after each epoch\"><table><thead><tr>"
          "<th scope=\"col\">epoch</th><th scope=\"col\">training loss</th>"
          "<th scope=\"col\">training accuracy</th><th scope=\"col\">loss</th>",
          out);
    fputs(run->several ? "<th scope=\"col\">mean average precision</th>"
                         "<th scope=\"col\">each label right</th>"
                       : "<th scope=\"col\">top-1</th><th scope=\"col\">top-5</th>",
          out);
    fputs("<th scope=\"col\">learning rate</th></tr></thead><tbody>\n", out);
    for (size_t i = 0; i < run->epochs; i++) {
        if (i % stride != 0 && i != run->best && i + 1 != run->epochs)
            continue;
        fprintf(out, "<tr%s><th scope=\"row\">%.0f%s</th>", i == run->best ? " class=\"best\"" : "",
                run->columns[VGG_CLI_EPOCH][i], i == run->best ? " best" : "");
        for (size_t c = 0; c < sizeof shown / sizeof *shown; c++) {
            double value = run->columns[shown[c]][i];
            bool share = c == 1 || c == 3 || c == 4;
            fputs("<td>", out);
            if (share)
                vgg_cli_html_percent(out, value);
            else
                vgg_cli_html_number(out, value);
            fputs("</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div></details>\n", out);
}

void vgg_cli_curves(FILE *out, const vgg_cli_run_facts *const *runs, size_t count) {
    bool any = false;
    for (size_t r = 0; r < count; r++) {
        any = any || runs[r]->epochs > 0;
    }
    vgg_cli_section_begin(out, "curves", "Curves");
    if (!any)
        fputs("<p>No epoch is complete yet.</p>\n", out);
    if (count > 1)
        write_run_names(out, runs, count);
    fputs("<div class=\"panels\">\n", out);
    sheet s = {.out = out, .single = count == 1};
    vgg_cli_each_chart(runs, count, write_chart, &s);
    fputs("</div>\n", out);
    for (size_t r = 0; any && r < count; r++) {
        write_table(out, runs[r]);
    }
    vgg_cli_section_end(out);
}
