/* Batch normalisation with a 2x2 max-pool behind it.
 *
 * result    bound
 * y         vgg_sum_error(0) * (|x scale| + |shift|) of the window's values, against ref
 * chosen    equal, and y has equal bits, to batch_norm and max_pool of the same tier
 * sums      vgg_sum_error(pixels) * sum of |dy| and |dy (x - mean)|, against batch_norm_sums of the
 *           same tier with the gradient that max_pool_backward gives
 * dx        equal bits to batch_norm_backward with that gradient
 *
 * Which value of a window is the greatest may differ between tiers, since they round; so ref is
 * only compared where that does not matter. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 40 };

typedef struct layer {
    vgg_batch_norm_task norm; /* as the kernels with a pool take it */
    vgg_pool_task pool;       /* the pool alone: x is what was normalised */
    size_t blocks;            /* of all images */
} layer;

static const float *draw_vector(size_t channels) {
    float *values = vgg_draw_blocked(1, channels, 1);
    vgg_guarded_lock(values);
    return values;
}

static layer draw_layer(void) {
    size_t images = vgg_draw(1, 4), channels = vgg_draw_channels();
    size_t height = vgg_draw(2, 19), width = vgg_draw(2, 19), pixels = height * width;
    size_t windows = (height / 2) * (width / 2);
    vgg_describe("%zu images, %zu channels, %zu x %zu", images, channels, height, width);
    layer l = {.blocks = images * vgg_blocks(channels)};
    float *x = vgg_draw_blocked(images, channels, pixels);
    float *dy = vgg_draw_blocked(images, channels, windows);
    vgg_guarded_lock(x);
    vgg_guarded_lock(dy);
    l.norm = (vgg_batch_norm_task){.images = images,
                                   .channels = channels,
                                   .pixels = pixels,
                                   .width = width,
                                   .x = x,
                                   .scale = draw_vector(channels),
                                   .shift = draw_vector(channels),
                                   .relu = vgg_draw_chance(2),
                                   .stream = vgg_draw_chance(2),
                                   .y = vgg_guarded_floats(l.blocks * windows * VGG_BLOCK),
                                   .chosen = vgg_guarded_choices(l.blocks * windows),
                                   .sums = vgg_guarded_floats(l.blocks * 2 * VGG_BLOCK),
                                   .mean = draw_vector(channels),
                                   .dy = dy,
                                   .from_dy = draw_vector(channels),
                                   .from_x = draw_vector(channels),
                                   .constant = draw_vector(channels),
                                   .dx = vgg_guarded_floats(l.blocks * pixels * VGG_BLOCK)};
    l.pool = (vgg_pool_task){.images = images,
                             .channels = channels,
                             .height = height,
                             .width = width,
                             .out_height = height / 2,
                             .out_width = width / 2,
                             .x = vgg_guarded_floats(l.blocks * pixels * VGG_BLOCK),
                             .y = vgg_guarded_copy(l.norm.y),
                             .chosen = vgg_guarded_choices(l.blocks * windows),
                             .dy = dy,
                             .dx = vgg_guarded_floats(l.blocks * pixels * VGG_BLOCK)};
    return l;
}

static size_t one_image(void *task, size_t image) {
    vgg_batch_norm_task *t = task;
    size_t blocks = vgg_blocks(t->channels), windows = (t->pixels / t->width / 2) * (t->width / 2);
    t->images = 1;
    t->x += image * blocks * t->pixels * VGG_BLOCK;
    t->dx += image * blocks * t->pixels * VGG_BLOCK;
    t->y += image * blocks * windows * VGG_BLOCK;
    t->dy += image * blocks * windows * VGG_BLOCK;
    t->chosen += image * blocks * windows;
    t->sums += image * blocks * 2 * VGG_BLOCK;
    return blocks;
}

/* The kernel of a tier by itself: all is written, nothing else, by whatever division. */
static vgg_kernel_case case_of(layer *l, const char *name, size_t kernel,
                               vgg_kernel_output output) {
    vgg_kernel_case item = {.name = name,
                            .kernel = kernel,
                            .task = &l->norm,
                            .task_size = sizeof l->norm,
                            .units = l->blocks,
                            .output_count = 1,
                            .images = l->norm.images,
                            .one_image = one_image};
    item.outputs[0] = output;
    item.outputs[0].size = sizeof(float);
    item.outputs[0].channels = l->norm.channels;
    return item;
}

/* ---- forward ---- */

/* |x scale| + |shift|, the greatest of each window. */
static const float *magnitude_of(const layer *l) {
    layer absolute = *l;
    absolute.norm.x = vgg_guarded_absolute(l->norm.x);
    absolute.norm.scale = vgg_guarded_absolute(l->norm.scale);
    absolute.norm.shift = vgg_guarded_absolute(l->norm.shift);
    absolute.norm.y = vgg_guarded_copy(l->norm.y);
    absolute.norm.chosen = vgg_guarded_copy(l->norm.chosen);
    vgg_reference()->batch_norm_pool(&absolute.norm, 0, l->blocks, 0);
    return absolute.norm.y;
}

