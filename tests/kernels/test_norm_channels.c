/* Batch normalisation per channel: each figure from its definition, in double, within two roundings
 * of a float (the figures that are stored are read again by the next formula), and the same bits
 * block by block. Statistics are those of values that are drawn, so that the sums fit together. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 60 };

/* As a network has them, and others. */
static const double epsilons[] = {1e-5, 0.25}, momenta[] = {0.1, 0.5};

static double *values; /* (images, channels, pixels) */

static double value_at(const vgg_norm_channels_task *t, size_t n, size_t c, size_t p) {
    return values[(n * t->channels + c) * t->pixels + p];
}

/* Mean and sum of squared distances from it over one image, or all. */
static void statistics(const vgg_norm_channels_task *t, size_t first, size_t images, size_t c,
                       double *mean, double *square) {
    *mean = *square = 0;
    for (size_t n = first; n < first + images; n++) {
        for (size_t p = 0; p < t->pixels; p++) {
            *mean += value_at(t, n, c, p) / (double)(images * t->pixels);
        }
    }
    for (size_t n = first; n < first + images; n++) {
        for (size_t p = 0; p < t->pixels; p++) {
            *square += pow(value_at(t, n, c, p) - *mean, 2);
        }
    }
}

static float *draw_positive(size_t count) {
    float *drawn = vgg_guarded_floats(count);
    for (size_t i = 0; i < count; i++) {
        drawn[i] = (float)vgg_draw_real(0.5, 4);
    }
    return drawn;
}

static vgg_norm_channels_task draw_task(void) {
    vgg_norm_channels_task t = {.images = vgg_draw(1, 4),
                                .channels = vgg_draw_channels(),
                                .pixels = vgg_draw(2, 30),
                                .epsilon = epsilons[vgg_draw(0, 1)],
                                .momentum = momenta[vgg_draw(0, 1)]};
    size_t lanes = vgg_blocks(t.channels) * VGG_BLOCK;
    vgg_describe("%zu images, %zu channels, %zu pixels", t.images, t.channels, t.pixels);
    t.gamma = vgg_draw_floats(t.channels);
    t.beta = vgg_draw_floats(t.channels);
    t.running_mean = vgg_draw_floats(t.channels);
    t.running_variance = draw_positive(t.channels);
    t.sums = vgg_draw_floats(t.images * lanes * 2);
    vgg_guarded_lock(t.gamma);
    vgg_guarded_lock(t.beta);
    vgg_guarded_lock(t.running_mean);
    vgg_guarded_lock(t.running_variance);
    float **figures[] = {&t.mean,    &t.inverse, &t.scale,   &t.shift,
                         &t.from_dy, &t.from_x,  &t.constant};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        *figures[i] = vgg_guarded_floats(lanes);
    }
    return t;
}

static void run(const char *name, vgg_work *kernel, vgg_norm_channels_task *t, bool at_once) {
    size_t blocks = vgg_blocks(t->channels);
    vgg_running(name, "all");
    if (at_once)
        kernel(t, 0, blocks, 0);
    for (size_t block = at_once ? 0 : blocks; block-- > 0;) {
        kernel(t, block, block + 1, block % 3);
    }
    vgg_guarded_check();
    vgg_running(NULL, NULL);
}

/* `size`: of what was added up. */
static void check(const char *figure, size_t c, float found, double expected, double size) {
    if (!(fabs((double)found - expected) <= 2 * VGG_ROUNDING * (fabs(expected) + size)))
        vgg_kernel_fail(figure, "all", "channel %zu is %.9g instead of %.9g", c, (double)found,
                        expected);
}

static void check_rest(const vgg_norm_channels_task *t, const char *figure, const float *array) {
    for (size_t c = t->channels; c < vgg_blocks(t->channels) * VGG_BLOCK; c++) {
        if (!vgg_poisoned(&array[c], sizeof array[c]))
            vgg_kernel_fail(figure, "all", "wrote channel %zu of %zu", c, t->channels);
    }
}

static void check_scale_and_shift(const vgg_norm_channels_task *t, size_t c, double mean,
                                  double variance) {
    double factor = (double)t->gamma[c] / sqrt(variance + t->epsilon);
    check("scale", c, t->scale[c], factor, 0);
    check("shift", c, t->shift[c], (double)t->beta[c] - mean * factor, fabs(mean * factor));
    check_rest(t, "scale", t->scale);
    check_rest(t, "shift", t->shift);
}

static void test_running(void **state) {
    (void)state;
    for (int i = 0; i < RANDOM_SHAPES; i++) {
        vgg_norm_channels_task t = draw_task();
        bool folded = vgg_draw_chance(2);
        if (folded)
            t.mean = t.inverse = NULL;
        run("batch_norm_running", vgg_batch_norm_running, &t, vgg_draw_chance(2));
        for (size_t c = 0; c < t.channels; c++) {
            double mean = (double)t.running_mean[c], variance = (double)t.running_variance[c];
            check_scale_and_shift(&t, c, mean, variance);
            if (folded)
                continue;
            check("mean", c, t.mean[c], mean, 0);
            check("inverse", c, t.inverse[c], 1 / sqrt(variance + t.epsilon), 0);
        }
        vgg_guarded_free();
    }
}

