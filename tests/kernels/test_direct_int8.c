/* The convolution with whole numbers of 8 bits and tiles of 1.
 *
 * - Every tier has the bits of ref: of floats and of numbers that go in and come out, of values
 * that saturate and that are not finite.
 * - What kernels give does not depend on the division of units and on other images; see tiers.h.
 * - The largest sums fit. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 24 };

static const vgg_conv_shape SHAPES[] = {
    /* Less than a register has: of places, channels, blocks of outputs. */
    {3, 17, 16, 1, 1, 3, false, 0},
    {1, 65, 17, 1, 9, 3, false, 0},
    {3, 33, 17, 2, 2, 3, false, 0},
    /* Many images in a part, several parts. */
    {40, 40, 50, 2, 3, 3, false, 0},
    {40, 16, 33, 4, 4, 3, false, 0},
    {9, 31, 70, 6, 7, 3, false, 0},
    /* Parts of some rows, of a width that is no multiple of anything. */
    {2, 40, 20, 43, 97, 3, false, 0},
    {1, 16, 16, 9, 700, 3, false, 0},
    /* More chunks of channels than are multiplied at once. */
    {2, 330, 40, 7, 7, 3, false, 0},
    /* 1x1. */
    {3, 40, 50, 5, 6, 1, false, 0},
    {1, 100, 20, 21, 40, 1, false, 0},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

typedef struct layer {
    vgg_winograd_task task;
    uint8_t *x_numbers;
    size_t pixels; /* of y */
} layer;

/* ---- drawing ---- */

static float special(float value) {
    static const float specials[] = {0,          1e30f,           -1e30f,
                                     (float)NAN, (float)INFINITY, -(float)INFINITY};
    return vgg_draw_chance(40) ? specials[vgg_draw(0, sizeof specials / sizeof specials[0] - 1)]
                               : value;
}

static vgg_int8_numbers draw_numbers(double least, double most) {
    return (vgg_int8_numbers){.factor = (float)vgg_draw_real(least, most),
                              .zero = vgg_draw_chance(2) ? 0 : VGG_INT8_MIDDLE};
}

static void draw_input(layer *l) {
    vgg_winograd_task *t = &l->task;
    const vgg_conv_shape *s = &t->shape;
    size_t pixels = vgg_conv_in_pixels(s);
    t->numbers = draw_numbers(50, 350);
    if (vgg_draw_chance(2)) {
        size_t bytes = vgg_int8_size(s->images, s->inputs, pixels);
        l->x_numbers = (uint8_t *)vgg_guarded_floats(bytes / sizeof(float));
        for (size_t i = 0; i < bytes; i++) {
            l->x_numbers[i] = (uint8_t)vgg_draw(0, 255);
        }
        vgg_guarded_lock(l->x_numbers);
        t->x_numbers = l->x_numbers;
        return;
    }
    float *x = vgg_draw_blocked(s->images, s->inputs, pixels);
    for (size_t i = 0; i < s->images * s->inputs * pixels; i++) {
        size_t n = i / pixels / s->inputs, c = i / pixels % s->inputs;
        size_t at = vgg_blocked_at(s->inputs, pixels, n, c, i % pixels);
        x[at] = special(x[at]);
    }
    vgg_guarded_lock(x);
    t->x = x;
}

static const float *draw_vector(size_t channels, bool some_special) {
    float *values = vgg_draw_blocked(1, channels, 1);
    for (size_t i = 0; some_special && i < channels; i++) {
        values[i] = special(values[i]);
    }
    vgg_guarded_lock(values);
    return values;
}

static void draw_filters(vgg_winograd_task *t) {
    const vgg_conv_shape *s = &t->shape;
    float *weights = vgg_draw_floats(s->outputs * s->inputs * s->kernel * s->kernel);
    float *scales = vgg_guarded_floats(s->outputs);
    for (size_t k = 0; k < s->outputs; k++) {
        scales[k] = (float)vgg_draw_real(0.5, 1.5) / VGG_INT8_MOST;
    }
    weights[0] = vgg_draw_chance(4) ? (float)NAN : weights[0];
    vgg_guarded_lock(weights);
    vgg_guarded_lock(scales);
    t->weights = weights;
    t->scales = scales;
    t->filters = vgg_guarded_floats(t->partition.filters);
    vgg_int8_direct_filters(t, 0, (s->outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP, 0);
    vgg_guarded_lock(t->filters);
}

static void draw_output(layer *l) {
    vgg_winograd_task *t = &l->task;
    const vgg_conv_shape *s = &t->shape;
    size_t side = t->pool ? 2 : 1;
    l->pixels = (s->height / side) * (s->width / side);
    double usual = sqrt((double)(s->inputs * s->kernel * s->kernel));
    t->y_form = draw_numbers(20 / usual, 200 / usual);
    t->y_form.zero = t->relu ? 0 : t->y_form.zero;
    if (vgg_draw_chance(2))
        t->y_numbers = (uint8_t *)vgg_guarded_floats(
            vgg_int8_size(s->images, s->outputs, l->pixels) / sizeof(float));
    else
        t->y = vgg_guarded_floats(vgg_blocked_size(s->images, s->outputs, l->pixels));
}

static layer draw_layer(const vgg_conv_shape *s) {
    bool scaled = vgg_draw_chance(2);
    layer l = {.task = {.shape = *s,
                        .partition = vgg_winograd_int8_partition_of(s, 1, vgg_draw(1, 5)),
                        .bias = vgg_draw_chance(3) ? NULL : draw_vector(s->outputs, true),
                        .scale = scaled ? draw_vector(s->outputs, true) : NULL,
                        .shift = scaled ? draw_vector(s->outputs, false) : NULL,
                        .relu = vgg_draw_chance(2),
                        .stream = vgg_draw_chance(2),
                        .pool = vgg_draw_chance(2)}};
    draw_input(&l);
    draw_filters(&l.task);
    draw_output(&l);
    l.task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * l.task.partition.scratch);
    vgg_describe("%zu images, %zu -> %zu channels, %zu x %zu, kernel %zu, crop %td, %s to %s%s%s%s",
                 s->images, s->inputs, s->outputs, s->height, s->width, s->kernel, s->crop,
                 l.x_numbers != NULL ? "numbers" : "floats",
                 l.task.y_numbers != NULL ? "numbers" : "floats", scaled ? ", scaled" : "",
                 l.task.relu ? ", ReLU" : "", l.task.pool ? ", pool" : "");
    return l;
}

