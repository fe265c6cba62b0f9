/* Pools, LRN and what dense views need on a GPU.
 *
 * kernel                          bound
 * max_pool and backward           equal
 * average_pool_2x2, average_pool  vgg_sum_error(terms) * mean |x|
 * their backward                  vgg_sum_error(windows) * sum of shares of |dy|
 * global_average, row_means       vgg_sum_error(terms) * mean |x|
 * global_max and backward         equal
 * lrn, lrn_backward               vgg_sum_error(16) * the sum of absolute terms
 * windows                         equal */
#include "cuda/bodies_pool.h"

#include <math.h>

#include "bodies_test.h"
#include "cuda/bodies_values.h"

enum { RANDOM_SHAPES = 60 };

/* ---- pools ---- */

typedef enum pool_kind { MAXIMA, AVERAGES_2X2, AVERAGES, GLOBAL_AVERAGE, GLOBAL_MAX } pool_kind;

/* A pool on both sides. */
typedef struct pool_case {
    body_map in, out;
    vgg_pool_task cpu;
    vgg_gpu_pool_task gpu;
    float *x, *dy; /* blocked */
} pool_case;

/* A few values only, so that there are ties, and some NaN. */
static void make_ties(float *x) {
    for (size_t i = 0; i < vgg_guarded_size(x) / sizeof *x; i++) {
        if (x[i] != 0)
            x[i] = vgg_draw_chance(40) ? (float)NAN : (float)vgg_draw(0, 3) - 1.5F;
    }
}

static void draw_sides(pool_kind kind, vgg_gpu_pool_task *task) {
    bool halves = kind == MAXIMA || kind == AVERAGES_2X2;
    bool global = kind == GLOBAL_AVERAGE || kind == GLOBAL_MAX;
    task->images = vgg_draw(1, 3);
    task->channels = vgg_draw_channels();
    task->height = vgg_draw(halves ? 2 : 1, 13);
    task->width = vgg_draw(halves ? 2 : 1, 11);
    task->out_height = halves ? task->height / 2 : global ? 1 : vgg_draw(1, 9);
    task->out_width = halves ? task->width / 2 : global ? 1 : vgg_draw(1, 9);
    task->element = draw_element();
    vgg_describe("%zu images, %zu channels, %zu x %zu to %zu x %zu in %s", task->images,
                 task->channels, task->height, task->width, task->out_height, task->out_width,
                 element_name(task->element));
}

static pool_case draw_pool(pool_kind kind, bool ties) {
    pool_case drawn = {0};
    vgg_gpu_pool_task *t = &drawn.gpu;
    draw_sides(kind, t);
    size_t pixels = t->height * t->width, outer = t->out_height * t->out_width;
    drawn.in = (body_map){t->images, t->channels, pixels, t->element};
    drawn.out = (body_map){t->images, t->channels, outer, t->element};
    drawn.x = vgg_draw_blocked(t->images, t->channels, pixels);
    drawn.dy = vgg_draw_blocked(t->images, t->channels, outer);
    if (ties)
        make_ties(drawn.x);
    t->x = map_of(&drawn.in, drawn.x);
    t->dy = map_of(&drawn.out, drawn.dy);
    size_t blocks = vgg_blocked_size(t->images, t->channels, outer);
    drawn.cpu =
        (vgg_pool_task){.images = t->images,
                        .channels = t->channels,
                        .height = t->height,
                        .width = t->width,
                        .out_height = t->out_height,
                        .out_width = t->out_width,
                        .x = drawn.x,
                        .y = vgg_guarded_floats(blocks),
                        .chosen = kind == MAXIMA ? vgg_guarded_choices(blocks / VGG_BLOCK) : NULL,
                        .dy = drawn.dy,
                        .dx = vgg_guarded_floats(vgg_blocked_size(t->images, t->channels, pixels))};
    return drawn;
}

/* What ref makes of absolute values: y or dx. */
static const float *absolute(const pool_case *drawn, vgg_work *reference, bool backward) {
    vgg_pool_task task = drawn->cpu;
    task.x = vgg_guarded_absolute(drawn->x);
    task.dy = vgg_guarded_absolute(drawn->dy);
    task.y = vgg_guarded_copy(task.y);
    task.dx = vgg_guarded_copy(task.dx);
    reference(&task, 0, task.images * vgg_blocks(task.channels), 0);
    return backward ? task.dx : task.y;
}

