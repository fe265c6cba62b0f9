/* Convolution.
 *
 * kernel        sums             bound
 * conv_forward  C * kernel^2     vgg_sum_error(terms) * ((sum |x w| + |bias|) |scale| + |shift|)
 *
 * The sum in parentheses is ref's result for the absolute values of all inputs; a max-pool takes
 * its maximum as well. ReLU and max-pool bring no error of their own: they do not move numbers
 * apart. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

static const vgg_conv_shape SHAPES[] = {
    {.images = 1, .inputs = 1, .outputs = 1, .height = 1, .width = 1, .kernel = 3},
    {.images = 2, .inputs = 1, .outputs = 1, .height = 1, .width = 1, .kernel = 1},
    {.images = 1, .inputs = 1, .outputs = 1, .height = 1, .width = 1, .kernel = 3, .plain = true},
    {.images = 2, .inputs = 3, .outputs = 5, .height = 97, .width = 3, .kernel = 3},
    {.images = 1, .inputs = 17, .outputs = 3, .height = 2, .width = 131, .kernel = 3},
    {.images = 1, .inputs = 5, .outputs = 260, .height = 6, .width = 5, .kernel = 3},
    {.images = 2,
     .inputs = 3,
     .outputs = 33,
     .height = 9,
     .width = 224,
     .kernel = 3,
     .plain = true},
    {.images = 2, .inputs = 40, .outputs = 40, .height = 14, .width = 14, .kernel = 3},
    {.images = 2, .inputs = 64, .outputs = 64, .height = 7, .width = 7, .kernel = 1},
    {.images = 1, .inputs = 550, .outputs = 32, .height = 3, .width = 3, .kernel = 3},
    {.images = 2, .inputs = 550, .outputs = 50, .height = 4, .width = 4, .kernel = 3},
    {.images = 2, .inputs = 550, .outputs = 50, .height = 2, .width = 2, .kernel = 3},
    /* A map that would be a register tile, but whose rows are cut. */
    {.images = 1, .inputs = 2800, .outputs = 16, .height = 4, .width = 4, .kernel = 3},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0], RANDOM_SHAPES = 40 };

typedef struct layer {
    vgg_conv_shape shape;
    float *x, *weights, *packed, *bias, *scale, *shift;
} layer;

/* Floats of an image going in. */
static size_t input_size(const vgg_conv_shape *s) {
    size_t pixels = vgg_conv_in_pixels(s);
    return s->plain ? s->inputs * pixels : vgg_blocked_size(1, s->inputs, pixels);
}

static size_t output_pixels(const vgg_conv_forward_task *t) {
    size_t divisor = t->pool ? 2 : 1;
    return (t->shape.height / divisor) * (t->shape.width / divisor);
}

static size_t output_size(const vgg_conv_forward_task *t) {
    return vgg_blocked_size(1, t->shape.outputs, output_pixels(t));
}

static void draw_layer(layer *l, const vgg_conv_shape *s) {
    *l = (layer){.shape = *s};
    l->x = s->plain ? vgg_draw_floats(s->images * input_size(s))
                    : vgg_draw_blocked(s->images, s->inputs, vgg_conv_in_pixels(s));
    l->weights = vgg_draw_floats(s->outputs * s->inputs * s->kernel * s->kernel);
    l->packed = vgg_guarded_floats(vgg_conv_packed_size(s));
    vgg_conv_pack_task pack = {.shape = *s, .weights = l->weights, .packed = l->packed};
    vgg_conv_pack(&pack, 0, vgg_blocks(s->outputs), 0);
    l->bias = vgg_draw_blocked(1, s->outputs, 1);
    l->scale = vgg_draw_blocked(1, s->outputs, 1);
    l->shift = vgg_draw_blocked(1, s->outputs, 1);
    const float *inputs[] = {l->x, l->weights, l->packed, l->bias, l->scale, l->shift};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        vgg_guarded_lock(inputs[i]);
    }
}

static vgg_conv_forward_task forward_task(const layer *l, bool pool) {
    const vgg_conv_shape *s = &l->shape;
    vgg_conv_forward_task task = {.shape = *s,
                                  .partition = vgg_conv_forward_partition(s),
                                  .x = l->x,
                                  .packed = l->packed,
                                  .pool = pool};
    task.y = vgg_guarded_floats(s->images * output_size(&task));
    task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * task.partition.scratch);
    return task;
}

