/* results.png and confusion.png. */
#include "cli/report/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cairo.h>

#include "cli/scores_shown.h"

#define FONT "sans-serif"
/* Of a drawing. */
#define SIDE_MOST 8192
/* Seconds after which it is given up. */
#define SECONDS_MOST 10

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

/* `place`: the share of the text that lies left of x. */
static void write_text(cairo_t *cairo, const char *text, double x, double y, double place) {
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - place * extents.x_advance, y);
    cairo_show_text(cairo, text);
}

static void set_font(cairo_t *cairo, double size, bool bold) {
    cairo_select_font_face(cairo, FONT, CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, size);
}

/* Upwards, ending at the place. */
static void write_upwards(cairo_t *cairo, const char *text, double x, double y) {
    cairo_save(cairo);
    cairo_translate(cairo, x, y);
    cairo_rotate(cairo, -M_PI / 2);
    write_text(cairo, text, 0, 0, 0);
    cairo_restore(cairo);
}

/* ---- pixels ---- */

/* Writes width, height and pixels of red, green and blue. The surface's pixels are 32 bits each:
 * nothing, red, green, blue. */
static void send(cairo_surface_t *surface, FILE *out) {
    cairo_surface_flush(surface);
    size_t sides[2] = {(size_t)cairo_image_surface_get_width(surface),
                       (size_t)cairo_image_surface_get_height(surface)};
    const unsigned char *rows = cairo_image_surface_get_data(surface);
    size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    if (rows == NULL)
        return;
    fwrite(sides, sizeof sides, 1, out);
    for (size_t i = 0; i < sides[0] * sides[1]; i++) {
        uint32_t pixel;
        memcpy(&pixel, rows + i / sides[0] * stride + 4 * (i % sides[0]), 4);
        const uint8_t colours[3] = {(uint8_t)(pixel >> 16), (uint8_t)(pixel >> 8), (uint8_t)pixel};
        fwrite(colours, sizeof colours, 1, out);
    }
    fflush(out);
}

/* Saves what is sent, if it is whole. */
static void receive(FILE *in, const char *folder, const char *name) {
    vgg_image image = {.channels = 3};
    size_t sides[2];
    char *path = NULL;
    if (fread(sides, sizeof sides, 1, in) != 1 || sides[0] > SIDE_MOST || sides[1] > SIDE_MOST)
        return;
    image.width = sides[0];
    image.height = sides[1];
    image.pixels = malloc(image.width * image.height * 3 + 1);
    if (image.pixels != NULL &&
        fread(image.pixels, 3, image.width * image.height, in) == image.width * image.height &&
        asprintf(&path, "%s/%s", folder, name) >= 0) {
        vgg_image_save_png(&image, path, NULL);
        free(path);
    }
    free(image.pixels);
}

/* A white drawing; *cairo is NULL when there is no memory. */
static cairo_surface_t *begin(double width, double height, cairo_t **cairo) {
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    *cairo = cairo_create(surface);
    cairo_set_source_rgb(*cairo, 1, 1, 1);
    cairo_paint(*cairo);
    return surface;
}

static void end(cairo_surface_t *surface, cairo_t *cairo, FILE *out) {
    bool drawn = cairo_status(cairo) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(cairo);
    if (drawn)
        send(surface, out);
    cairo_surface_destroy(surface);
}

/* ---- a process of its own ---- */

typedef void draw_function(const void *shown, FILE *out);

/* In the child, which has nothing of its parent's open but `to`, so that the run's lock is not held
 * by a drawing, and ends with it. */
static void draw_and_exit(draw_function *draw, const void *shown, int to, pid_t parent) {
    signal(SIGALRM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || dup2(to, STDOUT_FILENO) < 0)
        _exit(1);
    close_range(STDERR_FILENO, ~0U, 0);
    open("/dev/null", O_WRONLY); /* where Fontconfig complains */
    alarm(SECONDS_MOST);
    FILE *out = fdopen(STDOUT_FILENO, "w");
    if (out != NULL)
        draw(shown, out);
    _exit(0);
}

