/* Pages from their parts. */
#include "cli/report/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory_stream.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/report/html.h"

#define TEXT 128

/* Links to those of the sections that are in the body; texts of others have no quotes there. */
static void write_links(FILE *out, const char *body) {
    static const char *const sections[][2] = {
        {"curves", "Curves"},   {"confusion", "Confusion"}, {"pictures", "Pictures"},
        {"classes", "Classes"}, {"filters", "Filters"},     {"configuration", "Configuration"},
    };
    char mark[64];
    fputs("<nav aria-label=\"Sections\"><ul>", out);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        snprintf(mark, sizeof mark, "<section id=\"%s\"", sections[i][0]);
        if (strstr(body, mark) != NULL)
            fprintf(out, "<li><a href=\"#%s\">%s</a></li>", sections[i][0], sections[i][1]);
    }
    fputs("</ul></nav>\n", out);
}

static void write_header(FILE *out, const char *kind, const char *title, const char *state) {
    fprintf(out, "<header><p class=\"kind\">%s</p><h1>", kind);
    vgg_cli_html_text(out, title);
    fputs("</h1>", out);
    if (state != NULL && state[0] != '\0') {
        fputs("<p class=\"state\">", out);
        vgg_cli_html_text(out, state);
        fputs("</p>", out);
    }
}

/* ---- an evaluation as text ---- */

/* What stands around the parts in a page: no text of others, which is escaped, contains it. */
static const char cards_begin[] = "<!--cards-->\n", cards_end[] = "<!--/cards-->\n";
static const char sections_begin[] = "<!--sections-->\n", sections_end[] = "<!--/sections-->\n";

typedef void part_writer(FILE *out, const void *subject);

static void write_cards(FILE *out, const void *evaluation) {
    vgg_cli_evaluation_cards(out, evaluation);
}

static void write_sections(FILE *out, const void *evaluation) {
    vgg_cli_evaluation_sections(out, evaluation);
}

/* What `write` writes, which the caller frees; NULL when memory ran out. */
static char *text_of(part_writer *write, const void *subject) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = vgg_cli_memory_stream(&text, &size);
    if (out == NULL)
        return NULL;
    write(out, subject);
    bool whole = !ferror(out);
    if (fclose(out) == 0 && whole)
        return text;
    free(text);
    return NULL;
}

bool vgg_cli_render(vgg_cli_rendered *rendered, const vgg_cli_evaluation *evaluation) {
    vgg_cli_rendered fresh = {.cards = text_of(write_cards, evaluation),
                              .sections = text_of(write_sections, evaluation)};
    if (fresh.cards == NULL || fresh.sections == NULL) {
        vgg_cli_rendered_free(&fresh);
        return false;
    }
    vgg_cli_rendered_free(rendered);
    *rendered = fresh;
    return true;
}

/* A copy of what stands between the two; NULL when they are not there. */
static char *between(const char *page, const char *begin, const char *end) {
    const char *from = strstr(page, begin);
    const char *to = from == NULL ? NULL : strstr(from, end);
    if (to == NULL)
        return NULL;
    from += strlen(begin);
    return strndup(from, (size_t)(to - from));
}

/* False, with the reason in errno, when the page cannot be read. */
static bool read_parts(vgg_cli_rendered *rendered, FILE *file) {
    char *page = NULL;
    size_t room = 0;
    errno = 0;
    if (getdelim(&page, &room, '\0', file) > 0) {
        rendered->cards = between(page, cards_begin, cards_end);
        rendered->sections = between(page, sections_begin, sections_end);
    }
    int reason = errno;
    free(page);
    errno = reason;
    return !ferror(file) && reason != ENOMEM;
}

bool vgg_cli_rendered_read(vgg_cli_rendered *rendered, const char *command, const char *folder) {
    *rendered = (vgg_cli_rendered){0};
    FILE *file = vgg_cli_run_open(folder, "report.html");
    bool done = file != NULL ? read_parts(rendered, file) : vgg_cli_run_lacks(errno);
    if (!done)
        vgg_cli_complain(command, "%s/report.html: cannot read: %s", folder, strerror(errno));
    if (rendered->cards == NULL || rendered->sections == NULL || !done)
        vgg_cli_rendered_free(rendered);
    if (file != NULL)
        fclose(file);
    return done;
}

void vgg_cli_rendered_free(vgg_cli_rendered *rendered) {
    free(rendered->cards);
    free(rendered->sections);
    *rendered = (vgg_cli_rendered){0};
}

/* The links and the body, behind the head. */
static void end_page(FILE *out, const char *body) {
    write_links(out, body);
    fprintf(out, "</header>\n<main id=\"main\">\n%s", body);
    vgg_cli_page_end(out);
}

