/* Batch normalisation on a GPU, each step from the same figures as ref.
 *
 * kernel            bound
 * norm_statistics,  |x| of the largest value: a run's sums have vgg_sum_error(64) of their terms
 * norm_batch
 * norm_running      as its definition: in double, rounded once
 * norm_apply        vgg_sum_error(2) * (|x scale| + |shift|)
 * norm_sums,        vgg_sum_error(64) * the sum of absolute terms
 * norm_gradients
 * norm_backward     vgg_sum_error(4) * the sum of absolute terms */
#include "cuda/bodies_norm.h"

#include <math.h>

#include "bodies_test.h"

enum { RANDOM_SHAPES = 60 };

/* Both sides. Figures per channel have room for the blocks of one and the lanes of the other. */
typedef struct norm_case {
    body_map map;
    float *x, *dy; /* blocked */
    vgg_batch_norm_task cpu;
    vgg_norm_channels_task cpu_channels;
    vgg_gpu_norm_task gpu;
    vgg_gpu_norm_channels_task gpu_channels;
} norm_case;

static float *figures(const norm_case *n) {
    float *made = vgg_guarded_floats(vgg_blocks(n->map.channels) * VGG_BLOCK);
    memset(made, 0, vgg_guarded_size(made));
    return made;
}

static float *drawn_figures(const norm_case *n, double low, double high) {
    float *made = figures(n);
    for (size_t c = 0; c < n->map.channels; c++) {
        made[c] = (float)vgg_draw_real(low, high);
    }
    return made;
}

/* Values around `middle`. */
static void draw_values(norm_case *n, float middle) {
    const body_map *map = &n->map;
    n->x = vgg_draw_blocked(map->images, map->channels, map->pixels);
    n->dy = vgg_draw_blocked(map->images, map->channels, map->pixels);
    for (size_t i = 0; i < vgg_guarded_size(n->x) / sizeof *n->x; i++) {
        n->x[i] = n->x[i] != 0 ? n->x[i] + middle : 0;
    }
}

static void set_figures(norm_case *n) {
    const body_map *map = &n->map;
    n->cpu_channels = (vgg_norm_channels_task){.images = map->images,
                                               .channels = map->channels,
                                               .pixels = map->pixels,
                                               .epsilon = 1e-5,
                                               .momentum = 0.1,
                                               .gamma = drawn_figures(n, -2, 2),
                                               .beta = drawn_figures(n, -1, 1),
                                               .running_mean = drawn_figures(n, -1, 1),
                                               .running_variance = drawn_figures(n, 0, 2),
                                               .mean = figures(n),
                                               .inverse = figures(n),
                                               .scale = figures(n),
                                               .shift = figures(n),
                                               .dgamma = figures(n),
                                               .dbeta = figures(n),
                                               .from_dy = figures(n),
                                               .from_x = figures(n),
                                               .constant = figures(n)};
    n->cpu_channels.moved_mean = vgg_guarded_copy(n->cpu_channels.running_mean);
    n->cpu_channels.moved_variance = vgg_guarded_copy(n->cpu_channels.running_variance);
    const vgg_norm_channels_task *c = &n->cpu_channels;
    n->gpu_channels =
        (vgg_gpu_norm_channels_task){.channels = map->channels,
                                     .positions = n->gpu.positions,
                                     .chunks = n->gpu.chunks,
                                     .epsilon = c->epsilon,
                                     .momentum = c->momentum,
                                     .gamma = c->gamma,
                                     .beta = c->beta,
                                     .running_mean = c->running_mean,
                                     .running_variance = c->running_variance,
                                     .moved_mean = vgg_guarded_copy(c->moved_mean),
                                     .moved_variance = vgg_guarded_copy(c->moved_variance),
                                     .mean = figures(n),
                                     .inverse = figures(n),
                                     .scale = figures(n),
                                     .shift = figures(n),
                                     .sums = n->gpu.sums,
                                     .gradient_factor = 1,
                                     .dgamma = figures(n),
                                     .dbeta = figures(n),
                                     .from_dy = figures(n),
                                     .from_x = figures(n),
                                     .constant = figures(n)};
}