/* Fontconfig, by which Cairo finds letters, crashes or turns in a circle without memory: that must
 * not be the end of a training. */
static void draw_apart(draw_function *draw, const void *shown, const char *folder,
                       const char *name) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        draw_and_exit(draw, shown, ends[1], parent);
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    if (in == NULL)
        close(ends[0]);
    else if (child > 0)
        receive(in, folder, name);
    if (in != NULL)
        fclose(in);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        continue;
    }
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
    set_font(cairo, 13, false);
    cairo_set_line_width(cairo, 1);
    for (size_t i = 0; i < y->count; i++) {
        double at = b->bottom - (b->bottom - b->top) * vgg_cli_axis_place(y, y->ticks[i]);
        set(cairo, line);
        cairo_move_to(cairo, b->left, floor(at) + 0.5);
        cairo_line_to(cairo, b->right, floor(at) + 0.5);
        cairo_stroke(cairo);
        set(cairo, soft);
        write_text(cairo, vgg_cli_tick_text(text, y, y->ticks[i], chart->percent), b->left - 8,
                   at + 4, 1);
    }
    for (size_t i = 0; i < x->count; i++) {
        double at = b->left + (b->right - b->left) * vgg_cli_axis_place(x, x->ticks[i]);
        write_text(cairo, vgg_cli_tick_text(text, x, x->ticks[i], false), at, b->bottom + 20, 0.5);
    }
    write_text(cairo, chart->x_name, b->right, b->bottom + 40, 1);
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
    set_font(cairo, 13, false);
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
        write_text(cairo, series->name, x + 29, y, 0);
        cairo_text_extents(cairo, series->name, &extents);
        x += 29 + extents.x_advance + 20;
    }
}

static void draw_panel(cairo_t *cairo, const vgg_cli_chart *chart, double left, double top) {
    const box b = {left + 66, left + PANEL_WIDTH - 24, top + 74, top + PANEL_HEIGHT - 54};
    vgg_cli_axis x, y;
    vgg_cli_chart_axes(chart, &x, &y);
    set(cairo, ink);
    set_font(cairo, 17, true);
    write_text(cairo, chart->title, left + 20, top + 32, 0);
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
    cairo_surface_t *surface = begin(2 * PANEL_WIDTH, 2 * PANEL_HEIGHT, &s.cairo);
    vgg_cli_each_chart(&run, 1, add_panel, &s);
    end(surface, s.cairo, out);
}

void vgg_cli_results_picture(const vgg_cli_run_facts *run, const char *folder) {
    draw_apart(draw_results, run, folder, "results.png");
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
    write_text(cairo, text, x + t->cell / 2, y + t->cell / 2 + 4.5, 0.5);
}

static void draw_table(cairo_t *cairo, const table *t) {
    double side = t->cell * (double)t->shown, size = fmin(14, t->cell - 1);
    set(cairo, ink);
    set_font(cairo, 18, true);
    write_text(cairo, "Confusion", 24, 36, 0);
    set(cairo, soft);
    set_font(cairo, 13, false);
    write_text(cairo, "rows: what pictures are; columns: what they are taken for", 24, 58, 0);
    set_font(cairo, size, false);
    for (size_t i = 0; i < t->shown; i++) {
        double middle = t->cell * ((double)i + 0.5) + 0.35 * size;
        const char *name = vgg_scores_class_name(t->scores, i);
        set(cairo, ink);
        write_text(cairo, name, t->left - 10, t->top + middle, 1);
        write_upwards(cairo, name, t->left + middle, t->top - 10);
    }
    set_font(cairo, 13, false);
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
    cairo_surface_t *surface = begin(1, 1, &cairo);
    double widest = 40;
    set_font(cairo, fmin(14, t->cell - 1), false);
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
        cairo_surface_t *surface = begin(fmax(t.left + side + 24, 420), t.top + side + 24, &cairo);
        draw_table(cairo, &t);
        end(surface, cairo, out);
    }
    free(t.counts);
}

void vgg_cli_confusion_picture(const vgg_scores *scores, const char *folder) {
    draw_apart(draw_confusion, scores, folder, "confusion.png");
}