/* ---- runs ---- */

static void describe_state(const vgg_cli_run_facts *run, char text[2 * TEXT]) {
    const char *wanted = vgg_cli_run_fact(run, "options", "epochs");
    char time[VGG_CLI_TEXT_SIZE];
    /* What run.json says may be anything. */
    size_t length = (size_t)snprintf(text, 2 * TEXT, "%zu%s%.40s epoch%s", run->epochs,
                                     wanted != NULL ? " of " : "", wanted != NULL ? wanted : "",
                                     run->epochs == 1 && wanted == NULL ? "" : "s");
    if (isfinite(run->seconds))
        snprintf(text + length, 2 * TEXT - length, " in %s",
                 vgg_cli_duration_text(time, run->seconds));
}

/* What the best epoch is chosen by. */
static size_t figure_column(const vgg_cli_run_facts *run) {
    return run->several ? VGG_CLI_PRECISION : VGG_CLI_TOP1;
}

/* Figures of the best epoch, where nothing else says more of it. */
static void write_run_cards(FILE *out, const vgg_cli_run_facts *run, bool evaluated) {
    char value[TEXT], note[TEXT];
    if (run->best >= run->epochs)
        return;
    const char *figure = run->several ? "mean average precision" : "top-1";
    double top1 = run->columns[figure_column(run)][run->best];
    double accuracy = run->columns[VGG_CLI_TRAIN_ACCURACY][run->best];
    snprintf(value, sizeof value, "%.0f", run->columns[VGG_CLI_EPOCH][run->best]);
    snprintf(note, sizeof note, isfinite(top1) ? "%s %.1f %%" : "the last one", figure, 100 * top1);
    vgg_cli_card(out, "Best epoch", value, note);
    if (evaluated)
        return;
    snprintf(value, sizeof value, "%.1f %%", 100 * (isfinite(top1) ? top1 : accuracy));
    vgg_cli_card(out,
                 !isfinite(top1) ? "Training accuracy"
                 : run->several  ? "Mean average precision"
                                 : "Validation top-1",
                 value, NULL);
    if (isfinite(run->columns[VGG_CLI_LOSS][run->best])) {
        snprintf(value, sizeof value, "%.4g", run->columns[VGG_CLI_LOSS][run->best]);
        vgg_cli_card(out, "Validation loss", value, NULL);
    }
}

static void write_comparison(FILE *out, const vgg_cli_run_facts *const *runs, size_t count) {
    vgg_cli_section_begin(out, "runs", "Runs");
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Runs\"><table "
          "class=\"sortable\"><thead><tr>",
          out);
    bool one = false, several = false; /* labels of a picture, in some run */
    for (size_t r = 0; r < count; r++) {
        one = one || !runs[r]->several;
        several = several || runs[r]->several;
    }
    const char *figure = !several ? "top-1"
                         : one    ? "top-1 or mean average precision"
                                  : "mean average precision";
    const char *const heads[] = {"run", "epochs", "best epoch", figure, "loss", "time"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        fprintf(out, "<th scope=\"col\"><button type=\"button\">%s</button></th>", heads[i]);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (size_t r = 0; r < count; r++) {
        const vgg_cli_run_facts *run = runs[r];
        bool best = run->best < run->epochs;
        double top1 = best ? run->columns[figure_column(run)][run->best] : NAN;
        double loss = best ? run->columns[VGG_CLI_LOSS][run->best] : NAN;
        char time[VGG_CLI_TEXT_SIZE];
        fprintf(out, "<tr><th scope=\"row\"><span class=\"key c%zu\"></span>", r);
        vgg_cli_html_text(out, run->folder);
        fprintf(out, "</th><td data-value=\"%zu\">%zu</td><td data-value=\"%zu\">", run->epochs,
                run->epochs, run->best);
        vgg_cli_html_number(out, best ? run->columns[VGG_CLI_EPOCH][run->best] : NAN);
        fprintf(out, "</td><td data-value=\"%.6f\">", isfinite(top1) ? top1 : -1);
        vgg_cli_html_percent(out, top1);
        fprintf(out, "</td><td data-value=\"%.6f\">", isfinite(loss) ? loss : 1e9);
        vgg_cli_html_number(out, loss);
        fprintf(out, "</td><td data-value=\"%.3f\">%s</td></tr>\n",
                isfinite(run->seconds) ? run->seconds : -1,
                isfinite(run->seconds) ? vgg_cli_duration_text(time, run->seconds) : "–");
    }
    fputs("</tbody></table></div>\n", out);
    vgg_cli_section_end(out);
}

