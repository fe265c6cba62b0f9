/* Charts as SVG. */
#include "cli/report/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/html.h"

/* The drawing and the place within it for the curves, in pixels of the drawing. */
typedef struct plot {
    double width, height, left, right, top, bottom;
    vgg_cli_axis x, y;
} plot;

/* Small enough that the letters can be read on a phone. */
static const plot in_page = {
    .width = 460, .height = 270, .left = 50, .right = 448, .top = 12, .bottom = 226};
static const plot in_file = {
    .width = 760, .height = 460, .left = 66, .right = 736, .top = 56, .bottom = 400};

static double x_of(const plot *p, double value) {
    return p->left + (p->right - p->left) * vgg_cli_axis_place(&p->x, value);
}

static double y_of(const plot *p, double value) {
    return p->bottom - (p->bottom - p->top) * vgg_cli_axis_place(&p->y, value);
}

static void draw_grid(FILE *out, const vgg_cli_chart *chart, const plot *p) {
    char text[VGG_CLI_TICK_SIZE];
    for (size_t i = 0; i < p->y.count; i++) {
        double y = y_of(p, p->y.ticks[i]);
        fprintf(out,
                "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                p->left, p->right, y, y, p->left - 7, y + 4,
                vgg_cli_tick_text(text, &p->y, p->y.ticks[i], chart->percent));
    }
    for (size_t i = 0; i < p->x.count; i++) {
        double x = x_of(p, p->x.ticks[i]);
        fprintf(out,
                "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                x, x, p->bottom, p->bottom + 4, x, p->bottom + 18,
                vgg_cli_tick_text(text, &p->x, p->x.ticks[i], false));
    }
    fprintf(out,
            "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
            p->left, p->right, p->bottom, p->bottom, p->right, p->bottom + 36);
    vgg_cli_html_text(out, chart->x_name);
    fputs("</text>\n", out);
}

/* Of curves with more points only as many are drawn as can be told apart. */
#define POINTS_MOST 500

static void draw_series(FILE *out, const vgg_cli_chart *chart, const plot *p,
                        const vgg_cli_series *series) {
    size_t stride = (series->count + POINTS_MOST - 1) / POINTS_MOST, drawn = 0;
    bool pen = false;
    double x = 0, y = 0;
    fprintf(out, "<path class=\"curve c%zu%s\" d=\"", series->colour,
            series->dashed ? " dashed" : "");
    for (size_t i = 0; i < series->count; i++) {
        if (i % stride != 0 && i + 1 != series->count)
            continue;
        bool shows = vgg_cli_point_shows(chart, series->x[i], series->y[i]);
        if (shows) {
            x = x_of(p, series->x[i]);
            y = y_of(p, series->y[i]);
            fprintf(out, "%c%.1f %.1f", pen ? 'L' : 'M', x, y);
            drawn++;
        }
        pen = shows;
    }
    fputs("\"/>\n", out);
    if (drawn == 1) /* a line of one point is not seen */
        fprintf(out, "<circle class=\"dot c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n",
                series->colour, x, y);
}

static void draw_marks(FILE *out, const vgg_cli_chart *chart, const plot *p) {
    for (size_t i = 0; i < chart->mark_count; i++) {
        const vgg_cli_mark *mark = &chart->marks[i];
        double x = x_of(p, mark->x), y = y_of(p, mark->y);
        bool left = x > (p->left + p->right) / 2 && chart->mark_count == 1;
        fprintf(out,
                "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<circle class=\"dot c0\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"/>"
                "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
                x, x, p->top, p->bottom, x, y, x + (left ? -6 : 6), p->top + 14 + 18 * (double)i,
                left ? "end" : "start");
        vgg_cli_html_text(out, mark->name);
        fputs("</text>\n", out);
    }
}

static void draw(FILE *out, const vgg_cli_chart *chart, const plot *p) {
    draw_grid(out, chart, p);
    for (size_t i = 0; i < chart->series_count; i++) {
        draw_series(out, chart, p, &chart->series[i]);
    }
    draw_marks(out, chart, p);
}