static norm_case draw_norm(float middle) {
    norm_case n = {.map = {vgg_draw(1, 4), vgg_draw_channels(), vgg_draw(2, 130), draw_element()}};
    const body_map *map = &n.map;
    size_t positions = map->images * map->pixels;
    draw_values(&n, map->element == VGG_GPU_FLOAT32 ? middle : 0);
    n.gpu = (vgg_gpu_norm_task){.positions = positions,
                                .channels = map->channels,
                                .chunks = vgg_draw(1, vgg_draw_chance(4) ? positions + 3 : 7),
                                .x = map_of(map, n.x),
                                .dy = map_of(map, n.dy),
                                .element = map->element,
                                .relu = vgg_draw_chance(2)};
    vgg_describe("%zu images, %zu channels, %zu pixels in %s, %zu chunks", map->images,
                 map->channels, map->pixels, element_name(map->element), n.gpu.chunks);
    n.gpu.sums = vgg_guarded_floats(n.gpu.chunks * 2 * map_lanes(map));
    n.cpu = (vgg_batch_norm_task){
        .images = map->images,
        .channels = map->channels,
        .pixels = map->pixels,
        .x = n.x,
        .relu = n.gpu.relu,
        .y = vgg_guarded_floats(vgg_blocked_size(map->images, map->channels, map->pixels)),
        .sums = vgg_guarded_floats(vgg_blocked_size(map->images, map->channels, 2)),
        .dy = n.dy,
        .dx = vgg_guarded_floats(vgg_blocked_size(map->images, map->channels, map->pixels))};
    set_figures(&n);
    n.cpu_channels.sums = n.cpu.sums;
    return n;
}

static size_t chunk_units(const norm_case *n) {
    return n->gpu.chunks * VGG_GPU_GROUPS(n->map.channels);
}

static size_t cpu_units(const norm_case *n) {
    return n->map.images * vgg_blocks(n->map.channels);
}

/* Figures of all channels; error: of 1 and of the expected one. */
static void check_figures(const char *kernel, const char *what, const norm_case *n,
                          const float *found, const float *expected, double error) {
    for (size_t c = 0; c < n->map.channels; c++) {
        check_number(kernel, what, c, (double)found[c], (double)expected[c],
                     error * (1 + fabs((double)expected[c])));
    }
}

/* What the forward pass needs of the batch, on both sides. */
static void take_statistics(norm_case *n) {
    VGG_RUN_BODY(norm_statistics, &n->gpu, chunk_units(n));
    VGG_RUN_BODY(norm_batch, &n->gpu_channels, n->map.channels);
    vgg_reference()->batch_norm_statistics(&n->cpu, 0, cpu_units(n), 0);
    vgg_reference()->batch_norm_batch(&n->cpu_channels, 0, vgg_blocks(n->map.channels), 0);
}

static void test_statistics(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        /* Sums of squares alone would lose all digits of a variance around 1 here; means are
         * rounded on both sides. */
        float middle = i % 3 == 0 ? 3000 : 0;
        norm_case n = draw_norm(middle);
        take_statistics(&n);
        const vgg_norm_channels_task *cpu = &n.cpu_channels;
        const vgg_gpu_norm_channels_task *gpu = &n.gpu_channels;
        double error = vgg_sum_error(VGG_BODY_RUN);
        check_figures("norm_batch", "mean", &n, gpu->mean, cpu->mean, error);
        for (size_t c = 0; c < n.map.channels; c++) {
            double wanted = (double)cpu->inverse[c];
            /* A variance may be nearly 0, where epsilon is all that there is. */
            double variance = 1 / (wanted * wanted);
            check_number("norm_batch", "variance", c,
                         1 / ((double)gpu->inverse[c] * (double)gpu->inverse[c]), variance,
                         4 * error * (variance + 1e-3) + 4 * VGG_ROUNDING * (double)middle);
            check_number("norm_batch", "scale", c, (double)gpu->scale[c],
                         (double)gpu->inverse[c] * (double)cpu->gamma[c],
                         1e-6 * fabs((double)gpu->scale[c]));
            check_number("norm_batch", "shift", c, (double)gpu->shift[c],
                         (double)cpu->beta[c] - (double)gpu->mean[c] * (double)gpu->scale[c],
                         1e-6 * (1 + fabs((double)gpu->mean[c] * (double)gpu->scale[c])));
        }
        check_figures("norm_batch", "moved mean", &n, gpu->moved_mean, cpu->moved_mean, error);
        check_figures("norm_batch", "moved variance", &n, gpu->moved_variance, cpu->moved_variance,
                      4 * error + VGG_ROUNDING * (double)middle);
        vgg_guarded_check();
        vgg_guarded_free();
    }
}