/* All that a page of runs shows. */
typedef struct runs_page {
    const vgg_cli_run_facts *const *runs;
    size_t count;
    const vgg_model *model;
    const vgg_cli_rendered *rendered; /* NULL: of no evaluation */
    const vgg_image *views;           /* without pixels: none */
} runs_page;

static void write_runs_body(FILE *out, const void *page) {
    const runs_page *p = page;
    if (p->count > 1)
        write_comparison(out, p->runs, p->count);
    vgg_cli_curves(out, p->runs, p->count);
    if (p->rendered != NULL)
        fprintf(out, "%s%s%s", sections_begin, p->rendered->sections, sections_end);
    else if (p->count == 1 && p->runs[0]->several)
        fputs(
            "<p class=\"hint\">Pictures have several labels: there is no matrix of which class is "
            "taken for which, and no calibration. <code>vgg eval</code> has the figures of each "
            "class.</p>\n",
            out);
    if (p->views->pixels != NULL)
        vgg_cli_views(out, p->views);
    if (p->model != NULL)
        vgg_cli_filters(out, p->model);
    vgg_cli_configuration(out, p->runs, p->count);
}

static void write_runs(FILE *out, const runs_page *p, const char *body) {
    char state[2 * TEXT] = "", title[TEXT];
    snprintf(title, sizeof title, "%zu runs", p->count);
    bool single = p->count == 1;
    if (single)
        describe_state(p->runs[0], state);
    vgg_cli_page_begin(out, single ? p->runs[0]->folder : title);
    write_header(out, single ? "Training" : "Trainings", single ? p->runs[0]->folder : title,
                 state);
    if (single) {
        fputs("<dl class=\"cards\">\n", out);
        if (p->rendered != NULL)
            fprintf(out, "%s%s%s", cards_begin, p->rendered->cards, cards_end);
        write_run_cards(out, p->runs[0], p->rendered != NULL);
        fputs("</dl>\n", out);
    }
    end_page(out, body);
}

bool vgg_cli_report_runs(const char *command, const char *path,
                         const vgg_cli_run_facts *const *runs, size_t count, const vgg_model *model,
                         const vgg_cli_rendered *rendered) {
    vgg_cli_output output;
    vgg_image views = {0};
    if ((count == 1 && !vgg_cli_views_load(command, runs[0]->folder, &views)) ||
        !vgg_cli_output_open(&output, command, NULL, path)) {
        vgg_image_free(&views);
        return false;
    }
    bool evaluated = rendered != NULL && rendered->sections != NULL;
    const runs_page page = {.runs = runs,
                            .count = count,
                            .model = model,
                            .rendered = evaluated ? rendered : NULL,
                            .views = &views};
    char *body = text_of(write_runs_body, &page);
    if (body != NULL)
        write_runs(output.stream, &page, body);
    free(body);
    vgg_image_free(&views);
    return body != NULL ? vgg_cli_output_close(&output) : vgg_cli_output_fail(&output);
}

/* ---- an evaluation ---- */

typedef struct evaluation_page {
    const char *title;
    const char *const (*about)[2];
    const vgg_model *model;
    const vgg_cli_evaluation *evaluation;
} evaluation_page;

static void write_evaluation_body(FILE *out, const void *page) {
    const evaluation_page *p = page;
    vgg_cli_evaluation_sections(out, p->evaluation);
    if (p->model != NULL)
        vgg_cli_filters(out, p->model);
    vgg_cli_section_begin(out, "configuration", "How it was measured");
    fputs("<table class=\"facts\"><tbody>\n", out);
    for (const char *const(*about)[2] = p->about; (*about)[0] != NULL; about++) {
        vgg_cli_html_row(out, (*about)[0], (*about)[1]);
    }
    fputs("</tbody></table>\n", out);
    vgg_cli_section_end(out);
}

static void write_evaluation(FILE *out, const evaluation_page *p, const char *body) {
    vgg_cli_page_begin(out, p->title);
    write_header(out, "Evaluation", p->title, NULL);
    fputs("<dl class=\"cards\">\n", out);
    vgg_cli_evaluation_cards(out, p->evaluation);
    fputs("</dl>\n", out);
    end_page(out, body);
}

bool vgg_cli_report_evaluation(const char *command, const char *path, const char *title,
                               const char *const (*about)[2], const vgg_model *model,
                               const vgg_cli_evaluation *evaluation) {
    const evaluation_page page = {
        .title = title, .about = about, .model = model, .evaluation = evaluation};
    vgg_cli_output output;
    if (!vgg_cli_output_open(&output, command, NULL, path))
        return false;
    char *body = text_of(write_evaluation_body, &page);
    if (body != NULL)
        write_evaluation(output.stream, &page, body);
    free(body);
    return body != NULL ? vgg_cli_output_close(&output) : vgg_cli_output_fail(&output);
}
