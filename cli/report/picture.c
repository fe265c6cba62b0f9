/* results.png and confusion.png. */
#include "cli/report/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/drawing.h"
#include "cli/scores_shown.h"

typedef struct colour {
    double red, green, blue;
} colour;

static const colour ink = {0.106, 0.122, 0.141}, soft = {0.337, 0.369, 0.408},
                    line = {0.9, 0.91, 0.925};

static void set(cairo_t *cairo, colour c) {
    cairo_set_source_rgb(cairo, c.red, c.green, c.blue);
}

/* "#rrggbb". */
static colour parse(const char *text) {
    unsigned long value = strtoul(text + 1, NULL, 16);
    return (colour){(double)(value >> 16 & 255) / 255, (double)(value >> 8 & 255) / 255,
                    (double)(value & 255) / 255};
}

/* ---- texts ---- */

/* Upwards, ending at the place. */
static void write_upwards(cairo_t *cairo, const char *text, double x, double y) {
    cairo_save(cairo);
    cairo_translate(cairo, x, y);
    cairo_rotate(cairo, -M_PI / 2);
    vgg_cli_write_text(cairo, text, 0, 0, 0);
    cairo_restore(cairo);
}

/* Draws, and saves what is drawn, if it is whole. */
static void draw_file(vgg_cli_draw *draw, const void *shown, const char *folder, const char *name) {
    vgg_image image = {0};
    char *path = NULL;
    if (vgg_cli_draw_apart(draw, shown, &image) && asprintf(&path, "%s/%s", folder, name) >= 0) {
        vgg_image_save_png(&image, path, NULL);
        free(path);
    }
    free(image.pixels);
}

/* ---- curves ---- */

/* Where the curves of a panel lie. */
typedef struct box {
    double left, right, top, bottom;
} box;

enum { PANEL_WIDTH = 560, PANEL_HEIGHT = 400 };

static void draw_axes(cairo_t *cairo, const vgg_cli_chart *chart, const box *b,
                      const vgg_cli_axis *x, const vgg_cli_axis *y) {
    char text[VGG_CLI_TICK_SIZE];
    vgg_cli_set_font(cairo, 13, false);
    cairo_set_line_width(cairo, 1);
    for (size_t i = 0; i < y->count; i++) {
        double at = b->bottom - (b->bottom - b->top) * vgg_cli_axis_place(y, y->ticks[i]);
        set(cairo, line);
        cairo_move_to(cairo, b->left, floor(at) + 0.5);
        cairo_line_to(cairo, b->right, floor(at) + 0.5);
        cairo_stroke(cairo);
        set(cairo, soft);
        vgg_cli_write_text(cairo, vgg_cli_tick_text(text, y, y->ticks[i], chart->percent),
                           b->left - 8, at + 4, 1);
    }
    for (size_t i = 0; i < x->count; i++) {
        double at = b->left + (b->right - b->left) * vgg_cli_axis_place(x, x->ticks[i]);
        vgg_cli_write_text(cairo, vgg_cli_tick_text(text, x, x->ticks[i], false), at,
                           b->bottom + 20, 0.5);
    }
    vgg_cli_write_text(cairo, chart->x_name, b->right, b->bottom + 40, 1);
}

static void draw_series(cairo_t *cairo, const vgg_cli_chart *chart, const vgg_cli_series *series,
                        const box *b, const vgg_cli_axis *x, const vgg_cli_axis *y) {
    static const double dashes[] = {6, 5};
    double px = 0, py = 0;
    size_t drawn = 0;
    bool pen = false;
    set(cairo, parse(vgg_cli_colours[series->colour]));
    cairo_set_line_width(cairo, 2.2);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    cairo_set_dash(cairo, dashes, series->dashed ? 2 : 0, 0);
    for (size_t i = 0; i < series->count; i++) {
        bool shows = vgg_cli_point_shows(chart, series->x[i], series->y[i]);
        if (shows) {
            px = b->left + (b->right - b->left) * vgg_cli_axis_place(x, series->x[i]);
            py = b->bottom - (b->bottom - b->top) * vgg_cli_axis_place(y, series->y[i]);
            if (pen)
                cairo_line_to(cairo, px, py);
            else
                cairo_move_to(cairo, px, py);
            drawn++;
        }
        pen = shows;
    }
    cairo_stroke(cairo);
    cairo_set_dash(cairo, NULL, 0, 0);
    if (drawn == 1) { /* a line of one point is not seen */
        cairo_arc(cairo, px, py, 4, 0, 2 * M_PI);
        cairo_fill(cairo);
    }
}

