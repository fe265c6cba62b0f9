/* Convolution by F(4x4, 3x3).
 *
 * kernel    bound
 * winograd  ERROR * ((sum |x w| + |bias|) |scale| + |shift|)
 *
 * The sum in parentheses is ref's result for the absolute values of all inputs; a max-pool takes
 * the greatest of a window and moves no numbers apart. How a tier stores filters is its own
 * business, so that both kernels are run as a plan runs them, and only what comes out is compared:
 * - with ref, and with zero beyond the channels;
 * - bit by bit, when the units are cut for another number of threads and done in random ranges by
 *   random workers, of which no two may write the same value;
 * - bit by bit, when an image is alone.
 * All memory that is written begins as poison, and everything else is read-only or checked. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

/* Rounding errors of the transformed values come out multiplied by sums of products of the three
 * transforms' coefficients, and what cancels in an output does not cancel in them. No number of
 * channels makes that more: the errors of n of them grow like the square root of n. The greatest
 * error of some 500 random shapes is 12 roundings, and there is room for three times that; one
 * wrong term of a sum of 4000 is still thirty times the bound, as above vgg_sum_error(). */
#define ERROR (36 * VGG_ROUNDING)

enum { MOST_IMAGES = 80, MOST_DISTINCT = 3, MOST_RANGES = 5, MOST_THREADS = 5, RANDOM_SHAPES = 12 };

/* Images, channels in and out, height, width, kernel, plain. */
static const vgg_conv_shape SHAPES[] = {
    /* One tile that is full, and tiles that hang over by all sizes. */
    {1, 16, 16, 4, 4, 3, false},
    {2, 16, 17, 5, 8, 3, false},
    {1, 31, 33, 6, 7, 3, false},
    /* Units of some tiles of an image. */
    {2, 70, 20, 23, 22, 3, false},
    {1, 16, 16, 9, 97, 3, false},
    /* Filters just stored, and just not. */
    {2, 128, 128, 5, 5, 3, false},
    {2, 129, 128, 5, 5, 3, false},
    /* Units that end within an image, and filters made for some input channels at a time. */
    {65, 144, 130, 5, 5, 3, false},
    {30, 420, 40, 9, 9, 3, false},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

/* A batch, in which some images are there several times, and `few`, which has each once: ref is
 * slow. */
typedef struct layer {
    vgg_winograd_task task, few;
    size_t source[MOST_IMAGES]; /* the image of `few` */
    float *merged;              /* memory for what ranges of units write */
} layer;

/* One of the three kernels at work. */
typedef struct stage {
    const char *name, *tier;
    vgg_pool_work *work;
    size_t units;
    float *output;
    size_t count; /* floats of output */
} stage;

/* ---- layers ---------------------------------------------------------------------------------- */

static size_t input_size(const vgg_winograd_task *t) {
    return vgg_blocked_size(1, t->shape.inputs, t->shape.height * t->shape.width);
}

static size_t output_pixels(const vgg_winograd_task *t) {
    size_t divisor = t->pool ? 2 : 1;
    return (t->shape.height / divisor) * (t->shape.width / divisor);
}

static size_t output_size(const vgg_winograd_task *t) {
    return vgg_blocked_size(1, t->shape.outputs, output_pixels(t));
}

static vgg_conv_shape draw_stored_shape(void) {
    size_t images = vgg_draw(1, 4), height = vgg_draw(5, 23), width = vgg_draw(5, 23);
    return (vgg_conv_shape){images, vgg_draw(16, 70), vgg_draw(16, 70), height, width, 3, false};
}

static vgg_conv_shape draw_made_shape(void) {
    size_t inputs = vgg_draw(40, 420);
    size_t least = 128 * 128 / inputs + 1;
    size_t images = vgg_draw(1, 8), outputs = vgg_draw(least, least + 40);
    return (vgg_conv_shape){images, inputs, outputs, vgg_draw(5, 9), vgg_draw(5, 9), 3, false};
}

static void describe(const vgg_winograd_task *t) {
    const vgg_conv_shape *s = &t->shape;
    vgg_describe("%zu images, %zu -> %zu channels, %zu x %zu%s%s%s%s%s", s->images, s->inputs,
                 s->outputs, s->height, s->width, t->partition.stored ? ", stored filters" : "",
                 t->turned ? ", turned" : "", t->scale != NULL ? ", scaled" : "",
                 t->relu ? ", ReLU" : "", t->pool ? ", pool" : "");
}

/* The batch's images are copies of those of `few`, each at least once. */
static void repeat_images(layer *l) {
    size_t images = l->task.shape.images, size = input_size(&l->task);
    float *x = vgg_guarded_floats(images * size);
    for (size_t n = 0; n < images; n++) {
        l->source[n] = n < l->few.shape.images ? n : vgg_draw(0, l->few.shape.images - 1);
        memcpy(x + n * size, l->few.x + l->source[n] * size, size * sizeof *x);
    }
    l->task.x = x;
    vgg_guarded_lock(x);
}

static const float *draw_vector(size_t channels) {
    float *values = vgg_draw_blocked(1, channels, 1);
    vgg_guarded_lock(values);
    return values;
}

/* Some images of a task, in a batch of their own. */
static vgg_winograd_task part_of(const vgg_winograd_task *task, size_t first, size_t images) {
    vgg_winograd_task part = *task;
    part.shape.images = images;
    part.partition = vgg_winograd_partition_of(&part.shape, vgg_draw(1, MOST_THREADS));
    part.x += first * input_size(task);
    part.y += first * output_size(task);
    return part;
}

static void take_memory(layer *l) {
    vgg_winograd_task *t = &l->task;
    const vgg_winograd_partition *cut = &t->partition;
    size_t y = t->shape.images * output_size(t);
    t->filters = cut->stored ? vgg_guarded_floats(cut->filters) : NULL;
    t->scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * cut->scratch);
    t->y = vgg_guarded_floats(y);
    l->merged = vgg_guarded_floats(vgg_size_max(y, cut->filters));
}