static size_t one_image(void *task, size_t image) {
    vgg_conv_forward_task *t = task;
    t->x += image * input_size(&t->shape);
    t->y += image * output_size(t);
    t->shape.images = 1;
    t->partition = vgg_conv_forward_partition(&t->shape);
    return t->partition.units;
}

static vgg_kernel_case forward_case(vgg_conv_forward_task *task) {
    vgg_kernel_case item = {VGG_KERNEL(conv_forward),  .task = task,
                            .task_size = sizeof *task, .units = task->partition.units,
                            .scratch = task->scratch,  .scratch_size = task->partition.scratch,
                            .output_count = 1,         .images = task->shape.images,
                            .one_image = one_image};
    item.outputs[0] = (vgg_kernel_output){.name = "y",
                                          .data = task->y,
                                          .size = sizeof(float),
                                          .channels = task->shape.outputs,
                                          .pixels = output_pixels(task)};
    return item;
}

static float *magnitude(const vgg_conv_forward_task *task) {
    vgg_conv_forward_task absolute = *task;
    absolute.x = vgg_guarded_absolute(task->x);
    absolute.packed = vgg_guarded_absolute(task->packed);
    absolute.bias = vgg_guarded_absolute(task->bias);
    absolute.scale = vgg_guarded_absolute(task->scale);
    absolute.shift = vgg_guarded_absolute(task->shift);
    absolute.y = vgg_guarded_copy(task->y);
    vgg_reference()->conv_forward(&absolute, 0, task->partition.units, 0);
    return absolute.y;
}

static void check_forward(const vgg_conv_shape *shape, bool pool) {
    layer l;
    vgg_describe_conv(shape);
    draw_layer(&l, shape);
    vgg_conv_forward_task task = forward_task(&l, pool);
    task.bias = vgg_draw_chance(3) ? NULL : l.bias;
    if (vgg_draw_chance(2)) {
        task.scale = l.scale;
        task.shift = l.shift;
    }
    task.relu = vgg_draw_chance(2);
    task.stream = vgg_draw_chance(2);
    vgg_kernel_case item = forward_case(&task);
    item.outputs[0].magnitude = magnitude(&task);
    item.outputs[0].error = vgg_sum_error(shape->inputs * shape->kernel * shape->kernel);
    vgg_case_check(&item);
    vgg_guarded_free();
}

static void test_forward(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        check_forward(&SHAPES[i], false);
    }
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = vgg_draw_conv(4, 13, 19);
        vgg_draw_crop(&shape);
        check_forward(&shape, false);
    }
}

/* A shape that has a window. */
static vgg_conv_shape draw_pooled_shape(void) {
    vgg_conv_shape shape = vgg_draw_conv(4, 13, 19);
    shape.height = vgg_size_max(shape.height, 2);
    shape.width = vgg_size_max(shape.width, 2);
    return shape;
}

static void test_pool(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        if (SHAPES[i].height > 1 && SHAPES[i].width > 1)
            check_forward(&SHAPES[i], true);
    }
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = draw_pooled_shape();
        vgg_draw_crop(&shape);
        check_forward(&shape, true);
    }
}

/* ---- numbers of 8 bits ---- */

/* What the floats of a tier become, in chunks of channels. */
static void check_numbers_of(const vgg_conv_forward_task *t, const char *tier, const float *y) {
    size_t pixels = output_pixels(t), outputs = t->shape.outputs;
    for (size_t i = 0; i < vgg_int8_size(t->shape.images, outputs, pixels); i++) {
        size_t chunk = i / VGG_INT8_CHUNK / pixels, pixel = i / VGG_INT8_CHUNK % pixels;
        size_t n = chunk / vgg_int8_chunks(outputs);
        size_t k = chunk % vgg_int8_chunks(outputs) * VGG_INT8_CHUNK + i % VGG_INT8_CHUNK;
        float value = k < outputs ? y[vgg_blocked_at(outputs, pixels, n, k, pixel)] : 0;
        float least = -(float)t->y_form.zero, most = least + VGG_INT8_UNSIGNED_MOST;
        value = value * t->y_form.factor;
        value = rintf(fminf(value > least ? value : least, most)) - least;
        if (t->y_numbers[i] != (uint8_t)value)
            vgg_kernel_fail("conv_forward", tier, "number %zu is %d instead of %g", i,
                            t->y_numbers[i], (double)value);
    }
}

