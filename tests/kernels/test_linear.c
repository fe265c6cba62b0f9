/* Linear layers.
 *
 * kernel                     sums      bound
 * linear_forward             inputs    vgg_sum_error(inputs) * (sum |x w| + |bias|)
 * linear_input               outputs   vgg_sum_error(outputs) * sum |dy w|
 * linear_weights: dweights   images    vgg_sum_error(images) * sum |dy x|
 * linear_weights: dbias      images    vgg_sum_error(images) * sum |dy|
 *
 * Where linear_weights adds to what is there, that is one term more.
 *
 * The sums of absolute values are ref's results for the absolute values of the inputs. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SIZES = 40 };

typedef struct sizes {
    size_t images, inputs, outputs;
} sizes;

static const sizes FIXED[] = {
    {1, 1, 1},     {9, 1, 17},   {2, 5000, 19}, {7, 2049, 33},   {1, 2048, 16},
    {3, 4097, 5},  {8, 3, 1100}, {1, 17, 2500}, {5, 512, 16},    {4, 513, 15},
    {9, 1025, 31}, {40, 33, 20}, {33, 530, 34}, {20, 2055, 131}, {32, 1024, 70},
};

enum { FIXED_SIZES = sizeof FIXED / sizeof FIXED[0] };

/* Draws all that a linear layer can want; what a kernel does not read stays NULL. */
static void draw_task(vgg_linear_task *task, size_t i) {
    sizes s = {vgg_draw(1, 9), vgg_draw(1, 300), vgg_draw(1, 300)};
    if (i < FIXED_SIZES)
        s = FIXED[i];
    *task = (vgg_linear_task){.images = s.images, .inputs = s.inputs, .outputs = s.outputs};
    vgg_describe("%zu images, %zu -> %zu", s.images, s.inputs, s.outputs);
}

static const float *draw_locked(size_t count) {
    float *values = vgg_draw_floats(count);
    vgg_guarded_lock(values);
    return values;
}

static vgg_kernel_output output(const char *name, float *data, const float *magnitude,
                                size_t terms) {
    return (vgg_kernel_output){.name = name,
                               .data = data,
                               .size = sizeof(float),
                               .magnitude = magnitude,
                               .error = vgg_sum_error(terms)};
}

static size_t one_image(void *task, size_t image) {
    vgg_linear_task *t = task;
    t->images = 1;
    if (t->y != NULL) {
        t->x += image * t->inputs;
        t->y += image * t->outputs;
        return (t->outputs + VGG_LINEAR_OUTPUTS - 1) / VGG_LINEAR_OUTPUTS;
    }
    t->dy += image * t->outputs;
    t->dx += image * t->inputs;
    return (t->inputs + VGG_LINEAR_INPUTS - 1) / VGG_LINEAR_INPUTS;
}

static void check_forward(vgg_linear_task *task, bool nan) {
    size_t units = (task->outputs + VGG_LINEAR_OUTPUTS - 1) / VGG_LINEAR_OUTPUTS;
    float *bias = vgg_draw_floats(task->outputs);
    if (nan)
        bias[vgg_draw(0, task->outputs - 1)] = (float)NAN;
    vgg_guarded_lock(bias);
    task->x = draw_locked(task->images * task->inputs);
    task->weights = draw_locked(task->outputs * task->inputs);
    task->bias = bias;
    task->relu = vgg_draw_chance(2);
    task->y = vgg_guarded_floats(task->images * task->outputs);
    vgg_linear_task absolute = *task;
    absolute.x = vgg_guarded_absolute(task->x);
    absolute.weights = vgg_guarded_absolute(task->weights);
    absolute.bias = vgg_guarded_absolute(task->bias);
    absolute.y = vgg_guarded_copy(task->y);
    vgg_reference()->linear_forward(&absolute, 0, units, 0);
    vgg_kernel_case item = {
        VGG_KERNEL(linear_forward), .task = task,
        .task_size = sizeof *task,  .units = units,
        .output_count = 1,          .outputs = {output("y", task->y, absolute.y, task->inputs)},
        .images = task->images,     .one_image = one_image};
    vgg_case_check(&item);
}

static void test_forward(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SIZES + RANDOM_SIZES; i++) {
        vgg_linear_task task;
        draw_task(&task, i);
        check_forward(&task, vgg_draw_chance(8));
        vgg_guarded_free();
    }
}