static void draw_layer(layer *l, const vgg_conv_shape *s) {
    bool scaled = vgg_draw_chance(2);
    float *weights = vgg_draw_floats(s->outputs * s->inputs * 9);
    size_t few = vgg_size_min(s->images, MOST_DISTINCT);
    *l = (layer){.task = {.shape = *s,
                          .partition = vgg_winograd_partition_of(s, vgg_draw(1, MOST_THREADS)),
                          .weights = weights,
                          .turned = vgg_draw_chance(3),
                          .bias = vgg_draw_chance(3) ? NULL : draw_vector(s->outputs),
                          .scale = scaled ? draw_vector(s->outputs) : NULL,
                          .shift = scaled ? draw_vector(s->outputs) : NULL,
                          .relu = vgg_draw_chance(2),
                          .pool = vgg_draw_chance(2)}};
    describe(&l->task);
    vgg_guarded_lock(weights);
    take_memory(l);
    l->few = part_of(&l->task, 0, few);
    l->few.x = vgg_draw_blocked(few, s->inputs, s->height * s->width);
    l->few.y = vgg_guarded_floats(few * output_size(&l->few));
    repeat_images(l);
}

/* ---- running --------------------------------------------------------------------------------- */

/* One call, with all that must not change checked afterwards. */
static void call(const stage *s, const vgg_winograd_task *task, size_t begin, size_t end,
                 size_t worker) {
    vgg_winograd_task argument = *task;
    float *scratch = task->scratch;
    size_t size = task->partition.scratch;
    vgg_poison(scratch, VGG_KERNEL_WORKERS * size * sizeof *scratch, sizeof *scratch);
    vgg_running(s->name, s->tier);
    s->work(&argument, begin, end, worker);
    vgg_guarded_check();
    vgg_running(NULL, NULL);
    for (size_t i = 0; i < VGG_KERNEL_WORKERS * size; i++)
        if (i / size != worker && !vgg_poisoned(scratch + i, sizeof *scratch))
            vgg_kernel_fail(s->name, s->tier, "worker %zu wrote the scratch of worker %zu", worker,
                            i / size);
    if (argument.x != task->x || argument.y != task->y || argument.filters != task->filters)
        vgg_kernel_fail(s->name, s->tier, "the task is changed");
}