static void test_running(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        norm_case n = draw_norm(0);
        const vgg_norm_channels_task *cpu = &n.cpu_channels;
        vgg_gpu_norm_channels_task *gpu = &n.gpu_channels;
        vgg_reference()->batch_norm_running(&n.cpu_channels, 0, vgg_blocks(n.map.channels), 0);
        VGG_RUN_BODY(norm_running, gpu, n.map.channels);
        check_figures("norm_running", "scale", &n, gpu->scale, cpu->scale, VGG_ROUNDING);
        check_figures("norm_running", "shift", &n, gpu->shift, cpu->shift, VGG_ROUNDING);
        check_figures("norm_running", "mean", &n, gpu->mean, cpu->mean, 0);
        check_figures("norm_running", "inverse", &n, gpu->inverse, cpu->inverse, VGG_ROUNDING);
        gpu->mean = gpu->inverse = NULL;
        VGG_RUN_BODY(norm_running, gpu, n.map.channels);
        vgg_guarded_check();
        vgg_guarded_free();
    }
}

/* The figures of the GPU become those of both sides. */
static void share_figures(norm_case *n) {
    const vgg_gpu_norm_channels_task *from = &n->gpu_channels;
    n->cpu.scale = n->gpu.scale = from->scale;
    n->cpu.shift = n->gpu.shift = from->shift;
    n->cpu.mean = n->gpu.mean = from->mean;
    n->cpu_channels.scale = from->scale;
    n->cpu_channels.inverse = from->inverse;
    n->cpu.from_dy = n->gpu.from_dy = from->from_dy;
    n->cpu.from_x = n->gpu.from_x = from->from_x;
    n->cpu.constant = n->gpu.constant = from->constant;
}

/* The sum of the absolute terms a[i] b[c] + ... of each value: blocked, with b per channel. */
static void add_terms(const norm_case *n, const float *a, float less, const float *less_of,
                      const float *b, float *sums) {
    size_t values = vgg_guarded_size(sums) / sizeof *sums, blocks = vgg_blocks(n->map.channels);
    for (size_t i = 0; i < values; i++) {
        size_t c = i / VGG_BLOCK / n->map.pixels % blocks * VGG_BLOCK + i % VGG_BLOCK;
        float term = a == NULL ? 1 : fabsf(a[i]) + less * fabsf(less_of[c]);
        sums[i] += term * fabsf(b[c]);
    }
}

static float *no_terms(const norm_case *n) {
    float *sums = vgg_guarded_copy(n->cpu.dx);
    memset(sums, 0, vgg_guarded_size(sums));
    return sums;
}

static void test_apply(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        norm_case n = draw_norm(0);
        take_statistics(&n);
        share_figures(&n);
        float *terms = no_terms(&n);
        n.gpu.to = map_room(&n.map);
        VGG_RUN_BODY(norm_apply, &n.gpu, map_groups(&n.map));
        vgg_reference()->batch_norm(&n.cpu, 0, cpu_units(&n), 0);
        add_terms(&n, n.x, 0, n.gpu.shift, n.gpu.scale, terms);
        add_terms(&n, NULL, 0, NULL, n.gpu.shift, terms);
        check_map("norm_apply", &n.map, n.gpu.to, n.cpu.y, terms, vgg_sum_error(2));
        vgg_guarded_free();
    }
}