static void run_reference(pool_case *drawn, vgg_work *reference) {
    reference(&drawn->cpu, 0, drawn->cpu.images * vgg_blocks(drawn->cpu.channels), 0);
}

static void test_max_pool(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        pool_case p = draw_pool(MAXIMA, i % 2);
        p.cpu.relu = i % 4 < 2;
        p.gpu.to = map_room(&p.out);
        p.gpu.chosen = vgg_guarded_bytes(map_groups(&p.out) * VGG_GPU_LANES);
        VGG_RUN_BODY(max_pool, &p.gpu, map_groups(&p.out));
        run_reference(&p, vgg_reference()->max_pool);
        check_map("max_pool", &p.out, p.gpu.to, p.cpu.y, NULL, 0);
        p.gpu.y = p.cpu.relu ? p.gpu.to : NULL;
        p.gpu.to = map_room(&p.in);
        VGG_RUN_BODY(max_pool_backward, &p.gpu, map_groups(&p.in));
        run_reference(&p, vgg_reference()->max_pool_backward);
        check_map("max_pool_backward", &p.in, p.gpu.to, p.cpu.dx, NULL, 0);
        vgg_guarded_free();
    }
}

static void test_averages_2x2(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        pool_case p = draw_pool(AVERAGES_2X2, false);
        vgg_work *forward = vgg_reference()->average_pool_2x2;
        vgg_work *backward = vgg_reference()->average_pool_2x2_backward;
        p.gpu.to = map_room(&p.out);
        VGG_RUN_BODY(average_pool_2x2, &p.gpu, map_groups(&p.out));
        run_reference(&p, forward);
        check_map("average_pool_2x2", &p.out, p.gpu.to, p.cpu.y, absolute(&p, forward, false),
                  vgg_sum_error(4));
        p.gpu.to = map_room(&p.in);
        VGG_RUN_BODY(average_pool_2x2_backward, &p.gpu, map_groups(&p.in));
        run_reference(&p, backward);
        check_map("average_pool_2x2_backward", &p.in, p.gpu.to, p.cpu.dx, NULL, 0);
        vgg_guarded_free();
    }
}

static void test_averages(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        pool_case p = draw_pool(AVERAGES, false);
        vgg_work *forward = vgg_reference()->average_pool;
        vgg_work *backward = vgg_reference()->average_pool_backward;
        p.gpu.to = map_room(&p.out);
        VGG_RUN_BODY(average_pool, &p.gpu, map_groups(&p.out));
        run_reference(&p, forward);
        check_map("average_pool", &p.out, p.gpu.to, p.cpu.y, absolute(&p, forward, false),
                  vgg_sum_error(p.in.pixels));
        p.gpu.to = map_room(&p.in);
        VGG_RUN_BODY(average_pool_backward, &p.gpu, map_groups(&p.in));
        run_reference(&p, backward);
        check_map("average_pool_backward", &p.in, p.gpu.to, p.cpu.dx, absolute(&p, backward, true),
                  vgg_sum_error(p.out.pixels));
        vgg_guarded_free();
    }
}

static void test_global_average(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        pool_case p = draw_pool(GLOBAL_AVERAGE, false);
        vgg_work *forward = vgg_reference()->global_average;
        vgg_work *backward = vgg_reference()->global_average_backward;
        p.gpu.to = map_room(&p.out);
        VGG_RUN_BODY(global_average, &p.gpu, map_groups(&p.out));
        run_reference(&p, forward);
        check_map("global_average", &p.out, p.gpu.to, p.cpu.y, absolute(&p, forward, false),
                  vgg_sum_error(p.in.pixels));
        p.gpu.to = map_room(&p.in);
        VGG_RUN_BODY(global_average_backward, &p.gpu, map_groups(&p.in));
        run_reference(&p, backward);
        check_map("global_average_backward", &p.in, p.gpu.to, p.cpu.dx,
                  absolute(&p, backward, true), vgg_sum_error(0));
        vgg_guarded_free();
    }
}

