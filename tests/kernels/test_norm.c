/* Batch normalisation.
 *
 * result                sums      bound
 * statistics: mean      pixels    2 vgg_sum_error(pixels) * mean |x|: these have one sign, so that
 *                                 the partial sums are as large as the bound has them
 * statistics: squares   pixels    2 vgg_sum_error(pixels) * squares + pixels * (bound of mean)^2:
 *                                 an error of a distance is twice in its square, and that of the
 *                                 mean counts squared, as the sum of the distances is 0
 * batch_norm            1         vgg_sum_error(0) * (|x scale| + |shift|)
 * sums: dy              pixels    vgg_sum_error(pixels) * sum |dy|
 * sums: dy (x - mean)   pixels    vgg_sum_error(pixels) * sum |dy (x - mean)|
 * batch_norm_backward   3         vgg_sum_error(0) * (|dy from_dy| + |(x - mean) from_x| +
 *                                 |constant|)
 *
 * Inputs are mean +- 1/2..1 with means up to 1000 in size: a sum of squares less the square of the
 * sum would miss the bound of the squares a thousand times. Where ReLU is, x * scale + shift is 0
 * or at least 0.05, which rounding does not reach. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 60 };

typedef struct layer {
    size_t images, channels, pixels;
    float *x, *scale, *shift, *mean, *dy, *from_dy, *from_x, *constant;
} layer;

static size_t image_size(const layer *l) {
    return vgg_blocked_size(1, l->channels, l->pixels);
}

static size_t units(const layer *l) {
    return l->images * vgg_blocks(l->channels);
}

/* x = mean +- 1/2..1, or mean - beta / scale, where scale * (x - mean) + beta is 0. */
static void place_inputs(const layer *l, const float *beta, bool zeros) {
    for (size_t n = 0; n < l->images; n++) {
        for (size_t c = 0; c < l->channels; c++) {
            for (size_t p = 0; p < l->pixels; p++) {
                float *x = &l->x[vgg_blocked_at(l->channels, l->pixels, n, c, p)];
                *x += l->mean[c];
                if (zeros && beta[c] == 0 && vgg_draw_chance(4))
                    *x = l->mean[c];
            }
        }
    }
}

static void draw_layer(layer *l, double size) {
    l->images = vgg_draw(1, 4);
    l->channels = vgg_draw_channels();
    l->pixels = vgg_draw_chance(4) ? 1 : vgg_draw(1, 300);
    vgg_describe("%zu images, %zu channels, %zu pixels, means up to %g", l->images, l->channels,
                 l->pixels, size);
    l->x = vgg_draw_blocked(l->images, l->channels, l->pixels);
    l->dy = vgg_draw_blocked(l->images, l->channels, l->pixels);
    float **vectors[] = {&l->scale, &l->shift, &l->mean, &l->from_dy, &l->from_x, &l->constant};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        *vectors[i] = vgg_draw_blocked(1, l->channels, 1);
    }
    float *beta = vgg_draw_blocked(1, l->channels, 1);
    /* Powers of two for scales and whole numbers for means: a 0 is a 0 however it is rounded. */
    bool zeros = vgg_draw_chance(2);
    for (size_t c = 0; c < l->channels; c++) {
        l->mean[c] = (float)round(size * (double)l->mean[c]);
        beta[c] = zeros && vgg_draw_chance(2) ? 0 : (float)(0.2 * (double)beta[c]);
        if (zeros)
            l->scale[c] = l->scale[c] > 0 ? 0.5f : -0.5f;
        l->shift[c] = beta[c] - l->mean[c] * l->scale[c];
    }
    place_inputs(l, beta, zeros);
    const float *inputs[] = {l->x,    l->dy,      l->scale,  l->shift,
                             l->mean, l->from_dy, l->from_x, l->constant};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        vgg_guarded_lock(inputs[i]);
    }
}