void vgg_cli_chart_svg(FILE *out, const vgg_cli_chart *chart, size_t number) {
    plot p = in_page;
    vgg_cli_chart_axes(chart, &p.x, &p.y);
    fprintf(out,
            "<svg class=\"chart\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
            "aria-labelledby=\"chart-%zu\" data-box=\"%g %g %g %g\" data-x=\"%g %g\" data-y=\"%g "
            "%g %d\">"
            "<title id=\"chart-%zu\">",
            p.width, p.height, number, p.left, p.right, p.top, p.bottom, p.x.low, p.x.high, p.y.low,
            p.y.high, chart->percent ? 1 : 0, number);
    vgg_cli_html_text(out, chart->title);
    fputs("</title>\n", out);
    draw(out, chart, &p);
    fputs("</svg>\n", out);
}

/* ---- a file of its own ---- */

/* Lighter ones, on a dark ground: those of web/report.css. */
static const char *const dark_colours[VGG_CLI_COLOURS] = {"#7fb0f5", "#f0a860", "#4fc3b5",
                                                          "#c39af0", "#f28ab5", "#a9b2bd"};

static void write_colours(FILE *out, const char *const colours[VGG_CLI_COLOURS]) {
    for (size_t c = 0; c < VGG_CLI_COLOURS; c++) {
        fprintf(out, ".curve.c%zu{stroke:%s}.dot.c%zu{fill:%s}", c, colours[c], c, colours[c]);
    }
}

/* As wide as the window at most, in the theme of whoever looks at it. */
static void write_style(FILE *out) {
    fputs("<style>svg{max-width:100%;height:auto}text{font:13px "
          "system-ui,sans-serif;fill:#4b5563}.title{font-size:17px;"
          "font-weight:600;fill:#111827}.name{fill:#111827}.back{fill:#fff}"
          ".grid{stroke:#e5e7eb}.axis,.tick{stroke:#9ca3af}.mark{stroke:#9ca3af;"
          "stroke-dasharray:3 4}.curve{fill:none;stroke-width:2;stroke-linejoin:round}"
          ".dashed{stroke-dasharray:6 4}.dot{stroke:none}",
          out);
    write_colours(out, vgg_cli_colours);
    fputs("@media (prefers-color-scheme:dark){:root{background:#14181d}text{fill:#a9b2bd}"
          ".title,.name{fill:#e8eaed}.back{fill:#14181d}.grid{stroke:#2a313a}"
          ".axis,.tick,.mark{stroke:#6b7480}",
          out);
    write_colours(out, dark_colours);
    fputs("}</style>\n", out);
}

static void write_legend(FILE *out, const vgg_cli_chart *chart, const plot *p) {
    double x = p->left;
    for (size_t i = 0; i < chart->series_count; i++) {
        const vgg_cli_series *series = &chart->series[i];
        fprintf(out, "<path class=\"curve c%zu%s\" d=\"M%.1f 42h22\"/><text x=\"%.1f\" y=\"46\">",
                series->colour, series->dashed ? " dashed" : "", x, x + 28);
        vgg_cli_html_text(out, series->name);
        fputs("</text>\n", out);
        x += 52 + 7 * (double)strlen(series->name);
    }
}

void vgg_cli_chart_svg_file(FILE *out, const vgg_cli_chart *chart) {
    plot p = in_file;
    vgg_cli_chart_axes(chart, &p.x, &p.y);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"title\">\n",
            p.width, p.height, p.width, p.height);
    write_style(out);
    fputs("<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n"
          "<text id=\"title\" class=\"title\" x=\"20\" y=\"26\">",
          out);
    vgg_cli_html_text(out, chart->title);
    fputs("</text>\n", out);
    write_legend(out, chart, &p);
    draw(out, chart, &p);
    fputs("</svg>\n", out);
}
