#include "train/schedule.h"

#include <math.h>

#include "base/error.h"

static double constant_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    (void)moment;
    return scheduler->options->rate;
}

static double step_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    const vgg_train_options *options = scheduler->options;
    size_t every = options->step_epochs > 0 ? options->step_epochs : (options->epochs + 2) / 3;
    return options->rate * pow(options->gamma, (double)(moment.epoch / every));
}

static const vgg_setting step_numbers[] = {
    {"gamma", offsetof(vgg_train_options, gamma), 0.1, VGG_RANGE_POSITIVE},
};

static const vgg_schedule_row rows[] = {
    [VGG_SCHEDULE_CONSTANT] = {.name = "constant", .rate = constant_rate},
    [VGG_SCHEDULE_STEP] = {.name = "step",
                           .numbers = {step_numbers, sizeof step_numbers / sizeof *step_numbers},
                           .rate = step_rate},
};
#define ROWS (sizeof rows / sizeof *rows)

const vgg_schedule_row *vgg_schedule_row_at(vgg_schedule schedule) {
    return (size_t)schedule < ROWS ? &rows[schedule] : NULL;
}

const char *vgg_schedule_name(vgg_schedule schedule) {
    const vgg_schedule_row *row = vgg_schedule_row_at(schedule);
    return row == NULL ? NULL : row->name;
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