/* Of the random layers every third has means near 0, every third some near 30, or near 1000. */
static void draw_layer_like(layer *l, size_t i) {
    static const double sizes[] = {0, 30, 1000};
    draw_layer(l, sizes[i % 3]);
}

static vgg_batch_norm_task norm_task(const layer *l) {
    return (vgg_batch_norm_task){.images = l->images, .channels = l->channels, .pixels = l->pixels};
}

static size_t one_image(void *task, size_t image) {
    vgg_batch_norm_task *t = task;
    size_t size = vgg_blocked_size(1, t->channels, t->pixels);
    t->images = 1;
    t->x += image * size;
    if (t->dx != NULL)
        t->dx += image * size;
    if (t->dy != NULL)
        t->dy += image * size;
    if (t->y != NULL)
        t->y += image * size;
    if (t->sums != NULL)
        t->sums += image * vgg_blocks(t->channels) * 2 * VGG_BLOCK;
    return vgg_blocks(t->channels);
}

static vgg_kernel_case norm_case(const layer *l, vgg_batch_norm_task *task) {
    return (vgg_kernel_case){.task = task,
                             .task_size = sizeof *task,
                             .units = units(l),
                             .output_count = 1,
                             .images = l->images,
                             .one_image = one_image};
}

static vgg_kernel_output blocked_output(const layer *l, const char *name, float *data) {
    return (vgg_kernel_output){.name = name,
                               .data = data,
                               .size = sizeof(float),
                               .error = vgg_sum_error(0),
                               .channels = l->channels,
                               .pixels = l->pixels};
}

/* [N][C / 16][2][16] is blocked like two pixels. */
static vgg_kernel_output sums_output(const layer *l, float *data) {
    return (vgg_kernel_output){.name = "sums",
                               .data = data,
                               .size = sizeof(float),
                               .error = 1,
                               .channels = l->channels,
                               .pixels = 2};
}

/* ---- statistics ---- */

/* The bounds of mean and squares of a channel of an image, from their definition; fails when ref's
 * are outside. */
static void bound_statistics(const layer *l, size_t n, size_t c, const float *sums, float *bounds) {
    double mean = 0, size = 0, squares = 0, count = (double)l->pixels;
    for (size_t p = 0; p < l->pixels; p++) {
        double x = (double)l->x[vgg_blocked_at(l->channels, l->pixels, n, c, p)];
        mean += x / count;
        size += fabs(x) / count;
    }
    for (size_t p = 0; p < l->pixels; p++) {
        double x = (double)l->x[vgg_blocked_at(l->channels, l->pixels, n, c, p)];
        squares += (x - mean) * (x - mean);
    }
    double error = vgg_sum_error(l->pixels), mean_bound = 2 * error * size;
    double squares_bound = 2 * error * squares + count * mean_bound * mean_bound;
    size_t mean_at = vgg_blocked_at(l->channels, 2, n, c, 0), squares_at = mean_at + VGG_BLOCK;
    bounds[mean_at] = (float)mean_bound;
    bounds[squares_at] = (float)squares_bound;
    if (!(fabs((double)sums[mean_at] - mean) <= mean_bound))
        vgg_kernel_fail("batch_norm_statistics", "ref", "mean %g instead of %g",
                        (double)sums[mean_at], mean);
    if (!(fabs((double)sums[squares_at] - squares) <= squares_bound))
        vgg_kernel_fail("batch_norm_statistics", "ref", "squares %g instead of %g",
                        (double)sums[squares_at], squares);
}

