/* Average pools of 2x2, and pools of one window.
 *
 * kernel                     sums    bound
 * average_pool_2x2           4       vgg_sum_error(4) * mean |x|
 * average_pool_2x2_backward  none    vgg_sum_error(0) * |dy / 4|
 * global_average             pixels  vgg_sum_error(pixels) * mean |x|
 * global_average_backward    none    vgg_sum_error(0) * |dy / pixels|
 * global_max                 none    equal
 * global_max_backward        none    equal */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 60 };

static size_t image_size(const vgg_pool_task *t, bool out) {
    size_t pixels = out ? t->out_height * t->out_width : t->height * t->width;
    return vgg_blocked_size(1, t->channels, pixels);
}

static size_t one_image(void *task, size_t image) {
    vgg_pool_task *t = task;
    t->images = 1;
    t->x += image * image_size(t, false);
    t->y += image * image_size(t, true);
    t->dy += image * image_size(t, true);
    t->dx += image * image_size(t, false);
    return vgg_blocks(t->channels);
}

/* A few values only, so that there are ties, and some NaN. */
static void make_ties(float *x) {
    for (size_t i = 0; i < vgg_guarded_size(x) / sizeof *x; i++) {
        if (x[i] != 0)
            x[i] = vgg_draw_chance(40) ? (float)NAN : (float)vgg_draw(0, 3) - 1.5F;
    }
}

/* All buffers of a task with windows of 2x2 or, for a global pool, of everything. */
static vgg_pool_task draw_task(bool global, bool ties) {
    vgg_pool_task task = {.images = vgg_draw(1, 4),
                          .channels = vgg_draw_channels(),
                          .height = vgg_draw(global ? 1 : 2, 19),
                          .width = vgg_draw_chance(8) ? 57 : vgg_draw(global ? 1 : 2, 15)};
    task.out_height = global ? 1 : task.height / 2;
    task.out_width = global ? 1 : task.width / 2;
    vgg_describe("%zu images, %zu channels, %zu x %zu", task.images, task.channels, task.height,
                 task.width);
    float *x = vgg_draw_blocked(task.images, task.channels, task.height * task.width);
    if (ties)
        make_ties(x);
    task.x = x;
    task.dy = vgg_draw_blocked(task.images, task.channels, task.out_height * task.out_width);
    task.y = vgg_guarded_floats(task.images * image_size(&task, true));
    task.dx = vgg_guarded_floats(task.images * image_size(&task, false));
    vgg_guarded_lock(task.x);
    vgg_guarded_lock(task.dy);
    return task;
}

/* A kernel of the table, what ref makes of absolute values and the bound. */
static vgg_kernel_case make_case(vgg_pool_task *task, const char *name, size_t kernel,
                                 bool backward, size_t terms) {
    vgg_kernel_case item = {.name = name,
                            .kernel = kernel,
                            .task = task,
                            .task_size = sizeof *task,
                            .units = task->images * vgg_blocks(task->channels),
                            .output_count = 1,
                            .images = task->images,
                            .one_image = one_image};
    vgg_pool_task absolute = *task;
    absolute.x = vgg_guarded_absolute(task->x);
    absolute.dy = vgg_guarded_absolute(task->dy);
    absolute.y = vgg_guarded_copy(task->y);
    absolute.dx = vgg_guarded_copy(task->dx);
    vgg_work *const *reference =
        (vgg_work *const *)(const void *)((const char *)vgg_reference() + kernel);
    (*reference)(&absolute, 0, item.units, 0);
    item.outputs[0] = (vgg_kernel_output){.name = backward ? "dx" : "y",
                                          .data = backward ? task->dx : task->y,
                                          .size = sizeof(float),
                                          .channels = task->channels,
                                          .pixels = backward ? task->height * task->width
                                                             : task->out_height * task->out_width,
                                          .magnitude = backward ? absolute.dx : absolute.y,
                                          .error = vgg_sum_error(terms)};
    return item;
}

static void test_averages(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_pool_task task = draw_task(i % 2, false);
        size_t pixels = task.height * task.width;
        vgg_kernel_case forward =
            i % 2 ? make_case(&task, "global_average", offsetof(vgg_kernels, global_average), false,
                              pixels)
                  : make_case(&task, "average_pool_2x2", offsetof(vgg_kernels, average_pool_2x2),
                              false, 4);
        vgg_case_check(&forward);
        vgg_kernel_case backward =
            i % 2 ? make_case(&task, "global_average_backward",
                              offsetof(vgg_kernels, global_average_backward), true, 0)
                  : make_case(&task, "average_pool_2x2_backward",
                              offsetof(vgg_kernels, average_pool_2x2_backward), true, 0);
        vgg_case_check(&backward);
        vgg_guarded_free();
    }
}

static void test_max(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_pool_task task = draw_task(true, i % 2);
        vgg_kernel_case forward =
            make_case(&task, "global_max", offsetof(vgg_kernels, global_max), false, 0);
        forward.outputs[0].magnitude = NULL;
        vgg_case_check(&forward);
        vgg_case_run(&forward, vgg_reference());
        vgg_guarded_lock(task.y);
        vgg_kernel_case backward = make_case(&task, "global_max_backward",
                                             offsetof(vgg_kernels, global_max_backward), true, 0);
        backward.outputs[0].magnitude = NULL;
        vgg_case_check(&backward);
        vgg_guarded_free();
    }
}

/* What ref is compared with: a map of 3x3 by hand. */
static void test_definition(void **state) {
    (void)state;
    static const float values[9] = {1, 2, 7, 3, 6, 7, 9, 9, 1};
    float *x = vgg_draw_blocked(1, 1, 9), *dy = vgg_draw_blocked(1, 1, 1);
    float *y = vgg_guarded_floats(VGG_BLOCK), *dx = vgg_guarded_floats((size_t)9 * VGG_BLOCK);
    for (size_t p = 0; p < 9; p++) {
        x[p * VGG_BLOCK] = values[p];
    }
    dy[0] = 36;
    vgg_pool_task task = {.images = 1,
                          .channels = 1,
                          .height = 3,
                          .width = 3,
                          .out_height = 1,
                          .out_width = 1,
                          .x = x,
                          .y = y,
                          .dy = dy,
                          .dx = dx};
    const vgg_kernels *ref = vgg_reference();
    ref->average_pool_2x2(&task, 0, 1, 0);
    assert_true(y[0] == 3);
    ref->average_pool_2x2_backward(&task, 0, 1, 0);
    for (size_t p = 0; p < 9; p++) {
        assert_true(dx[p * VGG_BLOCK] == (p % 3 < 2 && p < 6 ? 9 : 0));
    }
    ref->global_average(&task, 0, 1, 0);
    assert_true(y[0] == 5);
    ref->global_average_backward(&task, 0, 1, 0);
    for (size_t p = 0; p < 9; p++) {
        assert_true(dx[p * VGG_BLOCK] == 4);
    }
    ref->global_max(&task, 0, 1, 0);
    assert_true(y[0] == 9);
    ref->global_max_backward(&task, 0, 1, 0);
    for (size_t p = 0; p < 9; p++) {
        assert_true(dx[p * VGG_BLOCK] == (p == 6 ? 36 : 0));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_definition, vgg_teardown),
        cmocka_unit_test_teardown(test_averages, vgg_teardown),
        cmocka_unit_test_teardown(test_max, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
