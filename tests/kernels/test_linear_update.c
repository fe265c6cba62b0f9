/* The step of SGD of linear layers whose gradients are not stored.
 *
 * output           sums      bound
 * velocity         images    vgg_sum_error(images) * (|momentum v| + sum |dy x| + |decay w|)
 * weights          images    vgg_sum_error(images) * (|w| + rate * the same), with Nesterov's
 *                            momentum (|w| + rate * (sum |dy x| + |decay w| + momentum * the same))
 *
 * and for the bias the same with x of 1. */
#include <math.h>
#include <stdlib.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SIZES = 40 };

typedef struct sizes {
    size_t images, inputs, outputs;
} sizes;

static const sizes FIXED[] = {
    {1, 1, 1},    {8, 64, 6},    {7, 65, 7},   {9, 63, 24},  {2, 128, 25}, {5, 1, 13},
    {1, 300, 50}, {40, 129, 31}, {3, 2000, 5}, {17, 80, 23}, {600, 9, 3},  {300, 500, 7},
};

enum { FIXED_SIZES = sizeof FIXED / sizeof FIXED[0] };

/* The values before the step, and the sizes of their terms, all of the layer. */
typedef struct layer {
    const float *x, *dy; /* (images, inputs), (images, outputs) */
    const float *weights, *weights_velocity, *bias, *bias_velocity;
    float *weight_size, *weight_velocity_size, *bias_size, *bias_velocity_size;
} layer;

static float *panels_of(const float *from, size_t rows, size_t columns, size_t width) {
    vgg_panel_task task = {.rows = rows, .columns = columns, .width = width, .from = from};
    size_t panels = vgg_panel_count(columns, width);
    task.to = vgg_guarded_floats(panels * rows * width);
    vgg_panels(&task, 0, panels, 0);
    vgg_guarded_lock(task.to);
    return task.to;
}

/* Fails when ref's value and velocity are not those of the definition; returns the sizes. */
static void check_value(const vgg_linear_update_task *t, double gradient, double size, float value,
                        float velocity, float new_value, float new_velocity, float *value_size,
                        float *velocity_size) {
    double momentum = (double)t->momentum * (double)velocity;
    double decay = (double)t->decay * (double)value;
    double v = momentum + gradient + decay, all = fabs(momentum) + size + fabs(decay);
    double step = t->nesterov ? gradient + decay + (double)t->momentum * v : v;
    double step_size = t->nesterov ? size + fabs(decay) + (double)t->momentum * all : all;
    double w = (double)value - (double)t->rate * step;
    *velocity_size = (float)all;
    *value_size = (float)(fabs((double)value) + (double)t->rate * step_size);
    if (!(fabs((double)new_velocity - v) <= vgg_sum_error(0) * all) ||
        !(fabs((double)new_value - w) <= vgg_sum_error(0) * (double)*value_size))
        vgg_kernel_fail("linear_update", "ref", "%g with velocity %g instead of %g, %g",
                        (double)new_value, (double)new_velocity, w, v);
}

static void check_definition(const vgg_linear_update_task *t, layer *l) {
    for (size_t o = 0; o < t->outputs; o++) {
        double bias = 0, bias_size = 0;
        for (size_t n = 0; n < t->images; n++) {
            bias += (double)l->dy[n * t->outputs + o];
            bias_size += fabs((double)l->dy[n * t->outputs + o]);
        }
        check_value(t, bias, bias_size, l->bias[o], l->bias_velocity[o], t->bias[o],
                    t->bias_velocity[o], l->bias_size + o, l->bias_velocity_size + o);
        for (size_t i = 0; i < t->inputs; i++) {
            double sum = 0, size = 0;
            for (size_t n = 0; n < t->images; n++) {
                double term = (double)l->dy[n * t->outputs + o] * (double)l->x[n * t->inputs + i];
                sum += term;
                size += fabs(term);
            }
            size_t at = o * t->inputs + i;
            check_value(t, sum, size, l->weights[at], l->weights_velocity[at], t->weights[at],
                        t->weights_velocity[at], l->weight_size + at, l->weight_velocity_size + at);
        }
    }
}

static vgg_kernel_output output(const char *name, float *data, const float *initial,
                                const float *magnitude, size_t terms) {
    return (vgg_kernel_output){.name = name,
                               .data = data,
                               .size = sizeof(float),
                               .magnitude = magnitude,
                               .error = vgg_sum_error(terms),
                               .initial = initial};
}

static const float *draw_locked(size_t count) {
    float *values = vgg_draw_floats(count);
    vgg_guarded_lock(values);
    return values;
}

static void check_update(vgg_linear_update_task *t) {
    size_t weights = t->outputs * t->inputs;
    layer l = {.x = draw_locked(t->images * t->inputs),
               .dy = draw_locked(t->images * t->outputs),
               .weights = draw_locked(weights),
               .weights_velocity = draw_locked(weights),
               .bias = draw_locked(t->outputs),
               .bias_velocity = draw_locked(t->outputs),
               .weight_size = vgg_guarded_floats(weights),
               .weight_velocity_size = vgg_guarded_floats(weights),
               .bias_size = vgg_guarded_floats(t->outputs),
               .bias_velocity_size = vgg_guarded_floats(t->outputs)};
    t->x_panels = panels_of(l.x, t->images, t->inputs, VGG_LINEAR_X);
    t->dy_panels = panels_of(l.dy, t->images, t->outputs, VGG_LINEAR_DY);
    t->weights = vgg_guarded_copy(l.weights);
    t->weights_velocity = vgg_guarded_copy(l.weights_velocity);
    t->bias = vgg_guarded_copy(l.bias);
    t->bias_velocity = vgg_guarded_copy(l.bias_velocity);
    vgg_kernel_case item = {
        VGG_KERNEL(linear_update),
        .task = t,
        .task_size = sizeof *t,
        .units = (t->outputs + VGG_LINEAR_UPDATE - 1) / VGG_LINEAR_UPDATE,
        .output_count = 4,
        .outputs = {output("weights", t->weights, l.weights, l.weight_size, t->images),
                    output("weights_velocity", t->weights_velocity, l.weights_velocity,
                           l.weight_velocity_size, t->images),
                    output("bias", t->bias, l.bias, l.bias_size, t->images),
                    output("bias_velocity", t->bias_velocity, l.bias_velocity, l.bias_velocity_size,
                           t->images)}};
    vgg_case_run(&item, vgg_reference());
    check_definition(t, &l);
    vgg_case_check(&item);
}

static void test_update(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SIZES + RANDOM_SIZES; i++) {
        sizes s = {vgg_draw(1, 40), vgg_draw(1, 300), vgg_draw(1, 80)};
        if (i < FIXED_SIZES)
            s = FIXED[i];
        vgg_describe("%zu images, %zu -> %zu", s.images, s.inputs, s.outputs);
        vgg_linear_update_task task = {.images = s.images,
                                       .inputs = s.inputs,
                                       .outputs = s.outputs,
                                       .rate = (float)vgg_draw_real(0.01, 1),
                                       .momentum = i % 4 == 0 ? 0 : 0.9f,
                                       .decay = i % 3 == 0 ? 0 : 5e-4f,
                                       .nesterov = i % 2 == 1};
        check_update(&task);
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_update, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
