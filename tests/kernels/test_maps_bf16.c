/* Maps of bfloat16 in the place of maps of floats, for all kernels that take them: what they read
 * counts as the floats that its numbers are, and what they write is what they would write as
 * floats, rounded. So each tier is compared with itself. */
#include "bf16.h"
#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"
#include "winograd_layers.h"

enum { RANDOM_SHAPES = 24 };

/* A guarded buffer's values, as numbers of bfloat16. */
static uint16_t *numbers_of(const float *values) {
    if (values == NULL)
        return NULL;
    size_t count = vgg_guarded_size(values) / sizeof *values;
    void *numbers = vgg_guarded_bytes(2 * count);
    vgg_elements_from_float(VGG_ELEMENT_BFLOAT16, values, count, numbers);
    return numbers;
}

/* Memory for as many numbers, of which none is what is expected. */
static uint16_t *memory_of(const float *values) {
    void *numbers = vgg_guarded_bytes(vgg_guarded_size(values) / 2);
    return numbers;
}

static void check_numbers(const char *kernel, const vgg_kernels *tier, const uint16_t *found,
                          const float *expected) {
    const vgg_kernel_case named = {.name = kernel};
    vgg_guarded_check();
    vgg_case_same(&named, tier, "as floats, rounded", found, numbers_of(expected),
                  vgg_guarded_size(found), sizeof *found);
}

static void check_floats(const char *kernel, const vgg_kernels *tier, const float *found,
                         const float *expected) {
    const vgg_kernel_case named = {.name = kernel};
    vgg_guarded_check();
    vgg_case_same(&named, tier, "of floats", found, expected, vgg_guarded_size(found),
                  sizeof *found);
}

/* ---- batch norm ---- */

typedef struct layer {
    vgg_batch_norm_task floats, numbers;
    size_t units;
} layer;

static layer draw_layer(bool pool) {
    size_t images = vgg_draw(1, 3), channels = vgg_draw_channels();
    size_t height = vgg_draw(2, 21), width = vgg_draw(2, 21), pixels = height * width;
    size_t outputs = pool ? (height / 2) * (width / 2) : pixels;
    size_t blocks = images * vgg_blocks(channels);
    vgg_describe("%zu images, %zu channels, %zu x %zu", images, channels, height, width);
    layer l = {.units = blocks};
    l.floats =
        (vgg_batch_norm_task){.images = images,
                              .channels = channels,
                              .pixels = pixels,
                              .width = width,
                              .x = vgg_rounded(vgg_draw_blocked(images, channels, pixels)),
                              .scale = vgg_draw_vector(channels),
                              .shift = vgg_draw_vector(channels),
                              .relu = vgg_draw_chance(2),
                              .stream = vgg_draw_chance(2),
                              .y = vgg_guarded_floats(blocks * outputs * VGG_BLOCK),
                              .chosen = pool ? vgg_draw_choices(images, channels, outputs) : NULL,
                              .sums = vgg_guarded_floats(blocks * 2 * VGG_BLOCK),
                              .mean = vgg_draw_vector(channels),
                              .dy = vgg_rounded(vgg_draw_blocked(images, channels, outputs)),
                              .from_dy = vgg_draw_vector(channels),
                              .from_x = vgg_draw_vector(channels),
                              .constant = vgg_draw_vector(channels),
                              .dx = vgg_guarded_floats(blocks * pixels * VGG_BLOCK)};
    l.numbers = l.floats;
    l.numbers.x_bf16 = numbers_of(l.floats.x);
    l.numbers.dy_bf16 = numbers_of(l.floats.dy);
    l.numbers.y_bf16 = memory_of(l.floats.y);
    l.numbers.dx_bf16 = memory_of(l.floats.dx);
    l.numbers.sums = vgg_guarded_copy(l.floats.sums);
    l.numbers.x = l.numbers.dy = NULL;
    l.numbers.y = l.numbers.dx = NULL;
    return l;
}

static void run(vgg_work *kernel, const char *name, const vgg_kernels *tier, layer *l) {
    vgg_running(name, tier->tier);
    kernel(&l->floats, 0, l->units, 0);
    kernel(&l->numbers, 0, l->units, 0);
    vgg_running(NULL, NULL);
}