/* Of a NaN, too. */
static void check_numbers(bool pool) {
    layer l;
    vgg_conv_shape shape = draw_pooled_shape();
    vgg_describe_conv(&shape);
    draw_layer(&l, &shape);
    vgg_conv_forward_task floats = forward_task(&l, pool);
    float *bias = vgg_guarded_copy(l.bias);
    bias[vgg_draw(0, shape.outputs - 1)] = (float)NAN;
    floats.bias = bias;
    floats.relu = vgg_draw_chance(2);
    vgg_conv_forward_task numbers = floats;
    size_t bytes = vgg_int8_size(shape.images, shape.outputs, output_pixels(&floats));
    numbers.y = NULL;
    numbers.y_numbers = (uint8_t *)vgg_guarded_floats(bytes / sizeof(float));
    numbers.y_form.factor = (float)vgg_draw_real(10, 100);
    numbers.y_form.zero = floats.relu || vgg_draw_chance(2) ? 0 : VGG_INT8_MIDDLE;
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        vgg_running("conv_forward", tier->tier);
        tier->conv_forward(&floats, 0, floats.partition.units, 0);
        for (size_t unit = floats.partition.units; unit-- > 0;) {
            tier->conv_forward(&numbers, unit, unit + 1, 1);
        }
        vgg_guarded_check();
        vgg_running(NULL, NULL);
        check_numbers_of(&numbers, tier->tier, floats.y);
        memset(numbers.y_numbers, 0xa5, bytes);
    }
    vgg_guarded_free();
}

static void test_numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        check_numbers(i % 2 == 1);
    }
}

/* A NaN in one channel's bias does what it does in ref, and nothing to other channels. */
static void test_nan_bias(void **state) {
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        layer l;
        vgg_conv_shape shape = draw_pooled_shape();
        vgg_describe_conv(&shape);
        draw_layer(&l, &shape);
        vgg_conv_forward_task task = forward_task(&l, i % 4 < 2);
        float *bias = vgg_guarded_copy(l.bias);
        bias[vgg_draw(0, shape.outputs - 1)] = (float)NAN;
        task.bias = bias;
        task.relu = i % 2 == 0;
        vgg_kernel_case item = forward_case(&task);
        item.outputs[0].magnitude = magnitude(&task);
        item.outputs[0].error = vgg_sum_error(shape.inputs * shape.kernel * shape.kernel);
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* Fails unless y is NaN where the pixel (row, column) of image n is in reach, or in that of a
 * pixel's window, and nowhere else.
 * Lanes beyond the channels are not asked: there it is NaN times a weight of 0. */
static void check_nan_spread(const vgg_conv_forward_task *t, const char *tier, size_t n, size_t row,
                             size_t column) {
    const vgg_conv_shape *s = &t->shape;
    size_t side = t->pool ? 2 : 1, reach = s->kernel / 2, pixels = output_pixels(t);
    for (size_t image = 0; image < s->images; image++) {
        for (size_t k = 0; k < s->outputs; k++) {
            for (size_t p = 0; p < pixels; p++) {
                size_t y = p / (s->width / side) * side, x = p % (s->width / side) * side;
                bool wanted = image == n && y + side - 1 + reach >= row && y <= row + reach &&
                              x + side - 1 + reach >= column && x <= column + reach;
                bool found = isnan(t->y[vgg_blocked_at(s->outputs, pixels, image, k, p)]);
                if (found != wanted)
                    vgg_kernel_fail("conv_forward", tier, "(%zu, %zu, %zu, %zu) is%s NaN", image, k,
                                    y, x, found ? "" : " not");
            }
        }
    }
}

/* A NaN of the input comes through ReLU and max-pool too. */
static void test_nan_input(void **state) {
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        layer l;
        vgg_conv_shape s = draw_pooled_shape();
        vgg_describe_conv(&s);
        draw_layer(&l, &s);
        vgg_conv_forward_task task = forward_task(&l, i % 4 < 2);
        size_t n = vgg_draw(0, s.images - 1), c = vgg_draw(0, s.inputs - 1);
        size_t row = vgg_draw(0, s.height - 1), column = vgg_draw(0, s.width - 1);
        size_t pixels = s.height * s.width, pixel = row * s.width + column;
        float *x = vgg_guarded_copy(l.x);
        x[s.plain ? (n * s.inputs + c) * pixels + pixel
                  : vgg_blocked_at(s.inputs, pixels, n, c, pixel)] = (float)NAN;
        task.x = x;
        task.relu = i % 2 == 0;
        vgg_kernel_case item = forward_case(&task);
        for (size_t tier = 0; vgg_kernels_at(tier) != NULL; tier++) {
            vgg_case_run(&item, vgg_kernels_at(tier));
            check_nan_spread(&task, vgg_kernels_at(tier)->tier, n, row, column);
        }
        vgg_guarded_free();
    }
}

