/* Pooling.
 *
 * kernel                  sums                        bound
 * max_pool                none                        equal
 * max_pool_backward       none                        equal
 * average_pool            window                      vgg_sum_error(window) * mean |x|
 * average_pool_backward   windows that hold a value   vgg_sum_error(windows) * sum |dy / size|
 *
 * Windows are counted as the whole input or output, which they may be. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 60 };

static void describe(const vgg_pool_task *t) {
    vgg_describe("%zu images, %zu channels, %zu x %zu -> %zu x %zu", t->images, t->channels,
                 t->height, t->width, t->out_height, t->out_width);
}

static size_t image_size(const vgg_pool_task *t, bool out) {
    size_t pixels = out ? t->out_height * t->out_width : t->height * t->width;
    return vgg_blocked_size(1, t->channels, pixels);
}

static size_t one_image(void *task, size_t image) {
    vgg_pool_task *t = task;
    t->images = 1;
    if (t->y != NULL)
        t->y += image * image_size(t, true);
    if (t->dx == NULL) {
        t->x += image * image_size(t, false);
    } else {
        t->dx += image * image_size(t, false);
        t->dy += image * image_size(t, true);
    }
    if (t->chosen != NULL)
        t->chosen += image * image_size(t, true) / VGG_BLOCK;
    return vgg_blocks(t->channels);
}

/* All but the kernel and the outputs. */
static vgg_kernel_case pool_case(vgg_pool_task *task) {
    return (vgg_kernel_case){.task = task,
                             .task_size = sizeof *task,
                             .units = task->images * vgg_blocks(task->channels),
                             .output_count = 1,
                             .images = task->images,
                             .one_image = one_image};
}

static vgg_kernel_output forward_output(const vgg_pool_task *task) {
    return (vgg_kernel_output){.name = "y",
                               .data = task->y,
                               .size = sizeof(float),
                               .channels = task->channels,
                               .pixels = task->out_height * task->out_width};
}

static vgg_kernel_output backward_output(const vgg_pool_task *task) {
    return (vgg_kernel_output){.name = "dx",
                               .data = task->dx,
                               .size = sizeof(float),
                               .channels = task->channels,
                               .pixels = task->height * task->width};
}

/* ---- max ---- */

static vgg_pool_task draw_max(void) {
    vgg_pool_task task = {.images = vgg_draw(1, 4),
                          .channels = vgg_draw_channels(),
                          .height = vgg_draw(2, 11),
                          .width = vgg_draw_chance(8) ? 57 : vgg_draw(2, 15)};
    task.out_height = task.height / 2;
    task.out_width = task.width / 2;
    describe(&task);
    return task;
}

/* A few values only, so that there are ties; infinities; some NaN where wanted. */
static float *draw_ties(const vgg_pool_task *t, bool nan) {
    static const float values[] = {-2, -1, -0.0f, 0, 1, 2, 3, (float)INFINITY, -(float)INFINITY};
    float *x = vgg_draw_blocked(t->images, t->channels, t->height * t->width);
    for (size_t i = 0; i < vgg_guarded_size(x) / sizeof *x; i++) {
        if (x[i] == 0)
            continue;
        x[i] = values[vgg_draw(0, sizeof values / sizeof values[0] - 1)];
        if (nan && vgg_draw_chance(8))
            x[i] = (float)NAN;
    }
    return x;
}

static void test_max(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_pool_task task = draw_max();
        task.x = i % 3 == 0 ? vgg_draw_blocked(task.images, task.channels, task.height * task.width)
                            : draw_ties(&task, i % 3 == 1);
        vgg_guarded_lock(task.x);
        task.y = vgg_guarded_floats(task.images * image_size(&task, true));
        vgg_kernel_case item = pool_case(&task);
        item.name = "max_pool";
        item.kernel = offsetof(vgg_kernels, max_pool);
        item.outputs[0] = forward_output(&task);
        vgg_case_check(&item);
        task.chosen = vgg_guarded_choices(task.images * image_size(&task, true) / VGG_BLOCK);
        item.output_count = 2;
        item.outputs[1] = (vgg_kernel_output){
            .name = "chosen", .data = task.chosen, .size = sizeof *task.chosen, .bits = true};
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* With a ReLU before the pool: what the same gives with the values of dy that do not count set to 0
 * beforehand. */
static void check_masked(vgg_kernel_case *item, vgg_pool_task *task, size_t count) {
    const float *dy = task->dy;
    float *masked = vgg_guarded_copy(dy);
    task->y = draw_ties(&(vgg_pool_task){.images = task->images,
                                         .channels = task->channels,
                                         .height = task->out_height,
                                         .width = task->out_width},
                        true);
    vgg_guarded_lock(task->y);
    for (size_t v = 0; v < count; v++) {
        masked[v] = task->y[v] > 0 ? masked[v] : 0;
    }
    task->dy = masked;
    vgg_case_run(item, vgg_reference());
    float *expected = vgg_guarded_copy(task->dx);
    task->dy = dy;
    task->relu = true;
    vgg_case_run(item, vgg_reference());
    vgg_case_same(item, vgg_reference(), "with a ReLU", task->dx, expected,
                  vgg_guarded_size(expected), sizeof(float));
    vgg_case_check(item);
}

static void test_max_backward(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_pool_task task = draw_max();
        size_t count = task.images * image_size(&task, true);
        task.chosen =
            vgg_draw_choices(task.images, task.channels, task.out_height * task.out_width);
        vgg_guarded_lock(task.chosen);
        task.dy = vgg_draw_blocked(task.images, task.channels, task.out_height * task.out_width);
        vgg_guarded_lock(task.dy);
        task.dx = vgg_guarded_floats(task.images * image_size(&task, false));
        vgg_kernel_case item = pool_case(&task);
        item.name = "max_pool_backward";
        item.kernel = offsetof(vgg_kernels, max_pool_backward);
        item.outputs[0] = backward_output(&task);
        vgg_case_check(&item);
        if (i % 2)
            check_masked(&item, &task, count);
        vgg_guarded_free();
    }
}