static void test_global_max(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        pool_case p = draw_pool(GLOBAL_MAX, i % 2);
        p.gpu.to = map_room(&p.out);
        VGG_RUN_BODY(global_max, &p.gpu, map_groups(&p.out));
        run_reference(&p, vgg_reference()->global_max);
        check_map("global_max", &p.out, p.gpu.to, p.cpu.y, NULL, 0);
        p.gpu.y = p.gpu.to;
        p.gpu.to = map_room(&p.in);
        VGG_RUN_BODY(global_max_backward, &p.gpu, map_groups(&p.in));
        run_reference(&p, vgg_reference()->global_max_backward);
        check_map("global_max_backward", &p.in, p.gpu.to, p.cpu.dx, NULL, 0);
        vgg_guarded_free();
    }
}

/* ---- LRN ---- */

/* At least the sum of the absolute terms of dx. Of absolute values ref makes the first term less
 * the others, and the first is at most |dy|, as no base is below 1. */
static const float *absolute_lrn(const vgg_lrn_task *task) {
    size_t count = vgg_guarded_size(task->x) / sizeof *task->x;
    vgg_lrn_task against = *task;
    float *dx = vgg_guarded_copy(task->dx), *most = vgg_guarded_floats(count);
    float *x = vgg_guarded_absolute(task->x), *dy = vgg_guarded_absolute(task->dy);
    against.x = x;
    against.dy = dy;
    against.dx = dx;
    vgg_reference()->lrn_backward(&against, 0, task->images * task->height, 0);
    for (size_t i = 0; i < count; i++) {
        most[i] = 2 * dy[i] - dx[i];
    }
    return most;
}

static void test_lrn(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_lrn_task cpu = {.images = vgg_draw(1, 3),
                            .channels = vgg_draw_channels(),
                            .height = vgg_draw(1, 7),
                            .width = vgg_draw(1, 7),
                            .k = vgg_draw_real(1, 2),
                            .alpha = vgg_draw_real(0.01, 0.2)};
        cpu.k = (double)(float)cpu.k;
        cpu.alpha = (double)(float)cpu.alpha;
        body_map map = {cpu.images, cpu.channels, cpu.height * cpu.width, draw_element()};
        vgg_describe("%zu images, %zu channels, %zu pixels in %s", map.images, map.channels,
                     map.pixels, element_name(map.element));
        float *x = vgg_draw_blocked(map.images, map.channels, map.pixels);
        float *dy = vgg_draw_blocked(map.images, map.channels, map.pixels);
        size_t values = vgg_blocked_size(map.images, map.channels, map.pixels);
        vgg_gpu_lrn_task gpu = {.images = map.images,
                                .channels = map.channels,
                                .pixels = map.pixels,
                                .x = map_of(&map, x),
                                .dy = map_of(&map, dy),
                                .to = map_room(&map),
                                .element = map.element,
                                .k = (float)cpu.k,
                                .alpha = (float)cpu.alpha};
        cpu.x = x;
        cpu.dy = dy;
        cpu.y = vgg_guarded_floats(values);
        cpu.dx = vgg_guarded_floats(values);
        VGG_RUN_BODY(lrn, &gpu, map_groups(&map));
        vgg_reference()->lrn(&cpu, 0, cpu.images * cpu.height, 0);
        check_map("lrn", &map, gpu.to, cpu.y, vgg_guarded_absolute(cpu.y), vgg_sum_error(16));
        gpu.to = map_room(&map);
        VGG_RUN_BODY(lrn_backward, &gpu, map_groups(&map));
        vgg_reference()->lrn_backward(&cpu, 0, cpu.images * cpu.height, 0);
        check_map("lrn_backward", &map, gpu.to, cpu.dx, absolute_lrn(&cpu), vgg_sum_error(16));
        vgg_guarded_free();
    }
}

/* ---- dense views ---- */