static void draw_statistics(const vgg_norm_channels_task *t) {
    size_t count = t->images * t->channels * t->pixels;
    values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        values[i] = vgg_draw_real(-1, 3);
    }
    for (size_t n = 0; n < t->images; n++) {
        for (size_t c = 0; c < t->channels; c++) {
            double mean, square;
            statistics(t, n, 1, c, &mean, &square);
            size_t block = n * vgg_blocks(t->channels) + c / VGG_BLOCK;
            float *sums = (float *)(uintptr_t)t->sums + block * 2 * VGG_BLOCK + c % VGG_BLOCK;
            sums[0] = (float)mean;
            sums[VGG_BLOCK] = (float)square;
        }
    }
    vgg_guarded_lock(t->sums);
}

static void test_batch(void **state) {
    (void)state;
    for (int i = 0; i < RANDOM_SHAPES; i++) {
        vgg_norm_channels_task t = draw_task();
        draw_statistics(&t);
        t.moved_mean = vgg_guarded_copy(t.running_mean);
        t.moved_variance = vgg_guarded_copy(t.running_variance);
        run("batch_norm_batch", vgg_batch_norm_batch, &t, vgg_draw_chance(2));
        double count = (double)(t.images * t.pixels);
        for (size_t c = 0; c < t.channels; c++) {
            double mean, square, keep = 1 - t.momentum;
            statistics(&t, 0, t.images, c, &mean, &square);
            /* Values are up to 3 in size, and so are the means that were rounded. */
            check("mean", c, t.mean[c], mean, 3);
            double deviation = sqrt(square / count + t.epsilon);
            check("inverse", c, t.inverse[c], 1 / deviation, 3 / pow(deviation, 3));
            double factor = (double)t.gamma[c] / deviation;
            check("scale", c, t.scale[c], factor, 3 / pow(deviation, 3));
            check("shift", c, t.shift[c], (double)t.beta[c] - mean * factor,
                  9 / pow(deviation, 3) + 3 / deviation);
            check("moved mean", c, t.moved_mean[c],
                  keep * (double)t.running_mean[c] + t.momentum * mean, 3);
            check("moved variance", c, t.moved_variance[c],
                  keep * (double)t.running_variance[c] + t.momentum * square / (count - 1), 9);
        }
        check_rest(&t, "mean", t.mean);
        check_rest(&t, "inverse", t.inverse);
        free(values);
        vgg_guarded_free();
    }
}

/* Of one channel: the sums of both figures over the images. */
static void sums_of(const vgg_norm_channels_task *t, size_t c, double *total, double *product,
                    double *size) {
    *total = *product = *size = 0;
    for (size_t n = 0; n < t->images; n++) {
        const float *sums =
            t->sums + (n * vgg_blocks(t->channels) + c / VGG_BLOCK) * 2 * VGG_BLOCK + c % VGG_BLOCK;
        *total += (double)sums[0];
        *product += (double)sums[VGG_BLOCK];
        *size += fabs((double)sums[0]) + fabs((double)sums[VGG_BLOCK]);
    }
}

static void check_gradients(const vgg_norm_channels_task *t, const float *dgamma,
                            const float *dbeta) {
    double count = (double)(t->images * t->pixels);
    for (size_t c = 0; c < t->channels; c++) {
        double total, product, size, factor = (double)t->scale[c], inverse = (double)t->inverse[c];
        sums_of(t, c, &total, &product, &size);
        if (dgamma != NULL) {
            double held_gamma = t->accumulate ? (double)dgamma[c] : 0;
            double held_beta = t->accumulate ? (double)dbeta[c] : 0;
            check("dgamma", c, t->dgamma[c], held_gamma + product * inverse, size * inverse);
            check("dbeta", c, t->dbeta[c], held_beta + total, size);
        }
        bool batch = t->batch_statistics;
        check("from_dy", c, t->from_dy[c], factor, 0);
        check("constant", c, t->constant[c], batch ? -factor * total / count : 0, 0);
        check("from_x", c, t->from_x[c], batch ? -factor * inverse * inverse * product / count : 0,
              0);
    }
    check_rest(t, "from_dy", t->from_dy);
    check_rest(t, "from_x", t->from_x);
    check_rest(t, "constant", t->constant);
}

static void test_gradients(void **state) {
    (void)state;
    for (int i = 0; i < RANDOM_SHAPES; i++) {
        vgg_norm_channels_task t = draw_task();
        bool trains = !vgg_draw_chance(3);
        t.batch_statistics = trains && vgg_draw_chance(2);
        t.accumulate = vgg_draw_chance(2);
        t.inverse = draw_positive(t.channels);
        t.scale = draw_positive(t.channels);
        vgg_guarded_lock(t.inverse);
        vgg_guarded_lock(t.scale);
        vgg_guarded_lock(t.sums);
        const float *dgamma = trains ? vgg_draw_floats(t.channels) : NULL;
        const float *dbeta = trains ? vgg_draw_floats(t.channels) : NULL;
        t.dgamma = vgg_guarded_copy(dgamma);
        t.dbeta = vgg_guarded_copy(dbeta);
        run("batch_norm_gradients", vgg_batch_norm_gradients, &t, vgg_draw_chance(2));
        check_gradients(&t, dgamma, dbeta);
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_running, vgg_teardown),
        cmocka_unit_test_teardown(test_batch, vgg_teardown),
        cmocka_unit_test_teardown(test_gradients, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