static void check_sums(vgg_work *kernel, const char *name, const vgg_kernels *tier, layer *l) {
    run(kernel, name, tier, l);
    check_floats(name, tier, l->numbers.sums, l->floats.sums);
}

static void check_forward(vgg_work *kernel, const char *name, const vgg_kernels *tier, layer *l) {
    run(kernel, name, tier, l);
    check_numbers(name, tier, l->numbers.y_bf16, l->floats.y);
}

static void check_backward(vgg_work *kernel, const char *name, const vgg_kernels *tier, layer *l) {
    run(kernel, name, tier, l);
    check_numbers(name, tier, l->numbers.dx_bf16, l->floats.dx);
}

/* dx in dy's memory. */
static void check_in_place(const vgg_kernels *tier, layer *l) {
    l->numbers.dx_bf16 = vgg_guarded_copy(l->numbers.dy_bf16);
    l->numbers.dy_bf16 = l->numbers.dx_bf16;
    check_backward(tier->batch_norm_backward, "batch_norm_backward", tier, l);
}

/* One of both kinds, as where a map leaves the convolutions. */
static void check_mixed(const vgg_kernels *tier, layer *l) {
    float *y = vgg_guarded_copy(l->floats.y);
    l->numbers.y = y;
    l->numbers.y_bf16 = NULL;
    run(tier->batch_norm, "batch_norm", tier, l);
    check_floats("batch_norm", tier, y, l->floats.y);
}

static void test_norm(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        for (size_t t = 0; vgg_kernels_at(t) != NULL; t++) {
            const vgg_kernels *tier = vgg_kernels_at(t);
            layer l = draw_layer(false);
            check_sums(tier->batch_norm_statistics, "batch_norm_statistics", tier, &l);
            check_forward(tier->batch_norm, "batch_norm", tier, &l);
            check_sums(tier->batch_norm_sums, "batch_norm_sums", tier, &l);
            check_backward(tier->batch_norm_backward, "batch_norm_backward", tier, &l);
            check_in_place(tier, &l);
            check_mixed(tier, &l);
            l = draw_layer(true);
            check_sums(tier->batch_norm_pool_sums, "batch_norm_pool_sums", tier, &l);
            check_backward(tier->batch_norm_pool_backward, "batch_norm_pool_backward", tier, &l);
            check_forward(tier->batch_norm_pool, "batch_norm_pool", tier, &l);
            vgg_guarded_free();
        }
    }
}

/* ---- convolutions ---- */

static vgg_conv_shape draw_shape(void) {
    vgg_conv_shape shape = vgg_draw_stored_shape();
    shape.kernel = vgg_draw_chance(4) ? 1 : 3;
    shape.plain = shape.kernel == 3 && vgg_draw_chance(4);
    shape.inputs = shape.plain ? vgg_draw(1, VGG_PLAIN_CHANNELS) : shape.inputs;
    return shape;
}

/* As on the way back: the gradient of a max-pool's output, and the ReLU below. */
static void turn_back(vgg_winograd_task *task) {
    const vgg_conv_shape *s = &task->shape;
    size_t windows = (s->height / 2) * (s->width / 2), pixels = s->height * s->width;
    if (vgg_draw_chance(2)) {
        task->x = vgg_draw_blocked(s->images, s->inputs, windows);
        task->spread = vgg_draw_choices(s->images, s->inputs, windows);
    }
    task->gate = vgg_rounded(vgg_draw_blocked(s->images, s->outputs, pixels));
    task->pool = false;
    task->y = vgg_guarded_floats(vgg_blocked_size(s->images, s->outputs, pixels));
}

