#include "train/schedule.h"

#include <math.h>

#include "base/error.h"

static double constant_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    (void)moment;
    return scheduler->options->rate;
}

static double step_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    const vgg_train_options *options = scheduler->options;
    size_t every = options->step_epochs > 0 ? options->step_epochs : (moment.epochs + 2) / 3;
    return options->rate * pow(options->gamma, (double)(moment.epoch / every));
}

static const vgg_setting step_numbers[] = {
    {"gamma", offsetof(vgg_train_options, gamma), 0.1, VGG_RANGE_POSITIVE},
};

/* ---- plateau ---- */

/* What it remembers: the least loss so far, epochs since then, falls of the rate, and whether there
 * was an epoch at all. */
enum { BEST, BAD, FALLS, SEEN };

/* An epoch is better whose loss is less than so much of the best, and a fall that is smaller than
 * the other number is none: PyTorch's defaults. */
#define PLATEAU_BETTER (1 - 1e-4)
#define PLATEAU_LEAST_FALL 1e-8

static double plateau_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    const vgg_train_options *options = scheduler->options;
    double rate = options->rate;
    (void)moment;
    for (double fall = 0; fall < scheduler->state[FALLS]; fall++) {
        double next = fmax(rate * options->gamma, options->min_rate);
        rate = rate - next > PLATEAU_LEAST_FALL ? next : rate;
    }
    return rate;
}

static void plateau_observe(vgg_scheduler *scheduler, const vgg_train_event *epoch) {
    double *state = scheduler->state;
    double loss = epoch->validated ? epoch->validation_loss : epoch->loss;
    bool better = state[SEEN] == 0 || loss < state[BEST] * PLATEAU_BETTER;
    state[SEEN] = 1;
    state[BEST] = better ? loss : state[BEST];
    state[BAD] = better ? 0 : state[BAD] + 1;
    if (state[BAD] <= (double)scheduler->options->patience)
        return;
    state[FALLS]++;
    state[BAD] = 0;
}

/* ---- step by step over the whole run ---- */

/* Steps before the moment, and of the run; epochs, where their steps are not known. */
typedef struct place {
    double at, whole;
} place;

static place place_of(vgg_moment moment) {
    double steps = moment.steps > 0 ? (double)moment.steps : 1;
    place where = {.at = (double)moment.epoch * steps, .whole = (double)moment.epochs * steps};
    if (moment.steps > 0)
        where.at += (double)moment.step;
    where.at = fmin(where.at, where.whole);
    return where;
}

static const double pi = 3.14159265358979323846;

/* Half a cosine between two values. */
static double anneal(double from, double to, double share) {
    return to + (from - to) / 2 * (cos(pi * share) + 1);
}

static double cosine_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    const vgg_train_options *options = scheduler->options;
    place where = place_of(moment);
    return options->min_rate +
           (options->rate - options->min_rate) * (1 + cos(where.at * pi / where.whole)) / 2;
}

/* PyTorch's defaults of OneCycleLR. */
#define CYCLE_UP 0.3
#define CYCLE_FIRST 25.0
#define CYCLE_LAST 1e4
#define CYCLE_MOMENTUM_MOST 0.95
#define CYCLE_MOMENTUM_LEAST 0.85

/* A value that starts at `first`, is at `peak` after three tenths and ends at `last`. */
static double cycle(vgg_moment moment, double first, double peak, double last) {
    place where = place_of(moment);
    double top = CYCLE_UP * where.whole - 1, end = where.whole - 1;
    if (where.at <= top)
        return anneal(first, peak, top > 0 ? where.at / top : 1);
    double share = end > top ? (fmin(where.at, end) - top) / (end - top) : 1;
    return anneal(peak, last, share);
}

static double cycle_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    double peak = scheduler->options->rate, first = peak / CYCLE_FIRST;
    return cycle(moment, first, peak, first / CYCLE_LAST);
}

static double cycle_momentum(const vgg_scheduler *scheduler, vgg_moment moment) {
    if (!scheduler->options->cycle_momentum)
        return scheduler->options->momentum;
    return cycle(moment, CYCLE_MOMENTUM_MOST, CYCLE_MOMENTUM_LEAST, CYCLE_MOMENTUM_MOST);
}