static void draw_legend(cairo_t *cairo, const vgg_cli_chart *chart, double left, double y) {
    static const double dashes[] = {6, 4};
    double x = left;
    vgg_cli_set_font(cairo, 13, false);
    for (size_t i = 0; i < chart->series_count; i++) {
        const vgg_cli_series *series = &chart->series[i];
        cairo_text_extents_t extents;
        set(cairo, parse(vgg_cli_colours[series->colour]));
        cairo_set_line_width(cairo, 3);
        cairo_set_dash(cairo, dashes, series->dashed ? 2 : 0, 0);
        cairo_move_to(cairo, x, y - 4);
        cairo_line_to(cairo, x + 22, y - 4);
        cairo_stroke(cairo);
        cairo_set_dash(cairo, NULL, 0, 0);
        set(cairo, soft);
        vgg_cli_write_text(cairo, series->name, x + 29, y, 0);
        cairo_text_extents(cairo, series->name, &extents);
        x += 29 + extents.x_advance + 20;
    }
}

static void draw_panel(cairo_t *cairo, const vgg_cli_chart *chart, double left, double top) {
    const box b = {left + 66, left + PANEL_WIDTH - 24, top + 74, top + PANEL_HEIGHT - 54};
    vgg_cli_axis x, y;
    vgg_cli_chart_axes(chart, &x, &y);
    set(cairo, ink);
    vgg_cli_set_font(cairo, 17, true);
    vgg_cli_write_text(cairo, chart->title, left + 20, top + 32, 0);
    draw_legend(cairo, chart, left + 20, top + 56);
    draw_axes(cairo, chart, &b, &x, &y);
    for (size_t i = 0; i < chart->series_count; i++) {
        draw_series(cairo, chart, &chart->series[i], &b, &x, &y);
    }
}

typedef struct sheet {
    cairo_t *cairo;
    size_t panels;
} sheet;

static void add_panel(void *user, const vgg_cli_chart *chart) {
    sheet *s = user;
    double left = PANEL_WIDTH * (double)(s->panels % 2);
    double top = PANEL_HEIGHT * (double)(s->panels / 2);
    draw_panel(s->cairo, chart, left, top);
    s->panels++;
}

static void draw_results(const void *shown, FILE *out) {
    const vgg_cli_run_facts *run = shown;
    sheet s = {0};
    if (run->epochs == 0)
        return;
    cairo_surface_t *surface = vgg_cli_drawing_begin(2 * PANEL_WIDTH, 2 * PANEL_HEIGHT, &s.cairo);
    vgg_cli_each_chart(&run, 1, add_panel, &s);
    vgg_cli_drawing_end(surface, s.cairo, out);
}

void vgg_cli_results_picture(const vgg_cli_run_facts *run, const char *folder) {
    draw_file(draw_results, run, folder, "results.png");
}

/* ---- the matrix ---- */

/* More classes fit on no sheet; those that come later are left out. */
#define CLASSES_MOST 100
/* Counts are written into so many cells. */
#define NUMBERS_MOST 30

typedef struct table {
    const vgg_scores *scores;
    size_t classes, shown;
    size_t *counts;
    double cell, left, top;
} table;

static double row_sum(const table *t, size_t row) {
    double sum = 0;
    for (size_t c = 0; c < t->classes; c++) {
        sum += (double)t->counts[row * t->classes + c];
    }
    return sum;
}