/* The gradients per channel, and from_dy, from_x and constant. */
static void check_gradients(norm_case *n, double count) {
    const vgg_norm_channels_task *cpu = &n->cpu_channels;
    vgg_gpu_norm_channels_task *gpu = &n->gpu_channels;
    float factor = gpu->gradient_factor, *before = vgg_guarded_copy(gpu->dgamma);
    VGG_RUN_BODY(norm_sums, &n->gpu, chunk_units(n));
    VGG_RUN_BODY(norm_gradients, gpu, n->map.channels);
    vgg_reference()->batch_norm_sums(&n->cpu, 0, cpu_units(n), 0);
    vgg_reference()->batch_norm_gradients(&n->cpu_channels, 0, vgg_blocks(n->map.channels), 0);
    double error = vgg_sum_error(VGG_BODY_RUN);
    for (size_t c = 0; c < n->map.channels; c++) {
        double start = gpu->add ? (double)before[c] : 0, inverse = (double)gpu->inverse[c];
        double scale = fabs((double)gpu->scale[c]);
        double most = (fabs((double)gpu->mean[c]) + 1) * inverse; /* of (x - mean) / s */
        check_number("norm_gradients", "dbeta", c, (double)gpu->dbeta[c],
                     start + (double)factor * (double)cpu->dbeta[c],
                     error * (1 + (double)factor * count));
        check_number("norm_gradients", "dgamma", c, (double)gpu->dgamma[c],
                     start + (double)factor * (double)cpu->dgamma[c],
                     error * (1 + (double)factor * count * most));
        check_number("norm_gradients", "from_dy", c, (double)gpu->from_dy[c],
                     (double)cpu->from_dy[c], 0);
        check_number("norm_gradients", "from_x", c, (double)gpu->from_x[c], (double)cpu->from_x[c],
                     error * scale * inverse * most);
        check_number("norm_gradients", "constant", c, (double)gpu->constant[c],
                     (double)cpu->constant[c], error * scale);
    }
}

static void test_backward(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        norm_case n = draw_norm(0);
        take_statistics(&n);
        share_figures(&n);
        n.cpu_channels.batch_statistics = i % 2;
        n.gpu_channels.batch_statistics = i % 2;
        n.gpu_channels.add = i % 4 < 2;
        n.gpu_channels.gradient_factor = i % 3 == 0 ? 0.125F : 1;
        for (size_t c = 0; c < n.map.channels; c++) {
            n.gpu_channels.dgamma[c] = n.gpu_channels.dbeta[c] = 3;
        }
        check_gradients(&n, (double)n.gpu.positions);
        float *terms = no_terms(&n);
        n.gpu.to = map_room(&n.map);
        VGG_RUN_BODY(norm_backward, &n.gpu, map_groups(&n.map));
        vgg_reference()->batch_norm_backward(&n.cpu, 0, cpu_units(&n), 0);
        add_terms(&n, n.dy, 0, n.gpu.mean, n.gpu.from_dy, terms);
        add_terms(&n, n.x, 1, n.gpu.mean, n.gpu.from_x, terms);
        add_terms(&n, NULL, 0, NULL, n.gpu.constant, terms);
        check_map("norm_backward", &n.map, n.gpu.to, n.cpu.dx, terms, vgg_sum_error(4));
        vgg_guarded_free();
    }
}

/* Frozen layers want none of the two. */
static void test_no_gradients(void **state) {
    (void)state;
    norm_case n = draw_norm(0);
    take_statistics(&n);
    share_figures(&n);
    n.gpu_channels.dgamma = n.gpu_channels.dbeta = NULL;
    VGG_RUN_BODY(norm_sums, &n.gpu, chunk_units(&n));
    VGG_RUN_BODY(norm_gradients, &n.gpu_channels, n.map.channels);
    check_figures("norm_gradients", "from_dy", &n, n.gpu.from_dy, n.gpu.scale, 0);
    vgg_guarded_check();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_statistics, vgg_teardown),
        cmocka_unit_test_teardown(test_running, vgg_teardown),
        cmocka_unit_test_teardown(test_apply, vgg_teardown),
        cmocka_unit_test_teardown(test_backward, vgg_teardown),
        cmocka_unit_test_teardown(test_no_gradients, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