/* conv's result normalised and, for a pool, pooled by kernels of their own. */
static const float *finish_apart(const vgg_kernels *tier, const vgg_conv_forward_task *task,
                                 const float *conv) {
    const vgg_conv_shape *s = &task->shape;
    size_t pixels = s->height * s->width, blocks = s->images * vgg_blocks(s->outputs);
    vgg_batch_norm_task norm = {.images = s->images,
                                .channels = s->outputs,
                                .pixels = pixels,
                                .x = conv,
                                .scale = task->scale,
                                .shift = task->shift,
                                .relu = task->relu,
                                .y = vgg_guarded_floats(blocks * pixels * VGG_BLOCK)};
    tier->batch_norm(&norm, 0, blocks, 0);
    if (!task->pool)
        return norm.y;
    vgg_pool_task pool = {.images = s->images,
                          .channels = s->outputs,
                          .height = s->height,
                          .width = s->width,
                          .out_height = s->height / 2,
                          .out_width = s->width / 2,
                          .x = norm.y,
                          .y = vgg_guarded_floats(s->images * output_size(task))};
    tier->max_pool(&pool, 0, blocks, 0);
    return pool.y;
}

/* A batch norm and a max-pool behind the convolution and within it give the same bits. */
static void check_fold(const vgg_conv_shape *shape, bool pool) {
    layer l;
    vgg_describe_conv(shape);
    draw_layer(&l, shape);
    vgg_conv_forward_task task = forward_task(&l, pool), bare = forward_task(&l, false);
    task.bias = bare.bias = vgg_draw_chance(2) ? l.bias : NULL;
    task.scale = l.scale;
    task.shift = l.shift;
    task.relu = vgg_draw_chance(2);
    vgg_kernel_case item = forward_case(&task), apart = forward_case(&bare);
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        vgg_case_run(&apart, tier);
        vgg_case_run(&item, tier);
        vgg_case_same(&item, tier, "with what follows on its own", task.y,
                      finish_apart(tier, &task, bare.y), vgg_guarded_size(task.y), sizeof(float));
    }
    vgg_guarded_free();
}

static void test_fold(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SHAPES + 20; i++) {
        vgg_conv_shape shape = i < FIXED_SHAPES ? SHAPES[i] : vgg_draw_conv(4, 13, 19);
        check_fold(&shape, shape.height > 1 && shape.width > 1 && vgg_draw_chance(2));
    }
}

/* ---- what ref is compared with ---- */

static double input_at(const layer *l, size_t n, size_t c, size_t row, size_t column) {
    const vgg_conv_shape *s = &l->shape;
    size_t pixels = vgg_conv_in_pixels(s), pixel = row * vgg_conv_in_width(s) + column;
    size_t at = s->plain ? (n * s->inputs + c) * pixels + pixel
                         : vgg_blocked_at(s->inputs, pixels, n, c, pixel);
    return (double)l->x[at];
}

/* One value of the convolution, by its definition. */
static double defined(const layer *l, size_t n, size_t k, size_t row, size_t column) {
    const vgg_conv_shape *s = &l->shape;
    size_t reach = vgg_conv_border(s), height = vgg_conv_in_height(s), width = vgg_conv_in_width(s);
    double sum = 0;
    for (size_t c = 0; c < s->inputs; c++) {
        for (size_t i = 0; i < s->kernel * s->kernel; i++) {
            size_t y = row + i / s->kernel, x = column + i % s->kernel;
            if (y < reach || y - reach >= height || x < reach || x - reach >= width)
                continue;
            double weight = (double)l->weights[(k * s->inputs + c) * s->kernel * s->kernel + i];
            sum += input_at(l, n, c, y - reach, x - reach) * weight;
        }
    }
    return sum;
}