/* batch_norm and max_pool one after the other. */
static void forward_apart(const layer *l, const vgg_kernels *tier) {
    vgg_batch_norm_task norm = l->norm;
    norm.y = (float *)l->pool.x;
    tier->batch_norm(&norm, 0, l->blocks, 0);
    vgg_pool_task pool = l->pool;
    tier->max_pool(&pool, 0, l->blocks, 0);
}

static void check_forward(layer *l) {
    vgg_kernel_output y = {.name = "y",
                           .data = l->norm.y,
                           .magnitude = magnitude_of(l),
                           .error = vgg_sum_error(0),
                           .pixels = l->pool.out_height * l->pool.out_width};
    vgg_kernel_case item = case_of(l, "batch_norm_pool", offsetof(vgg_kernels, batch_norm_pool), y);
    vgg_case_check(&item);
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        vgg_poison(l->norm.chosen, vgg_guarded_size(l->norm.chosen), sizeof *l->norm.chosen);
        vgg_case_run(&item, tier);
        forward_apart(l, tier);
        vgg_case_same(&item, tier, "with the pool on its own", l->norm.y, l->pool.y,
                      vgg_guarded_size(l->norm.y), sizeof(float));
        if (memcmp(l->norm.chosen, l->pool.chosen, vgg_guarded_size(l->norm.chosen)) != 0)
            vgg_kernel_fail(item.name, tier->tier, "chose otherwise than max_pool");
        vgg_choice *chosen = l->norm.chosen;
        l->norm.chosen = NULL;
        vgg_case_run(&item, tier);
        l->norm.chosen = chosen;
        vgg_case_same(&item, tier, "without choices", l->norm.y, l->pool.y,
                      vgg_guarded_size(l->norm.y), sizeof(float));
    }
}

/* ---- backward ---- */

/* sums of |dy| and |dy (x - mean)|, by ref. */
static const float *sums_magnitude(const layer *l, const vgg_batch_norm_task *apart) {
    vgg_batch_norm_task absolute = *apart;
    float *x = vgg_guarded_copy(l->norm.x), *mean = vgg_guarded_copy(l->norm.mean);
    size_t blocks = vgg_blocks(l->norm.channels);
    for (size_t i = 0; i < vgg_guarded_size(x) / sizeof *x; i++) {
        x[i] = fabsf(
            x[i] -
            l->norm.mean[i / VGG_BLOCK / l->norm.pixels % blocks * VGG_BLOCK + i % VGG_BLOCK]);
    }
    memset(mean, 0, vgg_guarded_size(mean));
    absolute.relu = false; /* an upper bound */
    absolute.x = x;
    absolute.mean = mean;
    absolute.dy = vgg_guarded_absolute(apart->dy);
    absolute.sums = vgg_guarded_copy(l->norm.sums);
    vgg_reference()->batch_norm_sums(&absolute, 0, l->blocks, 0);
    return absolute.sums;
}

static void check_sums(const layer *l, const vgg_kernels *tier, const float *expected,
                       const float *magnitude) {
    double error = vgg_sum_error(l->norm.pixels);
    for (size_t i = 0; i < vgg_guarded_size(expected) / sizeof *expected; i++) {
        double bound = error * (double)magnitude[i];
        if (!(fabs((double)l->norm.sums[i] - (double)expected[i]) <= bound))
            vgg_kernel_fail("batch_norm_pool_sums", tier->tier, "sum %zu is %.9g, not %.9g +- %.2g",
                            i, (double)l->norm.sums[i], (double)expected[i], bound);
    }
}

/* The same with max_pool_backward on its own. */
static void check_backward(layer *l, const vgg_kernels *tier) {
    const vgg_kernel_case sums =
        case_of(l, "batch_norm_pool_sums", offsetof(vgg_kernels, batch_norm_pool_sums),
                (vgg_kernel_output){.name = "sums", .data = l->norm.sums, .pixels = 2});
    const vgg_kernel_case backward =
        case_of(l, "batch_norm_pool_backward", offsetof(vgg_kernels, batch_norm_pool_backward),
                (vgg_kernel_output){.name = "dx", .data = l->norm.dx, .pixels = l->norm.pixels});
    vgg_pool_task pool = l->pool;
    pool.chosen = l->norm.chosen;
    tier->max_pool_backward(&pool, 0, l->blocks, 0);
    vgg_batch_norm_task apart = l->norm;
    apart.dy = pool.dx;
    apart.dx = vgg_guarded_copy(l->norm.dx);
    apart.sums = vgg_guarded_copy(l->norm.sums);
    tier->batch_norm_sums(&apart, 0, l->blocks, 0);
    tier->batch_norm_backward(&apart, 0, l->blocks, 0);
    vgg_case_run(&sums, tier);
    check_sums(l, tier, apart.sums, sums_magnitude(l, &apart));
    vgg_case_run(&backward, tier);
    vgg_case_same(&backward, tier, "with the pool on its own", l->norm.dx, apart.dx,
                  vgg_guarded_size(apart.dx), sizeof(float));
}

static void test_all(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        layer l = draw_layer();
        check_forward(&l);
        for (size_t t = 0; vgg_kernels_at(t) != NULL; t++) {
            check_backward(&l, vgg_kernels_at(t));
        }
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_all, vgg_teardown)};
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