/* Moves what a call wrote to `merged`. */
static void collect(const stage *s, float *merged) {
    for (size_t i = 0; i < s->count; i++) {
        if (vgg_poisoned(s->output + i, sizeof *merged))
            continue;
        if (!vgg_poisoned(merged + i, sizeof *merged))
            vgg_kernel_fail(s->name, s->tier, "value %zu is written by two units", i);
        merged[i] = s->output[i];
    }
    vgg_poison(s->output, s->count * sizeof *merged, sizeof *merged);
}

/* All units by one worker, or, with memory for what they write, in ranges in random order. What the
 * output held before has to stay. */
static void run_stage(const stage *s, const vgg_winograd_task *task, float *merged) {
    if (merged == NULL) {
        call(s, task, 0, s->units, 0);
        return;
    }
    size_t bounds[MOST_RANGES + 1], order[MOST_RANGES] = {0};
    size_t ranges = vgg_size_min(s->units, MOST_RANGES);
    bounds[0] = 0;
    bounds[ranges] = s->units;
    for (size_t r = 1; r < ranges; r++)
        bounds[r] = vgg_draw(bounds[r - 1] + 1, s->units - (ranges - r));
    for (size_t r = 0; r < ranges; r++) {
        size_t other = vgg_draw(0, r);
        order[r] = order[other];
        order[other] = r;
    }
    memcpy(merged, s->output, s->count * sizeof *merged);
    vgg_poison(s->output, s->count * sizeof *merged, sizeof *merged);
    for (size_t r = 0; r < ranges; r++) {
        size_t first = bounds[order[r]], end = bounds[order[r] + 1];
        call(s, task, first, end, vgg_draw(0, VGG_KERNEL_WORKERS - 1));
        collect(s, merged);
    }
    memcpy(s->output, merged, s->count * sizeof *merged);
}

/* Makes the filters where there was poison. */
static void prepare(const vgg_kernels *tier, const vgg_winograd_task *task, float *merged) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t groups = (task->shape.outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP;
    stage s = {"winograd_filters", tier->tier,  tier->winograd_filters, groups,
               task->filters,      cut->filters};
    if (!cut->stored)
        return;
    vgg_poison(s.output, s.count * sizeof(float), sizeof(float));
    run_stage(&s, task, merged);
}

static void run(const vgg_kernels *tier, const vgg_winograd_task *task, float *merged) {
    stage s = {"winograd",     tier->tier,
               tier->winograd, task->partition.units,
               task->y,        task->shape.images * output_size(task)};
    vgg_poison(s.output, s.count * sizeof(float), sizeof(float));
    prepare(tier, task, merged);
    run_stage(&s, task, merged);
}

/* ---- comparisons ----------------------------------------------------------------------------- */

static const vgg_kernel_case NAMED = {.name = "winograd"};

/* What ref makes of the absolute values. */
static const float *magnitude_of(const layer *l) {
    vgg_winograd_task absolute = l->few;
    absolute.x = vgg_guarded_absolute(l->few.x);
    absolute.weights = vgg_guarded_absolute(l->few.weights);
    absolute.bias = vgg_guarded_absolute(l->few.bias);
    absolute.scale = vgg_guarded_absolute(l->few.scale);
    absolute.shift = vgg_guarded_absolute(l->few.shift);
    absolute.y = vgg_guarded_copy(l->few.y);
    run(vgg_reference(), &absolute, NULL);
    return absolute.y;
}

static void check_near(const layer *l, const vgg_kernels *tier, const float *expected,
                       const float *magnitude) {
    size_t size = output_size(&l->task);
    for (size_t i = 0; i < l->task.shape.images * size; i++) {
        size_t at = l->source[i / size] * size + i % size;
        double found = (double)l->task.y[i], wanted = (double)expected[at];
        double bound = ERROR * (double)magnitude[at];
        if (!(fabs(found - wanted) <= bound))
            vgg_kernel_fail("winograd", tier->tier,
                            "value %zu of image %zu is %.9g instead of %.9g +- %.2g", i % size,
                            i / size, found, wanted, bound);
    }
}

