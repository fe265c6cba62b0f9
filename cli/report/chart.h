/* Charts of curves: what they show, apart from how they are drawn. */
#ifndef VGG_CLI_REPORT_CHART_H
#define VGG_CLI_REPORT_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Points with a line through them; a y that is NaN interrupts it. */
typedef struct vgg_cli_series {
    const char *name;
    size_t colour; /* 0 to VGG_CLI_COLOURS - 1 */
    bool dashed;
    size_t count;
    const double *x, *y;
} vgg_cli_series;

/* A point that is pointed out. */
typedef struct vgg_cli_mark {
    const char *name;
    double x, y;
} vgg_cli_mark;

typedef struct vgg_cli_chart {
    const char *title, *x_name, *y_name;
    bool log_x;    /* a logarithmic axis */
    bool percent;  /* y is a share */
    double y_most; /* the upper end of the axis at most; 0: as the points want it */
    const vgg_cli_series *series;
    size_t series_count;
    const vgg_cli_mark *marks;
    size_t mark_count;
} vgg_cli_chart;

#define VGG_CLI_COLOURS 6
/* The colours on white, which can be told apart and read, as "#rrggbb". */
extern const char *const vgg_cli_colours[VGG_CLI_COLOURS];

/* ---- axes ---- */

#define VGG_CLI_TICKS_MOST 12

typedef struct vgg_cli_axis {
    bool log;
    double low, high; /* the ends */
    size_t count;
    double ticks[VGG_CLI_TICKS_MOST];
} vgg_cli_axis;

/* Fits the axes to the points. */
void vgg_cli_chart_axes(const vgg_cli_chart *chart, vgg_cli_axis *x, vgg_cli_axis *y);
/* Where a value lies on the axis, 0 to 1. */
double vgg_cli_axis_place(const vgg_cli_axis *axis, double value);

#define VGG_CLI_TICK_SIZE 32
const char *vgg_cli_tick_text(char buffer[VGG_CLI_TICK_SIZE], const vgg_cli_axis *axis, double tick,
                              bool percent);

/* Whether a point can be drawn. */
bool vgg_cli_point_shows(const vgg_cli_chart *chart, double x, double y);

/* ---- chart_svg.c ---- */

/* As an svg element that takes its colours from the page's style; `number` tells it from others. */
void vgg_cli_chart_svg(FILE *out, const vgg_cli_chart *chart, size_t number);
/* As a file of its own. */
void vgg_cli_chart_svg_file(FILE *out, const vgg_cli_chart *chart);

#endif