/* ---- the same bits ---- */

static size_t one_image(void *task, size_t image) {
    vgg_winograd_task *t = task;
    const vgg_conv_shape *s = &t->shape;
    size_t in = vgg_conv_in_pixels(s), side = t->pool ? 2 : 1;
    size_t out = (s->height / side) * (s->width / side);
    if (t->x_numbers != NULL)
        t->x_numbers += vgg_int8_size(image, s->inputs, in);
    else
        t->x += vgg_blocked_size(image, s->inputs, in);
    if (t->y_numbers != NULL)
        t->y_numbers += vgg_int8_size(image, s->outputs, out);
    else
        t->y += vgg_blocked_size(image, s->outputs, out);
    t->shape.images = 1;
    t->partition = vgg_winograd_int8_partition_of(&t->shape, 1, 2);
    return t->partition.units;
}

static void check_shape(const vgg_conv_shape *shape) {
    layer l = draw_layer(shape);
    vgg_kernel_case item = {.name = "int8_direct",
                            .kernel = offsetof(vgg_kernels, int8_direct.forward),
                            .task = &l.task,
                            .task_size = sizeof l.task,
                            .units = l.task.partition.units,
                            .scratch = l.task.scratch,
                            .scratch_size = l.task.partition.scratch,
                            .output_count = 1,
                            .images = shape->images,
                            .one_image = one_image};
    bool numbers = l.task.y_numbers != NULL;
    item.outputs[0] = (vgg_kernel_output){
        .name = "y",
        .data = numbers ? (void *)l.task.y_numbers : l.task.y,
        .size = sizeof(float),
        .bits = numbers,
        .channels = numbers ? 0 : shape->outputs,
        .pixels = l.pixels,
    };
    vgg_case_check(&item);
    vgg_guarded_free();
}

static void test_shapes(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        check_shape(&SHAPES[i]);
    }
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = {.images = vgg_draw(1, 4),
                                .inputs = vgg_draw(1, 150),
                                .outputs = vgg_draw(1, 100),
                                .height = vgg_draw(1, 12),
                                .width = vgg_draw(1, 20),
                                .kernel = vgg_draw_chance(4) ? 1 : 3};
        if (shape.kernel == 3)
            vgg_draw_crop(&shape);
        check_shape(&shape);
    }
}

/* ---- the largest sums ---- */

/* All numbers the largest, or the smallest that there are. */
static void check_largest(int zero, uint8_t number) {
    vgg_conv_shape shape = {1, VGG_INT8_DIRECT_CHANNELS, 16, 3, 3, 3, false, 0};
    size_t count = shape.outputs * shape.inputs * 9, bytes = vgg_int8_size(1, shape.inputs, 9);
    vgg_describe("sums of %zu of the largest products, zero %d", shape.inputs * 9, zero);
    float *weights = vgg_guarded_floats(count), *scales = vgg_guarded_floats(shape.outputs);
    uint8_t *x = (uint8_t *)vgg_guarded_floats(bytes / sizeof(float));
    memset(x, number, bytes);
    for (size_t i = 0; i < count; i++) {
        weights[i] = i / 9 / shape.inputs % 2 == 0 ? VGG_INT8_MOST : -VGG_INT8_MOST;
    }
    for (size_t k = 0; k < shape.outputs; k++) {
        scales[k] = 1;
    }
    vgg_winograd_task task = {.shape = shape,
                              .partition = vgg_winograd_int8_partition_of(&shape, 1, 1),
                              .x_numbers = x,
                              .numbers = {.factor = 1, .zero = zero},
                              .weights = weights,
                              .scales = scales};
    task.filters = vgg_guarded_floats(task.partition.filters);
    task.scratch = vgg_guarded_floats(task.partition.scratch);
    task.y = vgg_guarded_floats(vgg_blocked_size(1, shape.outputs, 9));
    vgg_int8_direct_filters(&task, 0, 1, 0);
    float most = (float)((int64_t)(number - zero) * VGG_INT8_MOST * (int64_t)shape.inputs * 9);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        vgg_kernels_at(i)->int8_direct.forward(&task, 0, task.partition.units, 0);
        for (size_t k = 0; k < shape.outputs; k++) {
            float found = task.y[4 * VGG_BLOCK + k], wanted = k % 2 == 0 ? most : -most;
            if (found < wanted || found > wanted)
                vgg_kernel_fail("int8_direct", vgg_kernels_at(i)->tier,
                                "output %zu is %a instead of %a", k, (double)found, (double)wanted);
        }
    }
    vgg_guarded_free();
}

static void test_largest_sums(void **state) {
    (void)state;
    check_largest(0, 255);
    check_largest(VGG_INT8_MIDDLE, 0);
    check_largest(VGG_INT8_MIDDLE, 255);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_largest_sums, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