static void check_same(const layer *l, const vgg_kernels *tier, const char *when, size_t image,
                       const float *expected, size_t images) {
    size_t size = output_size(&l->task);
    vgg_case_same(&NAMED, tier, when, l->task.y + image * size, expected,
                  images * size * sizeof *expected, sizeof *expected);
}

static void check_tier(const layer *l, const vgg_kernels *tier, const float *expected,
                       const float *magnitude) {
    run(tier, &l->task, NULL);
    check_near(l, tier, expected, magnitude);
    const float *whole = vgg_guarded_copy(l->task.y);
    run(tier, &l->task, l->merged);
    check_same(l, tier, "when the units are divided", 0, whole, l->task.shape.images);
    for (size_t n = 0; n < l->few.shape.images; n++) {
        vgg_winograd_task alone = part_of(&l->few, n, 1);
        run(tier, &alone, NULL);
    }
    for (size_t n = 0; n < l->task.shape.images; n++)
        check_same(l, tier, "when each image is alone", n,
                   l->few.y + l->source[n] * output_size(&l->few), 1);
}

static void check_shape(const vgg_conv_shape *shape) {
    layer l;
    draw_layer(&l, shape);
    run(vgg_reference(), &l.few, NULL);
    const float *expected = vgg_guarded_copy(l.few.y), *magnitude = magnitude_of(&l);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++)
        check_tier(&l, vgg_kernels_at(i), expected, magnitude);
    vgg_guarded_free();
}

static void test_shapes(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SHAPES; i++)
        check_shape(&SHAPES[i]);
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = i % 5 == 0 ? draw_made_shape() : draw_stored_shape();
        assert_int_equal(vgg_winograd_partition_of(&shape, 1).stored, i % 5 != 0);
        check_shape(&shape);
    }
}

/* ---- NaN ------------------------------------------------------------------------------------- */

/* Fails unless all that has the input (row, column) of image n in reach is NaN. */
static void check_nan_spread(const vgg_winograd_task *t, const char *tier, size_t n, size_t row,
                             size_t column) {
    size_t side = t->pool ? 2 : 1, pixels = output_pixels(t);
    size_t height = t->shape.height / side, width = t->shape.width / side;
    for (size_t k = 0; k < t->shape.outputs; k++)
        for (size_t i = 0; i < 9; i++) {
            size_t y = row + i / 3, x = column + i % 3; /* one more than the output's */
            if (y == 0 || x == 0 || (y - 1) / side >= height || (x - 1) / side >= width)
                continue;
            size_t pixel = (y - 1) / side * width + (x - 1) / side;
            if (!isnan(t->y[vgg_blocked_at(t->shape.outputs, pixels, n, k, pixel)]))
                vgg_kernel_fail("winograd", tier, "(%zu, %zu, %zu) is not NaN", n, k, pixel);
        }
}

/* A NaN in one image comes through ReLU and max-pool, and the other images have the same bits. */
static void check_nan_input(const vgg_conv_shape *s) {
    layer l;
    draw_layer(&l, s);
    vgg_winograd_task task = l.few;
    float *x = vgg_guarded_copy(task.x);
    size_t n = vgg_draw(0, task.shape.images - 1), c = vgg_draw(0, s->inputs - 1);
    size_t row = vgg_draw(0, s->height - 1), column = vgg_draw(0, s->width - 1);
    x[vgg_blocked_at(s->inputs, s->height * s->width, n, c, row * s->width + column)] = (float)NAN;
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        task.x = l.few.x;
        run(tier, &task, NULL);
        const float *finite = vgg_guarded_copy(task.y);
        task.x = x;
        run(tier, &task, NULL);
        check_nan_spread(&task, tier->tier, n, row, column);
        for (size_t image = 0, size = output_size(&task); image < task.shape.images; image++)
            if (image != n)
                vgg_case_same(&NAMED, tier, "with a NaN in another image", task.y + image * size,
                              finite + image * size, size * sizeof *x, sizeof *x);
    }
    vgg_guarded_free();
}