#define NOT_A_NUMBER ((float)NAN)
#define INF ((float)INFINITY)

/* Windows by hand, one per lane, and the value that wins. */
static const struct {
    float values[4];
    size_t chosen;
} WINDOWS[] = {
    {{1, 2, 3, 4}, 3},
    {{4, 3, 2, 1}, 0},
    {{1, 4, 2, 3}, 1},
    {{1, 3, 4, 2}, 2},
    {{5, 5, 5, 5}, 0},
    {{1, 5, 5, 1}, 1},
    {{-1, -2, -1, -1}, 0},
    {{1, NOT_A_NUMBER, 9, INF}, 1},
    {{NOT_A_NUMBER, 1, 2, 3}, 0},
    {{1, 2, INF, NOT_A_NUMBER}, 3},
    {{-INF, -INF, -INF, -INF}, 0},
    {{-INF, -9, -INF, 0}, 3},
};

enum { WINDOW_COUNT = sizeof WINDOWS / sizeof WINDOWS[0] };

static void check_window(const vgg_pool_task *task, const char *tier, size_t lane) {
    size_t wanted = WINDOWS[lane].chosen, at = wanted / 2 * 3 + wanted % 2;
    float value = WINDOWS[lane].values[wanted], found = task->y[lane];
    vgg_describe("window %zu by hand", lane);
    size_t row = (unsigned)task->chosen->rows >> lane & 1u,
           column = (unsigned)task->chosen->columns >> lane & 1u;
    if (2 * row + column != wanted)
        vgg_kernel_fail("max_pool", tier, "chose %zu instead of %zu", 2 * row + column, wanted);
    if (!(isnan(value) ? isnan(found) : found == value))
        vgg_kernel_fail("max_pool", tier, "found %g instead of %g", (double)found, (double)value);
    for (size_t p = 0; p < 9; p++) {
        if (task->dx[p * VGG_BLOCK + lane] != (p == at ? task->dy[lane] : 0))
            vgg_kernel_fail("max_pool_backward", tier, "pixel %zu is %g", p,
                            (double)task->dx[p * VGG_BLOCK + lane]);
    }
}

/* Each window is the corner of a 3 x 3 image whose last row and column are left out. */
static void test_max_definition(void **state) {
    (void)state;
    float *x = vgg_draw_blocked(1, WINDOW_COUNT, 9);
    for (size_t lane = 0; lane < WINDOW_COUNT; lane++) {
        for (size_t p = 0; p < 9; p++) {
            x[p * VGG_BLOCK + lane] =
                p < 6 && p % 3 < 2 ? WINDOWS[lane].values[p / 3 * 2 + p % 3] : 1e6f;
        }
    }
    vgg_pool_task task = {.images = 1,
                          .channels = WINDOW_COUNT,
                          .height = 3,
                          .width = 3,
                          .out_height = 1,
                          .out_width = 1,
                          .x = x,
                          .y = vgg_guarded_floats(VGG_BLOCK),
                          .chosen = vgg_guarded_choices(1),
                          .dy = vgg_draw_blocked(1, WINDOW_COUNT, 1),
                          .dx = vgg_guarded_floats((size_t)9 * VGG_BLOCK)};
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        tier->max_pool(&task, 0, 1, 0);
        tier->max_pool_backward(&task, 0, 1, 0);
        for (size_t lane = 0; lane < WINDOW_COUNT; lane++) {
            check_window(&task, tier->tier, lane);
        }
    }
}

