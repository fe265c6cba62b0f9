/* Axes that fit the points of a chart, and where their ticks are. */
#include "cli/report/chart.h"

#include <math.h>

/* Ticks that an axis has at about. */
#define TICKS 5

const char *const vgg_cli_colours[VGG_CLI_COLOURS] = {"#1f5fbf", "#b45309", "#0f766e",
                                                      "#7e3bb8", "#be185d", "#4b5563"};

bool vgg_cli_point_shows(const vgg_cli_chart *chart, double x, double y) {
    return isfinite(x) && isfinite(y) && (!chart->log_x || x > 0);
}

/* The ends of what the points have; false without points. */
static bool find_ends(const vgg_cli_chart *chart, vgg_cli_axis *x, vgg_cli_axis *y) {
    bool any = false;
    for (size_t s = 0; s < chart->series_count; s++) {
        const vgg_cli_series *series = &chart->series[s];
        for (size_t i = 0; i < series->count; i++) {
            double px = series->x[i], py = series->y[i];
            if (!vgg_cli_point_shows(chart, px, py))
                continue;
            x->low = any ? fmin(x->low, px) : px;
            x->high = any ? fmax(x->high, px) : px;
            y->low = any ? fmin(y->low, py) : py;
            y->high = any ? fmax(y->high, py) : py;
            any = true;
        }
    }
    return any;
}

/* 1, 2 or 5 times a power of ten, of which about TICKS fit. */
static double step_for(double span) {
    double rough = span / TICKS, power = pow(10, floor(log10(rough))), times = rough / power;
    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

static void tick_linear(vgg_cli_axis *axis, double step) {
    double first = ceil(axis->low / step - 1e-9);
    axis->count = 0;
    for (double i = first; i * step <= axis->high + 1e-9 * step; i++) {
        if (axis->count < VGG_CLI_TICKS_MOST)
            axis->ticks[axis->count++] = i * step;
    }
}

static void tick_log(vgg_cli_axis *axis) {
    double first = ceil(log10(axis->low) - 1e-9), last = floor(log10(axis->high) + 1e-9);
    double step = fmax(ceil((last - first + 1) / VGG_CLI_TICKS_MOST), 1);
    axis->count = 0;
    for (double power = first; power <= last; power += step) {
        axis->ticks[axis->count++] = pow(10, power);
    }
}

/* Ticks are whole where the values are, as epochs. */
static void fit_x(vgg_cli_axis *x) {
    if (x->log) {
        x->high = fmax(x->high, 10 * x->low);
        tick_log(x);
        return;
    }
    if (x->high <= x->low) {
        x->low -= 1;
        x->high += 1;
    }
    double step = step_for(x->high - x->low);
    tick_linear(x, x->low == rint(x->low) && x->high == rint(x->high) ? fmax(step, 1) : step);
}

static void fit_y(const vgg_cli_chart *chart, vgg_cli_axis *y) {
    if (chart->y_most > 0 && y->high > chart->y_most)
        y->high = chart->y_most;
    double span = y->high - y->low;
    if (!(span > 1e-12 * fabs(y->high)))
        span = fabs(y->high) > 0 ? fabs(y->high) : 1;
    double step = step_for(span);
    /* From nothing, where that is not far. */
    y->low = y->low >= 0 && y->low < span ? 0 : floor((y->low - 0.02 * span) / step) * step;
    y->high = ceil((y->high + 0.02 * span) / step) * step;
    if (chart->percent && y->high > 1)
        y->high = 1;
    tick_linear(y, step_for(y->high - y->low));
}

void vgg_cli_chart_axes(const vgg_cli_chart *chart, vgg_cli_axis *x, vgg_cli_axis *y) {
    *x = (vgg_cli_axis){.log = chart->log_x, .low = chart->log_x ? 1 : 0, .high = 1};
    *y = (vgg_cli_axis){.low = 0, .high = 1};
    find_ends(chart, x, y);
    fit_x(x);
    fit_y(chart, y);
}

double vgg_cli_axis_place(const vgg_cli_axis *axis, double value) {
    double place = axis->log ? log(value / axis->low) / log(axis->high / axis->low)
                             : (value - axis->low) / (axis->high - axis->low);
    return fmin(fmax(place, 0), 1);
}

const char *vgg_cli_tick_text(char buffer[VGG_CLI_TICK_SIZE], const vgg_cli_axis *axis, double tick,
                              bool percent) {
    double shown = percent ? 100 * tick : tick;
    if (fabs(shown) < 1e-9 * (axis->high - axis->low))
        shown = 0;
    if (axis->log)
        snprintf(buffer, VGG_CLI_TICK_SIZE, "%.0e", shown);
    else
        snprintf(buffer, VGG_CLI_TICK_SIZE, "%.6g%s", shown, percent ? " %" : "");
    return buffer;
}