/* ---- what it has to agree with --------------------------------------------------------------- */

/* conv's result in task's place: normalised and pooled by kernels of their own. */
static void finish_apart(const vgg_kernels *tier, const vgg_winograd_task *task, float *conv) {
    const vgg_conv_shape *s = &task->shape;
    size_t pixels = s->height * s->width, blocks = s->images * vgg_blocks(s->outputs);
    float *normed = vgg_guarded_floats(blocks * pixels * VGG_BLOCK);
    vgg_batch_norm_task norm = {.images = s->images,
                                .channels = s->outputs,
                                .pixels = pixels,
                                .x = conv,
                                .scale = task->scale,
                                .shift = task->shift,
                                .relu = task->relu,
                                .y = normed};
    tier->batch_norm(&norm, 0, blocks, 0);
    vgg_pool_task pool = {.images = s->images,
                          .channels = s->outputs,
                          .height = s->height,
                          .width = s->width,
                          .out_height = s->height / 2,
                          .out_width = s->width / 2,
                          .x = normed,
                          .y = task->y};
    memcpy(task->y, normed, vgg_guarded_size(task->y));
    if (task->pool)
        tier->max_pool(&pool, 0, blocks, 0);
}

/* A batch norm and a max-pool behind the convolution and within it give the same bits. */
static void check_fold(const vgg_conv_shape *shape) {
    layer l;
    draw_layer(&l, shape);
    vgg_winograd_task task = l.task;
    task.scale = draw_vector(shape->outputs);
    task.shift = draw_vector(shape->outputs);
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        run(tier, &task, NULL);
        const float *folded = vgg_guarded_copy(task.y);
        vgg_winograd_task bare = task;
        bare.scale = bare.shift = NULL;
        bare.relu = bare.pool = false;
        bare.y = vgg_guarded_floats(bare.shape.images * output_size(&bare));
        run(tier, &bare, NULL);
        finish_apart(tier, &task, bare.y);
        check_same(&l, tier, "with what follows on its own", 0, folded, task.shape.images);
    }
    vgg_guarded_free();
}

/* ref without a pool is the convolution of conv_forward, which has tests of its own. */
static void check_reference(const vgg_conv_shape *s) {
    layer l;
    draw_layer(&l, s);
    vgg_winograd_task *task = &l.few;
    task->pool = false;
    task->y = vgg_guarded_floats(task->shape.images * output_size(task));
    run(vgg_reference(), task, NULL);
    vgg_conv_forward_task direct = {.shape = task->shape, .x = task->x, .relu = task->relu};
    direct.partition = vgg_conv_forward_partition(&direct.shape);
    float *packed = vgg_guarded_floats(vgg_conv_packed_size(s));
    vgg_conv_pack_task pack = {
        .shape = *s, .turned = task->turned, .weights = task->weights, .packed = packed};
    vgg_conv_pack(&pack, 0, vgg_blocks(s->outputs), 0);
    direct.packed = packed;
    direct.bias = task->bias;
    direct.scale = task->scale;
    direct.shift = task->shift;
    direct.y = vgg_guarded_copy(task->y);
    direct.scratch = vgg_guarded_floats(direct.partition.scratch);
    vgg_reference()->conv_forward(&direct, 0, direct.partition.units, 0);
    for (size_t i = 0; i < task->shape.images * output_size(task); i++)
        if (!(fabsf(task->y[i] - direct.y[i]) <= 1e-5F * fmaxf(1, fabsf(direct.y[i]))))
            vgg_kernel_fail("winograd", "ref", "value %zu is %g instead of %g", i,
                            (double)task->y[i], (double)direct.y[i]);
    vgg_guarded_free();
}

static void test_agreement(void **state) {
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        vgg_conv_shape shape = draw_stored_shape();
        shape.height = vgg_draw(5, 9);
        if (i % 4 == 3)
            shape = (vgg_conv_shape){3, 140, 120, 5, 6, 3, false};
        check_reference(&shape);
        check_nan_input(&shape);
        check_fold(&shape);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_agreement, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