static void check_convolution(const vgg_kernels *tier, const vgg_conv_shape *shape, size_t tile) {
    const char *kernel = tile == 1 ? "direct_bf16" : "winograd_bf16";
    vgg_winograd_layer l;
    vgg_draw_bf16_layer(&l, shape, tile);
    vgg_winograd_task floats = l.task;
    if (!shape->plain && vgg_draw_chance(2))
        turn_back(&floats);
    if (!shape->plain)
        floats.x = vgg_rounded(floats.x);
    floats.chosen = NULL;
    vgg_layer_run(tier, &floats, NULL);
    vgg_winograd_task numbers = floats;
    if (!shape->plain && !vgg_draw_chance(4)) {
        numbers.x_bf16 = numbers_of(floats.x);
        numbers.x = NULL;
    }
    if (!vgg_draw_chance(4)) {
        numbers.gate_bf16 = numbers_of(floats.gate);
        numbers.gate = NULL;
    }
    numbers.y_bf16 = memory_of(floats.y);
    numbers.y = NULL;
    vgg_running(kernel, tier->tier);
    vgg_winograd_kernels_for(tier, &numbers.partition)
        ->forward(&numbers, 0, numbers.partition.units, 0);
    vgg_running(NULL, NULL);
    check_numbers(kernel, tier, numbers.y_bf16, floats.y);
    vgg_guarded_free();
}

static void run_weights(const vgg_kernels *tier, vgg_winograd_weights_task *task) {
    const vgg_winograd_kernels *kernels = vgg_winograd_weights_kernels_for(tier, &task->partition);
    vgg_running("weights_bf16", tier->tier);
    kernels->weights(task, 0, task->partition.units, 0);
    if (task->partition.groups > 1)
        kernels->weights_finish(task, 0, vgg_winograd_weights_finish_units(&task->shape), 0);
    vgg_running(NULL, NULL);
}

static void check_weights(const vgg_kernels *tier, const vgg_conv_shape *s, size_t tile,
                          bool spread) {
    vgg_winograd_weights_partition cut = vgg_winograd_weights_bf16_partition_of(s, tile);
    size_t inputs = vgg_conv_in_height(s) * vgg_conv_in_width(s);
    size_t pixels = spread ? (s->height / 2) * (s->width / 2) : s->height * s->width;
    vgg_winograd_weights_task floats = {
        .shape = *s,
        .partition = cut,
        .x = vgg_rounded(vgg_draw_blocked(s->images, s->inputs, inputs)),
        .dy = vgg_rounded(vgg_draw_blocked(s->images, s->outputs, pixels)),
        .spread = spread ? vgg_draw_choices(s->images, s->outputs, pixels) : NULL,
        .sums = cut.groups > 1 ? vgg_guarded_floats(cut.sums) : NULL,
        .bias_sums = cut.groups > 1 ? vgg_guarded_floats(cut.bias_sums) : NULL,
        .dweights = vgg_guarded_floats(s->outputs * s->inputs * s->kernel * s->kernel),
        .dbias = vgg_guarded_floats(s->outputs),
        .scratch = vgg_guarded_floats(cut.scratch)};
    run_weights(tier, &floats);
    vgg_winograd_weights_task numbers = floats;
    bool both = vgg_draw_chance(2), first = vgg_draw_chance(2);
    if (both || first) {
        numbers.x_bf16 = numbers_of(floats.x);
        numbers.x = NULL;
    }
    if (both || !first) {
        numbers.dy_bf16 = numbers_of(floats.dy);
        numbers.dy = NULL;
    }
    numbers.dweights = vgg_guarded_floats(s->outputs * s->inputs * s->kernel * s->kernel);
    numbers.dbias = vgg_guarded_floats(s->outputs);
    run_weights(tier, &numbers);
    check_floats("weights_bf16", tier, numbers.dweights, floats.dweights);
    check_floats("weights_bf16", tier, numbers.dbias, floats.dbias);
    vgg_guarded_free();
}

/* A first layer, directly and in float32. */
static void check_first(const vgg_kernels *tier) {
    vgg_conv_shape s = {vgg_draw(1, 3),
                        vgg_draw(1, 4),
                        vgg_draw(1, 70),
                        vgg_draw(2, 23),
                        vgg_draw(2, 23),
                        3,
                        true,
                        0};
    size_t pixels = s.height * s.width;
    vgg_describe("first layer, %zu images, %zu -> %zu channels, %zu x %zu", s.images, s.inputs,
                 s.outputs, s.height, s.width);
    vgg_conv_forward_task floats = {
        .shape = s,
        .partition = vgg_conv_forward_partition(&s),
        .x = vgg_draw_vector(s.images * s.inputs * pixels),
        .packed = vgg_draw_vector(vgg_conv_packed_size(&s)),
        .bias = vgg_draw_vector(s.outputs),
        .relu = vgg_draw_chance(2),
        .stream = vgg_draw_chance(2),
        .pool = vgg_draw_chance(2),
    };
    size_t outputs = floats.pool ? (s.height / 2) * (s.width / 2) : pixels;
    floats.y = vgg_guarded_floats(vgg_blocked_size(s.images, s.outputs, outputs));
    floats.scratch = vgg_guarded_floats(floats.partition.scratch);
    vgg_conv_forward_task numbers = floats;
    numbers.y_bf16 = memory_of(floats.y);
    numbers.y = NULL;
    vgg_running("conv_forward", tier->tier);
    tier->conv_forward(&floats, 0, floats.partition.units, 0);
    tier->conv_forward(&numbers, 0, floats.partition.units, 0);
    vgg_running(NULL, NULL);
    check_numbers("conv_forward", tier, numbers.y_bf16, floats.y);
    vgg_guarded_free();
}