static void test_statistics(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        layer l;
        draw_layer_like(&l, i);
        vgg_batch_norm_task task = norm_task(&l);
        task.x = l.x;
        task.sums = vgg_guarded_floats(units(&l) * 2 * VGG_BLOCK);
        float *bounds = vgg_guarded_copy(task.sums);
        memset(bounds, 0, vgg_guarded_size(bounds));
        vgg_kernel_case item = norm_case(&l, &task);
        item.name = "batch_norm_statistics";
        item.kernel = offsetof(vgg_kernels, batch_norm_statistics);
        item.outputs[0] = sums_output(&l, task.sums);
        vgg_case_run(&item, vgg_reference());
        for (size_t n = 0; n < l.images; n++) {
            for (size_t c = 0; c < l.channels; c++) {
                bound_statistics(&l, n, c, task.sums, bounds);
            }
        }
        item.outputs[0].magnitude = bounds;
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* ---- forward ---- */

static void test_forward(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        layer l;
        draw_layer_like(&l, i);
        vgg_batch_norm_task task = norm_task(&l);
        if (i % 4 == 0) {
            l.x = vgg_guarded_copy(l.x);
            for (size_t spot = 0; spot < 5; spot++) {
                l.x[vgg_blocked_at(l.channels, l.pixels, vgg_draw(0, l.images - 1),
                                   vgg_draw(0, l.channels - 1), vgg_draw(0, l.pixels - 1))] =
                    (float)NAN;
            }
        }
        task.x = l.x;
        task.scale = l.scale;
        task.shift = l.shift;
        task.y = vgg_guarded_floats(l.images * image_size(&l));
        vgg_batch_norm_task absolute = task;
        absolute.x = vgg_guarded_absolute(l.x);
        absolute.scale = vgg_guarded_absolute(l.scale);
        absolute.shift = vgg_guarded_absolute(l.shift);
        absolute.y = vgg_guarded_copy(task.y);
        vgg_reference()->batch_norm(&absolute, 0, units(&l), 0);
        task.relu = vgg_draw_chance(2);
        task.stream = vgg_draw_chance(2);
        vgg_kernel_case item = norm_case(&l, &task);
        item.name = "batch_norm";
        item.kernel = offsetof(vgg_kernels, batch_norm);
        item.outputs[0] = blocked_output(&l, "y", task.y);
        item.outputs[0].magnitude = absolute.y;
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* ---- backward ---- */

static bool counts(const layer *l, bool relu, size_t at, size_t c) {
    return !relu || l->x[at] * l->scale[c] + l->shift[c] > 0;
}

/* The bounds of both sums of a channel of an image, from their definition; fails when ref's are
 * outside. */
static void bound_sums(const layer *l, bool relu, size_t n, size_t c, const float *sums,
                       float *bounds) {
    double sum = 0, size = 0, moment = 0, moment_size = 0, error = vgg_sum_error(l->pixels);
    for (size_t p = 0; p < l->pixels; p++) {
        size_t at = vgg_blocked_at(l->channels, l->pixels, n, c, p);
        double dy = counts(l, relu, at, c) ? (double)l->dy[at] : 0;
        double distance = (double)l->x[at] - (double)l->mean[c];
        sum += dy;
        size += fabs(dy);
        moment += dy * distance;
        moment_size += fabs(dy * distance);
    }
    size_t at = vgg_blocked_at(l->channels, 2, n, c, 0), moment_at = at + VGG_BLOCK;
    bounds[at] = (float)(error * size);
    bounds[moment_at] = (float)(error * moment_size);
    if (!(fabs((double)sums[at] - sum) <= error * size))
        vgg_kernel_fail("batch_norm_sums", "ref", "sum of dy %g instead of %g", (double)sums[at],
                        sum);
    if (!(fabs((double)sums[moment_at] - moment) <= error * moment_size))
        vgg_kernel_fail("batch_norm_sums", "ref", "sum of dy (x - mean) %g instead of %g",
                        (double)sums[moment_at], moment);
}

static void test_sums(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        layer l;
        draw_layer_like(&l, i);
        vgg_batch_norm_task task = norm_task(&l);
        task.x = l.x;
        task.dy = l.dy;
        task.mean = l.mean;
        task.scale = l.scale;
        task.shift = l.shift;
        task.relu = vgg_draw_chance(2);
        task.sums = vgg_guarded_floats(units(&l) * 2 * VGG_BLOCK);
        float *bounds = vgg_guarded_copy(task.sums);
        memset(bounds, 0, vgg_guarded_size(bounds));
        vgg_kernel_case item = norm_case(&l, &task);
        item.name = "batch_norm_sums";
        item.kernel = offsetof(vgg_kernels, batch_norm_sums);
        item.outputs[0] = sums_output(&l, task.sums);
        vgg_case_run(&item, vgg_reference());
        for (size_t n = 0; n < l.images; n++) {
            for (size_t c = 0; c < l.channels; c++) {
                bound_sums(&l, task.relu, n, c, task.sums, bounds);
            }
        }
        item.outputs[0].magnitude = bounds;
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* |dy from_dy| + |(x - mean) from_x| + |constant|; fails when ref's value is off by definition. */
static float *backward_magnitude(const layer *l, bool relu, const float *dx) {
    float *magnitude = vgg_guarded_copy(dx);
    memset(magnitude, 0, vgg_guarded_size(dx));
    for (size_t n = 0; n < l->images; n++) {
        for (size_t c = 0; c < l->channels; c++) {
            for (size_t p = 0; p < l->pixels; p++) {
                size_t at = vgg_blocked_at(l->channels, l->pixels, n, c, p);
                double first = counts(l, relu, at, c) ? (double)l->dy[at] : 0;
                double second = (double)l->x[at] - (double)l->mean[c];
                first *= (double)l->from_dy[c];
                second *= (double)l->from_x[c];
                double sum = first + second + (double)l->constant[c];
                double size = fabs(first) + fabs(second) + fabs((double)l->constant[c]);
                magnitude[at] = (float)size;
                if (!(fabs((double)dx[at] - sum) <= vgg_sum_error(0) * size))
                    vgg_kernel_fail("batch_norm_backward", "ref", "(%zu, %zu, %zu): %g, not %g", n,
                                    c, p, (double)dx[at], sum);
            }
        }
    }
    return magnitude;
}

static vgg_batch_norm_task backward_task(const layer *l) {
    vgg_batch_norm_task task = norm_task(l);
    task.x = l->x;
    task.dy = l->dy;
    task.mean = l->mean;
    task.scale = l->scale;
    task.shift = l->shift;
    task.relu = vgg_draw_chance(2);
    task.from_dy = l->from_dy;
    task.from_x = l->from_x;
    task.constant = l->constant;
    task.dx = vgg_guarded_floats(l->images * image_size(l));
    return task;
}

/* dx in memory of its own and in dy's: the same bits. */
static void test_backward(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        layer l;
        draw_layer_like(&l, i);
        vgg_batch_norm_task apart = backward_task(&l);
        vgg_kernel_case item = norm_case(&l, &apart);
        item.name = "batch_norm_backward";
        item.kernel = offsetof(vgg_kernels, batch_norm_backward);
        item.outputs[0] = blocked_output(&l, "dx", apart.dx);
        vgg_case_run(&item, vgg_reference());
        item.outputs[0].magnitude = backward_magnitude(&l, apart.relu, apart.dx);
        vgg_case_check(&item);

        vgg_batch_norm_task in_place = apart;
        in_place.dx = vgg_guarded_copy(l.dy);
        in_place.dy = in_place.dx;
        vgg_kernel_case again = item;
        again.task = &in_place;
        again.outputs[0].data = in_place.dx;
        again.outputs[0].initial = l.dy;
        vgg_case_check(&again);
        for (size_t t = 0; vgg_kernels_at(t) != NULL; t++) {
            vgg_case_run(&item, vgg_kernels_at(t));
            vgg_case_run(&again, vgg_kernels_at(t));
            vgg_case_same(&again, vgg_kernels_at(t), "in place", in_place.dx, apart.dx,
                          vgg_guarded_size(apart.dx), sizeof(float));
        }
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_statistics, vgg_teardown),
        cmocka_unit_test_teardown(test_forward, vgg_teardown),
        cmocka_unit_test_teardown(test_sums, vgg_teardown),
        cmocka_unit_test_teardown(test_backward, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