static void check_input(vgg_linear_task *task) {
    size_t units = (task->inputs + VGG_LINEAR_INPUTS - 1) / VGG_LINEAR_INPUTS;
    task->weights = draw_locked(task->outputs * task->inputs);
    task->dy = draw_locked(task->images * task->outputs);
    task->dx = vgg_guarded_floats(task->images * task->inputs);
    vgg_linear_task absolute = *task;
    absolute.weights = vgg_guarded_absolute(task->weights);
    absolute.dy = vgg_guarded_absolute(task->dy);
    absolute.dx = vgg_guarded_copy(task->dx);
    vgg_reference()->linear_input(&absolute, 0, units, 0);
    vgg_kernel_case item = {
        VGG_KERNEL(linear_input),  .task = task,
        .task_size = sizeof *task, .units = units,
        .output_count = 1,         .outputs = {output("dx", task->dx, absolute.dx, task->outputs)},
        .images = task->images,    .one_image = one_image};
    vgg_case_check(&item);
}

static void test_input(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SIZES + RANDOM_SIZES; i++) {
        vgg_linear_task task;
        draw_task(&task, i);
        check_input(&task);
        vgg_guarded_free();
    }
}

static void check_weights(vgg_linear_task *task) {
    size_t units = (task->outputs + VGG_LINEAR_OUTPUTS - 1) / VGG_LINEAR_OUTPUTS;
    task->x = draw_locked(task->images * task->inputs);
    task->dy = draw_locked(task->images * task->outputs);
    task->dweights = vgg_guarded_floats(task->outputs * task->inputs);
    task->dbias = vgg_guarded_floats(task->outputs);
    float *before[2] = {NULL, NULL};
    if (task->accumulate) {
        before[0] = vgg_draw_floats(task->outputs * task->inputs);
        before[1] = vgg_draw_floats(task->outputs);
        memcpy(task->dweights, before[0], vgg_guarded_size(before[0]));
        memcpy(task->dbias, before[1], vgg_guarded_size(before[1]));
    }
    vgg_linear_task absolute = *task;
    absolute.x = vgg_guarded_absolute(task->x);
    absolute.dy = vgg_guarded_absolute(task->dy);
    absolute.dweights = vgg_guarded_absolute(task->dweights);
    absolute.dbias = vgg_guarded_absolute(task->dbias);
    vgg_reference()->linear_weights(&absolute, 0, units, 0);
    vgg_kernel_case item = {
        VGG_KERNEL(linear_weights),
        .task = task,
        .task_size = sizeof *task,
        .units = units,
        .output_count = 2,
        .outputs = {output("dweights", task->dweights, absolute.dweights, task->images),
                    output("dbias", task->dbias, absolute.dbias, task->images)}};
    item.outputs[0].initial = before[0];
    item.outputs[1].initial = before[1];
    vgg_case_check(&item);
}

static void test_weights(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SIZES + RANDOM_SIZES; i++) {
        vgg_linear_task task;
        draw_task(&task, i);
        task.accumulate = vgg_draw_chance(3);
        check_weights(&task);
        vgg_guarded_free();
    }
}

/* What ref is compared with: 3 inputs, 2 outputs, 2 images, by hand. */
static void test_definition(void **state) {
    (void)state;
    static const float x[] = {1, 2, 3, -1, 0, 2}, w[] = {1, 0, -1, 2, 1, 0}, bias[] = {0.5f, -1};
    static const float dy[] = {1, 10, 100, 1000};
    static const float y[] = {-1.5f, 3, -2.5f, -3}, relu[] = {0, 3, 0, 0};
    static const float dx[] = {21, 10, -1, 2100, 1000, -100};
    static const float dw[] = {-99, 2, 203, -990, 20, 2030}, db[] = {101, 1010};
    float found[6];
    vgg_linear_task task = {
        .images = 2, .inputs = 3, .outputs = 2, .x = x, .weights = w, .bias = bias, .y = found};
    vgg_reference()->linear_forward(&task, 0, 1, 0);
    assert_memory_equal(found, y, sizeof y);
    task.relu = true;
    vgg_reference()->linear_forward(&task, 0, 1, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_true(found[i] == relu[i]);
    }
    task.dy = dy;
    task.dx = found;
    vgg_reference()->linear_input(&task, 0, 1, 0);
    assert_memory_equal(found, dx, sizeof dx);
    float dbias[2];
    task.dweights = found;
    task.dbias = dbias;
    vgg_reference()->linear_weights(&task, 0, 1, 0);
    assert_memory_equal(found, dw, sizeof dw);
    assert_memory_equal(dbias, db, sizeof db);
    task.accumulate = true;
    vgg_reference()->linear_weights(&task, 0, 1, 0);
    for (size_t i = 0; i < 6; i++) {
        assert_true(found[i] == 2 * dw[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(dbias[i] == 2 * db[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_definition, vgg_teardown),
        cmocka_unit_test_teardown(test_forward, vgg_teardown),
        cmocka_unit_test_teardown(test_input, vgg_teardown),
        cmocka_unit_test_teardown(test_weights, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