static void test_definition(void **state) {
    (void)state;
    for (size_t i = 0; i < 20; i++) {
        layer l;
        vgg_conv_shape s = vgg_draw_conv(4, 13, 19);
        vgg_draw_crop(&s);
        vgg_describe_conv(&s);
        draw_layer(&l, &s);
        vgg_conv_forward_task task = forward_task(&l, false);
        task.bias = l.bias;
        task.scale = l.scale;
        task.shift = l.shift;
        task.relu = i % 2 == 0;
        vgg_kernel_case item = forward_case(&task);
        vgg_case_run(&item, vgg_reference());
        for (size_t sample = 0; sample < 50; sample++) {
            size_t n = vgg_draw(0, s.images - 1), k = vgg_draw(0, s.outputs - 1);
            size_t row = vgg_draw(0, s.height - 1), column = vgg_draw(0, s.width - 1);
            size_t at = vgg_blocked_at(s.outputs, s.height * s.width, n, k, row * s.width + column);
            double y = (defined(&l, n, k, row, column) + (double)l.bias[k]) * (double)l.scale[k] +
                       (double)l.shift[k];
            double expected = task.relu && y < 0 ? 0 : y;
            if (fabs((double)task.y[at] - expected) > 1e-5)
                vgg_kernel_fail("conv_forward", "ref", "(%zu, %zu, %zu, %zu) is %g instead of %g",
                                n, k, row, column, (double)task.y[at], expected);
        }
        vgg_guarded_free();
    }
}

/* The parts cover the output, and the shapes above have several of them in every way. */
static void test_partition(void **state) {
    (void)state;
    size_t several_rows = 0, several_blocks = 0, shared_units = 0;
    for (size_t i = 0; i < FIXED_SHAPES + 1000; i++) {
        vgg_conv_shape s = i < FIXED_SHAPES ? SHAPES[i] : vgg_draw_conv(4, 13, 19);
        vgg_conv_partition p = vgg_conv_forward_partition(&s);
        vgg_conv_partition again = vgg_conv_forward_partition(&s);
        vgg_describe_conv(&s);
        if (p.rows * p.row_units < s.height || p.rows * (p.row_units - 1) >= s.height)
            vgg_kernel_fail("conv_forward", "all", "%zu x %zu rows", p.row_units, p.rows);
        if (p.row_units > 1 && p.rows % 2 != 0)
            vgg_kernel_fail("conv_forward", "all", "units of %zu rows cut windows", p.rows);
        size_t blocks = vgg_blocks(s.outputs);
        if (p.blocks * p.block_units < blocks || p.blocks * (p.block_units - 1) >= blocks)
            vgg_kernel_fail("conv_forward", "all", "%zu x %zu blocks", p.block_units, p.blocks);
        assert_int_equal(p.units, s.images * p.row_units * p.block_units);
        assert_int_equal(p.units, again.units);
        assert_int_equal(p.scratch, again.scratch);
        several_rows += i < FIXED_SHAPES && p.row_units > 1 && s.height % p.rows != 0;
        several_blocks += i < FIXED_SHAPES && p.block_units > 1;
        shared_units += i < FIXED_SHAPES && p.blocks > 1;
    }
    assert_true(several_rows > 0);
    assert_true(several_blocks > 0);
    assert_true(shared_units > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_definition, vgg_teardown),
        cmocka_unit_test_teardown(test_partition, vgg_teardown),
        cmocka_unit_test_teardown(test_forward, vgg_teardown),
        cmocka_unit_test_teardown(test_pool, vgg_teardown),
        cmocka_unit_test_teardown(test_numbers, vgg_teardown),
        cmocka_unit_test_teardown(test_nan_bias, vgg_teardown),
        cmocka_unit_test_teardown(test_nan_input, vgg_teardown),
        cmocka_unit_test_teardown(test_fold, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