static void check_first_weights(const vgg_kernels *tier) {
    vgg_conv_shape s = {vgg_draw(1, 3),
                        vgg_draw(1, 4),
                        vgg_draw(1, 70),
                        vgg_draw(1, 13),
                        vgg_draw(1, 3) == 1 ? vgg_draw(120, 150) : vgg_draw(1, 23),
                        3,
                        true,
                        0};
    size_t pixels = s.height * s.width, groups = vgg_conv_weights_groups(&s);
    vgg_describe("first layer's weights, %zu images, %zu -> %zu channels, %zu x %zu", s.images,
                 s.inputs, s.outputs, s.height, s.width);
    vgg_conv_weights_task floats = {
        .shape = s,
        .groups = groups,
        .units = vgg_conv_weights_units(&s),
        .x = vgg_draw_vector(s.images * s.inputs * pixels),
        .dy = vgg_rounded(vgg_draw_blocked(s.images, s.outputs, pixels)),
        .partial = vgg_guarded_floats(groups * vgg_conv_weights_partial(&s)),
        .bias_partial = vgg_guarded_floats(groups * vgg_blocks(s.outputs) * VGG_BLOCK),
        .scratch = vgg_guarded_floats(vgg_conv_weights_scratch(&s)),
    };
    vgg_conv_weights_task numbers = floats;
    numbers.dy_bf16 = numbers_of(floats.dy);
    numbers.dy = NULL;
    numbers.partial = vgg_guarded_copy(floats.partial);
    numbers.bias_partial = vgg_guarded_copy(floats.bias_partial);
    vgg_running("conv_weights", tier->tier);
    tier->conv_weights(&floats, 0, floats.units, 0);
    tier->conv_weights(&numbers, 0, floats.units, 0);
    vgg_running(NULL, NULL);
    check_floats("conv_weights", tier, numbers.partial, floats.partial);
    check_floats("conv_weights", tier, numbers.bias_partial, floats.bias_partial);
    vgg_guarded_free();
}

static void test_first_layer(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        for (size_t t = 0; vgg_kernels_at(t) != NULL; t++) {
            check_first(vgg_kernels_at(t));
            check_first_weights(vgg_kernels_at(t));
        }
    }
}

static void test_convolutions(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        for (size_t t = 0; vgg_kernels_at(t) != NULL; t++) {
            if (!vgg_has_matrices(vgg_kernels_at(t)))
                continue;
            vgg_conv_shape shape = draw_shape();
            check_convolution(vgg_kernels_at(t), &shape, 1);
            shape.plain = false;
            check_weights(vgg_kernels_at(t), &shape, 1, i % 2 == 0);
        }
    }
}

static void test_winograd(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        for (size_t t = 0; vgg_kernels_at(t) != NULL; t++) {
            vgg_conv_shape shape = vgg_draw_stored_shape();
            shape.images = vgg_size_min(shape.images, 2);
            shape.height = vgg_size_min(shape.height, 9);
            check_convolution(vgg_kernels_at(t), &shape, i % 2 == 0 ? 2 : 4);
            check_weights(vgg_kernels_at(t), &shape, i % 2 == 0 ? 2 : 4, i % 4 < 2);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_norm, vgg_teardown),
        cmocka_unit_test_teardown(test_convolutions, vgg_teardown),
        cmocka_unit_test_teardown(test_winograd, vgg_teardown),
        cmocka_unit_test_teardown(test_first_layer, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