/* airbench94's schedule. */
#define TRIANGLE_FIRST 0.2
#define TRIANGLE_PEAK 0.23
#define TRIANGLE_LAST 0.07

static double triangle_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    place where = place_of(moment);
    double peak = floor(TRIANGLE_PEAK * where.whole), rate = scheduler->options->rate;
    if (where.at < peak)
        return rate * (TRIANGLE_FIRST + (1 - TRIANGLE_FIRST) * where.at / peak);
    return rate * (1 + (TRIANGLE_LAST - 1) * (where.at - peak) / (where.whole - peak));
}

/* ---- the table ---- */

static const vgg_setting rate_numbers[] = {
    {"least learning rate", offsetof(vgg_train_options, min_rate), 0, VGG_RANGE_NOT_NEGATIVE},
};
#define NUMBERS(list)                                                                              \
    { list, sizeof list / sizeof *list }

static const vgg_schedule_row rows[] = {
    [VGG_SCHEDULE_CONSTANT] = {.name = "constant", .rate = constant_rate},
    [VGG_SCHEDULE_STEP] = {.name = "step", .numbers = NUMBERS(step_numbers), .rate = step_rate},
    [VGG_SCHEDULE_PLATEAU] = {.name = "plateau",
                              .numbers = NUMBERS(rate_numbers),
                              .state = {"best", "bad", "falls", "seen"},
                              .rate = plateau_rate,
                              .observe = plateau_observe},
    [VGG_SCHEDULE_COSINE] = {.name = "cosine",
                             .numbers = NUMBERS(rate_numbers),
                             .rate = cosine_rate},
    [VGG_SCHEDULE_ONE_CYCLE] = {.name = "one-cycle",
                                .rate = cycle_rate,
                                .momentum = cycle_momentum},
    [VGG_SCHEDULE_TRIANGLE] = {.name = "triangle", .rate = triangle_rate},
};
#define ROWS (sizeof rows / sizeof *rows)

const vgg_schedule_row *vgg_schedule_row_at(vgg_schedule schedule) {
    return (size_t)schedule < ROWS ? &rows[schedule] : NULL;
}

const char *vgg_schedule_name(vgg_schedule schedule) {
    const vgg_schedule_row *row = vgg_schedule_row_at(schedule);
    return row == NULL ? NULL : row->name;
}

/* The moment as the schedule sees it, for which the run begins after the warm-up. */
static vgg_moment after_warmup(const vgg_scheduler *scheduler, vgg_moment moment) {
    size_t warmup = scheduler->options->warmup_epochs;
    if (moment.epoch < warmup)
        moment.step = 0;
    moment.epoch -= moment.epoch < warmup ? moment.epoch : warmup;
    moment.epochs = moment.epochs > warmup ? moment.epochs - warmup : 1;
    return moment;
}

double vgg_scheduler_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    size_t warmup = scheduler->options->warmup_epochs;
    double rate = scheduler->row->rate(scheduler, after_warmup(scheduler, moment));
    if (moment.epoch >= warmup)
        return rate;
    double steps = moment.steps > 0 ? (double)moment.steps : 1;
    double step = moment.steps > 0 ? (double)moment.step : 0;
    return rate * ((double)moment.epoch * steps + step + 1) / ((double)warmup * steps);
}

double vgg_scheduler_momentum(const vgg_scheduler *scheduler, vgg_moment moment) {
    if (scheduler->row->momentum == NULL)
        return scheduler->options->momentum;
    return scheduler->row->momentum(scheduler, after_warmup(scheduler, moment));
}

void vgg_schedule_defaults(vgg_train_options *options) {
    for (size_t i = 0; i < ROWS; i++) {
        vgg_settings_init(rows[i].numbers, options);
    }
}

vgg_status vgg_schedule_check(const vgg_train_options *options, vgg_error *error) {
    if (vgg_schedule_row_at(options->schedule) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "schedule %d, expected 0 to %zu",
                        (int)options->schedule, ROWS - 1);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < ROWS; i++) {
        status = vgg_settings_check(rows[i].numbers, options, error);
    }
    return status;
}