/* ---- average ---- */

static vgg_pool_task draw_average(void) {
    vgg_pool_task task = {.images = vgg_draw(1, 4),
                          .channels = vgg_draw_channels(),
                          .height = vgg_draw(1, 15),
                          .width = vgg_draw(1, 15),
                          .out_height = vgg_draw_chance(3) ? 7 : vgg_draw(1, 9),
                          .out_width = vgg_draw_chance(3) ? 7 : vgg_draw(1, 9)};
    describe(&task);
    return task;
}

static void test_average(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_pool_task task = draw_average();
        task.x = vgg_draw_blocked(task.images, task.channels, task.height * task.width);
        vgg_guarded_lock(task.x);
        task.y = vgg_guarded_floats(task.images * image_size(&task, true));
        vgg_kernel_case item = pool_case(&task);
        vgg_pool_task absolute = task;
        absolute.x = vgg_guarded_absolute(task.x);
        absolute.y = vgg_guarded_copy(task.y);
        vgg_reference()->average_pool(&absolute, 0, item.units, 0);
        item.name = "average_pool";
        item.kernel = offsetof(vgg_kernels, average_pool);
        item.outputs[0] = forward_output(&task);
        item.outputs[0].magnitude = absolute.y;
        item.outputs[0].error = vgg_sum_error(task.height * task.width);
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

static void test_average_backward(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_pool_task task = draw_average();
        task.dy = vgg_draw_blocked(task.images, task.channels, task.out_height * task.out_width);
        vgg_guarded_lock(task.dy);
        task.dx = vgg_guarded_floats(task.images * image_size(&task, false));
        vgg_kernel_case item = pool_case(&task);
        vgg_pool_task absolute = task;
        absolute.dy = vgg_guarded_absolute(task.dy);
        absolute.dx = vgg_guarded_copy(task.dx);
        vgg_reference()->average_pool_backward(&absolute, 0, item.units, 0);
        item.name = "average_pool_backward";
        item.kernel = offsetof(vgg_kernels, average_pool_backward);
        item.outputs[0] = backward_output(&task);
        item.outputs[0].magnitude = absolute.dx;
        item.outputs[0].error = vgg_sum_error(task.out_height * task.out_width);
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* What ref is compared with: 5 -> 3 and 2 -> 3, by hand. PyTorch's windows of 5 -> 3 are 0..1, 1..3
 * and 3..4; of 2 -> 3 they are 0, 0..1 and 1. */
static void test_average_definition(void **state) {
    (void)state;
    static const double down[] = {5, 70.0 / 3, 55}, values[] = {0, 10, 20, 40, 70};
    static const double up[] = {6, 7, 8}, two[] = {6, 8};
    float *x = vgg_draw_blocked(1, 1, 5), *y = vgg_guarded_floats(3 * VGG_BLOCK);
    for (size_t p = 0; p < 5; p++) {
        x[p * VGG_BLOCK] = (float)values[p];
    }
    vgg_pool_task task = {.images = 1,
                          .channels = 1,
                          .height = 5,
                          .width = 1,
                          .out_height = 3,
                          .out_width = 1,
                          .x = x,
                          .y = y};
    vgg_reference()->average_pool(&task, 0, 1, 0);
    for (size_t p = 0; p < 3; p++) {
        assert_true(fabs((double)y[p * VGG_BLOCK] - down[p]) < 1e-5);
    }
    for (size_t p = 0; p < 2; p++) {
        x[p * VGG_BLOCK] = (float)two[p];
    }
    task.height = task.out_height = 1;
    task.width = 2;
    task.out_width = 3;
    vgg_reference()->average_pool(&task, 0, 1, 0);
    for (size_t p = 0; p < 3; p++) {
        assert_true(fabs((double)y[p * VGG_BLOCK] - up[p]) < 1e-5);
    }
    float *dy = vgg_draw_blocked(1, 1, 3), *dx = vgg_guarded_floats(2 * VGG_BLOCK);
    for (size_t p = 0; p < 3; p++) {
        dy[p * VGG_BLOCK] = (float)up[p];
    }
    task.dy = dy;
    task.dx = dx;
    vgg_reference()->average_pool_backward(&task, 0, 1, 0);
    assert_true(fabs((double)dx[0] - 9.5) < 1e-5);
    assert_true(fabs((double)dx[VGG_BLOCK] - 11.5) < 1e-5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_max_definition, vgg_teardown),
        cmocka_unit_test_teardown(test_max, vgg_teardown),
        cmocka_unit_test_teardown(test_max_backward, vgg_teardown),
        cmocka_unit_test_teardown(test_average_definition, vgg_teardown),
        cmocka_unit_test_teardown(test_average, vgg_teardown),
        cmocka_unit_test_teardown(test_average_backward, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
