#include "kernels/ref/ref.h"

void vgg_lpips_lengths_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_lpips_compare_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_lpips_slopes_ref(void *argument, size_t begin, size_t end, size_t worker);

static size_t at(const vgg_lpips_task *task, size_t channel, size_t place) {
    return vgg_blocked_at(0, channel, place, task->channels, task->height * task->width);
}

static double length_at(const vgg_lpips_task *task, size_t place) {
    double sum = 0;
    for (size_t c = 0; c < task->channels; c++) {
        sum += (double)task->x[at(task, c, place)] * (double)task->x[at(task, c, place)];
    }
    return sqrt(sum);
}

static float inverse_of(double length) {
    return length <= 0 ? 0 : (float)(1 / (length + VGG_LPIPS_EPSILON));
}

/* The difference of unit vectors. */
static double difference_at(const vgg_lpips_task *task, size_t channel, size_t place) {
    size_t i = at(task, channel, place);
    return (double)task->x[i] * (double)task->inverse[place] -
           (double)task->y[i] * (double)task->y_inverse[place];
}

/* A window of the max-pool, of which the first of equal values counts. */
static void pool_window(const vgg_lpips_task *task, size_t channel, size_t row, size_t column) {
    size_t width = task->width / 2, pixels = (task->height / 2) * width, which = 0;
    size_t to = vgg_blocked_at(0, channel, row * width + column, task->channels, pixels);
    float best = 0;
    for (size_t i = 0; i < 4; i++) {
        size_t place = (2 * row + i / 2) * task->width + 2 * column + i % 2;
        float x = task->x[at(task, channel, place)];
        if (i > 0 && !(x > best) && !isnan(x))
            continue;
        best = x;
        which = i;
    }
    task->pool[to] = best;
    if (task->chosen != NULL)
        vgg_choice_set(task->chosen, to, which);
}

static void pool_rows(const vgg_lpips_task *task, size_t pair) {
    bool windows = task->pool != NULL && pair < task->height / 2;
    for (size_t column = 0; windows && column < task->width / 2; column++) {
        for (size_t c = 0; c < vgg_blocks(task->channels) * VGG_BLOCK; c++) {
            pool_window(task, c, pair, column);
        }
    }
}

static void compare_place(const vgg_lpips_task *task, size_t place) {
    double length = length_at(task, place), distance = 0, along = 0;
    task->inverse[place] = inverse_of(length);
    for (size_t c = 0; c < task->channels; c++) {
        double difference = difference_at(task, c, place);
        distance += (double)task->weights[c] * difference * difference;
        along += (double)task->weights[c] * difference * (double)task->x[at(task, c, place)];
    }
    double inverse = (double)task->inverse[place];
    task->distances[place] = (float)distance;
    task->pull[place] = length <= 0 ? 0 : (float)(2 * along * inverse * inverse / length);
}

/* The places of a pair of rows end here. */
static size_t last_place(const vgg_lpips_task *task, size_t pair) {
    return vgg_size_min(2 * pair + 2, task->height) * task->width;
}

void vgg_lpips_lengths_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_lpips_task *task = argument;
    for (size_t pair = begin; pair < end; pair++) {
        for (size_t place = 2 * pair * task->width; place < last_place(task, pair); place++) {
            task->inverse[place] = inverse_of(length_at(task, place));
        }
        pool_rows(task, pair);
    }
}

void vgg_lpips_compare_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_lpips_task *task = argument;
    for (size_t pair = begin; pair < end; pair++) {
        for (size_t place = 2 * pair * task->width; place < last_place(task, pair); place++) {
            compare_place(task, place);
        }
        pool_rows(task, pair);
    }
}

static double from_above(const vgg_lpips_task *task, size_t channel, size_t place) {
    if (task->pooled != NULL)
        return (double)vgg_spread_value(task->pooled, NULL, task->chose, 0, channel,
                                        place / task->width, place % task->width, task->channels,
                                        task->height, task->width);
    return task->add ? (double)task->slopes[at(task, channel, place)] : 0;
}

static double slope_at(const vgg_lpips_task *task, size_t channel, size_t place) {
    double x = (double)task->x[at(task, channel, place)];
    double slope = 2 * (double)task->weights[channel] * difference_at(task, channel, place) *
                       (double)task->inverse[place] -
                   x * (double)task->pull[place];
    double mean = slope / (double)(task->height * task->width);
    return x > 0 ? from_above(task, channel, place) + mean : 0;
}

void vgg_lpips_slopes_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_lpips_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        size_t row = unit % task->height;
        for (size_t place = row * task->width; place < (row + 1) * task->width; place++) {
            for (size_t lane = 0; lane < VGG_BLOCK; lane++) {
                size_t c = unit / task->height * VGG_BLOCK + lane;
                task->slopes[at(task, c, place)] =
                    c < task->channels ? (float)slope_at(task, c, place) : 0;
            }
        }
    }
}