/* From white to a dark blue. */
static void draw_cell(cairo_t *cairo, const table *t, size_t row, size_t column, double sum) {
    size_t count = t->counts[row * t->classes + column];
    double share = sum > 0 ? (double)count / sum : 0, x = t->left + t->cell * (double)column;
    double y = t->top + t->cell * (double)row;
    cairo_set_source_rgb(cairo, 0.97 - 0.85 * share, 0.975 - 0.6 * share, 0.985 - 0.235 * share);
    cairo_rectangle(cairo, x, y, t->cell - 1, t->cell - 1);
    cairo_fill(cairo);
    if (count == 0 || t->shown > NUMBERS_MOST)
        return;
    char text[24];
    snprintf(text, sizeof text, "%zu", count);
    if (share > 0.45)
        cairo_set_source_rgb(cairo, 1, 1, 1);
    else
        set(cairo, ink);
    vgg_cli_write_text(cairo, text, x + t->cell / 2, y + t->cell / 2 + 4.5, 0.5);
}

static void draw_table(cairo_t *cairo, const table *t) {
    double side = t->cell * (double)t->shown, size = fmin(14, t->cell - 1);
    set(cairo, ink);
    vgg_cli_set_font(cairo, 18, true);
    vgg_cli_write_text(cairo, "Confusion", 24, 36, 0);
    set(cairo, soft);
    vgg_cli_set_font(cairo, 13, false);
    vgg_cli_write_text(cairo, "rows: what pictures are; columns: what they are taken for", 24, 58,
                       0);
    vgg_cli_set_font(cairo, size, false);
    for (size_t i = 0; i < t->shown; i++) {
        double middle = t->cell * ((double)i + 0.5) + 0.35 * size;
        const char *name = vgg_scores_class_name(t->scores, i);
        set(cairo, ink);
        vgg_cli_write_text(cairo, name, t->left - 10, t->top + middle, 1);
        write_upwards(cairo, name, t->left + middle, t->top - 10);
    }
    vgg_cli_set_font(cairo, 13, false);
    for (size_t i = 0; i < t->shown; i++) {
        double sum = row_sum(t, i);
        for (size_t j = 0; j < t->shown; j++) {
            draw_cell(cairo, t, i, j, sum);
        }
    }
    set(cairo, line);
    cairo_set_line_width(cairo, 1);
    cairo_rectangle(cairo, t->left - 1.5, t->top - 1.5, side + 2, side + 2);
    cairo_stroke(cairo);
}

/* The widest name of a class, in pixels. */
static double widest_name(const table *t) {
    cairo_t *cairo;
    cairo_surface_t *surface = vgg_cli_drawing_begin(1, 1, &cairo);
    double widest = 40;
    vgg_cli_set_font(cairo, fmin(14, t->cell - 1), false);
    for (size_t i = 0; i < t->shown; i++) {
        cairo_text_extents_t extents;
        cairo_text_extents(cairo, vgg_scores_class_name(t->scores, i), &extents);
        widest = fmax(widest, extents.x_advance);
    }
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return fmin(widest, 260);
}

static void draw_confusion(const void *shown, FILE *out) {
    const vgg_scores *scores = shown;
    size_t classes = vgg_scores_class_count(scores);
    table t = {.scores = scores, .classes = classes};
    if (classes > VGG_CLI_MATRIX_CLASSES)
        return;
    t.shown = classes < CLASSES_MOST ? classes : CLASSES_MOST;
    t.cell = fmax(fmin(44, 1100 / (double)t.shown), 11);
    t.counts = calloc(classes, classes * sizeof *t.counts);
    if (t.counts != NULL && vgg_scores_confusion(scores, t.counts, NULL) == VGG_OK) {
        double widest = widest_name(&t), side = t.cell * (double)t.shown;
        t.left = widest + 34;
        t.top = widest + 90;
        cairo_t *cairo;
        cairo_surface_t *surface =
            vgg_cli_drawing_begin(fmax(t.left + side + 24, 420), t.top + side + 24, &cairo);
        draw_table(cairo, &t);
        vgg_cli_drawing_end(surface, cairo, out);
    }
    free(t.counts);
}

void vgg_cli_confusion_picture(const vgg_scores *scores, const char *folder) {
    draw_file(draw_confusion, scores, folder, "confusion.png");
}