/* Rows of features are maps of one pixel, whose blocked form is padded: makes it of plain rows. */
static float *block_rows(const float *rows, size_t count, size_t columns) {
    float *blocked = vgg_guarded_floats(vgg_blocked_size(count, columns, 1));
    memset(blocked, 0, vgg_guarded_size(blocked));
    for (size_t i = 0; i < count * columns; i++) {
        blocked[vgg_blocked_at(columns, 1, i / columns, i % columns, 0)] = rows[i];
    }
    return blocked;
}

static void test_windows(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_windows_task cpu = {.images = vgg_draw(1, 3),
                                .channels = vgg_draw_channels(),
                                .height = vgg_draw(1, 8),
                                .width = vgg_draw(1, 8)};
        cpu.window_height = vgg_draw(1, cpu.height);
        cpu.window_width = vgg_draw(1, cpu.width);
        body_map in = {cpu.images, cpu.channels, cpu.height * cpu.width, draw_element()};
        size_t places = (cpu.height - cpu.window_height + 1) * (cpu.width - cpu.window_width + 1);
        body_map out = {cpu.images * places, cpu.channels * cpu.window_height * cpu.window_width, 1,
                        in.element};
        vgg_describe("%zu images, %zu channels, %zu x %zu of %zu x %zu in %s", cpu.images,
                     cpu.channels, cpu.window_height, cpu.window_width, cpu.height, cpu.width,
                     element_name(in.element));
        float *x = vgg_draw_blocked(in.images, in.channels, in.pixels);
        vgg_gpu_windows_task gpu = {.images = cpu.images,
                                    .channels = cpu.channels,
                                    .height = cpu.height,
                                    .width = cpu.width,
                                    .window_height = cpu.window_height,
                                    .window_width = cpu.window_width,
                                    .x = map_of(&in, x),
                                    .y = map_room(&out),
                                    .element = in.element};
        cpu.x = x;
        cpu.y = vgg_guarded_floats(out.images * out.channels);
        VGG_RUN_BODY(windows, &gpu, map_groups(&out));
        vgg_reference()->windows(&cpu, 0, out.images, 0);
        check_map("windows", &out, gpu.y, block_rows(cpu.y, out.images, out.channels), NULL, 0);
        vgg_guarded_free();
    }
}

static void test_row_means(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_row_means_task cpu = {
            .images = vgg_draw(1, 3), .rows = vgg_draw(1, 30), .columns = vgg_draw_channels()};
        body_map in = {cpu.images * cpu.rows, cpu.columns, 1, draw_element()};
        body_map out = {cpu.images, cpu.columns, 1, in.element};
        vgg_describe("%zu images of %zu rows, %zu columns in %s", cpu.images, cpu.rows, cpu.columns,
                     element_name(in.element));
        float *rows = vgg_draw_floats(in.images * in.channels);
        round_to(in.element, rows, in.images * in.channels);
        vgg_gpu_row_means_task gpu = {.images = cpu.images,
                                      .rows = cpu.rows,
                                      .columns = cpu.columns,
                                      .x = map_of(&in, block_rows(rows, in.images, in.channels)),
                                      .y = map_room(&out),
                                      .element = in.element};
        cpu.x = rows;
        cpu.y = vgg_guarded_floats(out.images * out.channels);
        VGG_RUN_BODY(row_means, &gpu, map_groups(&out));
        vgg_reference()->row_means(&cpu, 0, cpu.images, 0);
        float *ones = block_rows(cpu.y, out.images, out.channels);
        float *expected = vgg_guarded_copy(ones);
        for (size_t v = 0; v < vgg_guarded_size(ones) / sizeof *ones; v++) {
            ones[v] = 1;
        }
        check_map("row_means", &out, gpu.y, expected, ones, vgg_sum_error(cpu.rows));
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_max_pool, vgg_teardown),
        cmocka_unit_test_teardown(test_averages_2x2, vgg_teardown),
        cmocka_unit_test_teardown(test_averages, vgg_teardown),
        cmocka_unit_test_teardown(test_global_average, vgg_teardown),
        cmocka_unit_test_teardown(test_global_max, vgg_teardown),
        cmocka_unit_test_teardown(test_lrn, vgg_teardown),
        cmocka_unit_test_teardown(test_windows, vgg_teardown),
        cmocka_unit_test_teardown(test_row_means, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
