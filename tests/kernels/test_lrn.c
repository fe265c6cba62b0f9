/* Local response normalisation.
 *
 * With s = 2 + 1e-4 * sum of x^2 over 5 channels:
 *
 * kernel         bound
 * lrn            12 roundings * |y|: s is a sum of positive numbers, within 5 roundings of it; a
 *                power of 3/4 makes 4 of these and adds its own
 * lrn_backward   24 roundings * (|dy| s^-3/4 + 1.5e-4 |x| sum |dy x s^-7/4|): the same, with a
 *                power of 7/4 and a sum of 5
 *
 * Values are up to 300 in size, so that s is up to 50 and all neighbours count. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 60 };

static vgg_lrn_task draw_task(void) {
    vgg_lrn_task task = {.images = vgg_draw(1, 4),
                         .channels = vgg_draw_chance(3) ? vgg_draw(1, 6) : vgg_draw_channels(),
                         .height = vgg_draw(1, 7),
                         .width = vgg_draw(1, 19),
                         .k = 2,
                         .alpha = 1e-4};
    static const float sizes[] = {1, 30, 300};
    float size = sizes[vgg_draw(0, 2)];
    vgg_describe("%zu images, %zu channels, %zu x %zu, values up to %g", task.images, task.channels,
                 task.height, task.width, (double)size);
    float *x = vgg_draw_blocked(task.images, task.channels, task.height * task.width);
    for (size_t i = 0; i < vgg_guarded_size(x) / sizeof *x; i++) {
        x[i] *= size;
    }
    vgg_guarded_lock(x);
    task.x = x;
    return task;
}

static size_t one_image(void *task, size_t image) {
    vgg_lrn_task *t = task;
    size_t size = vgg_blocked_size(1, t->channels, t->height * t->width);
    t->images = 1;
    t->x += image * size;
    if (t->y != NULL)
        t->y += image * size;
    if (t->dy != NULL) {
        t->dy += image * size;
        t->dx += image * size;
    }
    return t->height;
}

static vgg_kernel_case lrn_case(vgg_lrn_task *task, const char *name, float *data) {
    vgg_kernel_case item = {.task = task,
                            .task_size = sizeof *task,
                            .units = task->images * task->height,
                            .output_count = 1,
                            .images = task->images,
                            .one_image = one_image};
    item.outputs[0] = (vgg_kernel_output){.name = name,
                                          .data = data,
                                          .size = sizeof(float),
                                          .channels = task->channels,
                                          .pixels = task->height * task->width};
    return item;
}

static size_t place(const vgg_lrn_task *t, size_t n, size_t c, size_t p) {
    return vgg_blocked_at(t->channels, t->height * t->width, n, c, p);
}

/* s of the comment above. */
static double norm(const vgg_lrn_task *t, size_t n, size_t c, size_t p) {
    double sum = 0;
    for (size_t other = c < 2 ? 0 : c - 2; other <= c + 2 && other < t->channels; other++) {
        double x = (double)t->x[place(t, n, other, p)];
        sum += x * x;
    }
    return 2 + 1e-4 * sum;
}

/* The two terms of dx at (n, c, p), or of the sum of absolute values. */
static double derivative(const vgg_lrn_task *t, size_t n, size_t c, size_t p, bool absolute) {
    double sum = 0, x = (double)t->x[place(t, n, c, p)], dy = (double)t->dy[place(t, n, c, p)];
    for (size_t other = c < 2 ? 0 : c - 2; other <= c + 2 && other < t->channels; other++) {
        size_t at = place(t, n, other, p);
        double term = (double)t->dy[at] * (double)t->x[at] * pow(norm(t, n, other, p), -1.75);
        sum += absolute ? fabs(term) : term;
    }
    double direct = dy * pow(norm(t, n, c, p), -0.75), through = 1.5e-4 * x * sum;
    return absolute ? fabs(direct) + fabs(through) : direct - through;
}

static void test_forward(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_lrn_task task = draw_task();
        task.y = vgg_guarded_floats(vgg_guarded_size(task.x) / sizeof *task.x);
        vgg_kernel_case item = lrn_case(&task, "y", task.y);
        item.name = "lrn";
        item.kernel = offsetof(vgg_kernels, lrn);
        vgg_case_run(&item, vgg_reference());
        item.outputs[0].magnitude = vgg_guarded_copy(task.y);
        item.outputs[0].error = 12 * VGG_ROUNDING;
        for (size_t n = 0; n < task.images; n++) {
            for (size_t c = 0; c < task.channels; c++) {
                for (size_t p = 0; p < task.height * task.width; p++) {
                    size_t at = place(&task, n, c, p);
                    double y = (double)task.x[at] * pow(norm(&task, n, c, p), -0.75);
                    if (!(fabs((double)task.y[at] - y) <= 12 * VGG_ROUNDING * fabs(y)))
                        vgg_kernel_fail("lrn", "ref", "(%zu, %zu, %zu) is %g instead of %g", n, c,
                                        p, (double)task.y[at], y);
                }
            }
        }
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* The sizes of dx's terms; fails when ref's dx is not theirs. */
static float *backward_magnitude(const vgg_lrn_task *task) {
    float *magnitude = vgg_guarded_copy(task->dx);
    memset(magnitude, 0, vgg_guarded_size(magnitude));
    for (size_t n = 0; n < task->images; n++) {
        for (size_t c = 0; c < task->channels; c++) {
            for (size_t p = 0; p < task->height * task->width; p++) {
                size_t at = place(task, n, c, p);
                double dx = derivative(task, n, c, p, false), found = (double)task->dx[at];
                double size = derivative(task, n, c, p, true);
                magnitude[at] = (float)size;
                if (!(fabs(found - dx) <= 24 * VGG_ROUNDING * size))
                    vgg_kernel_fail("lrn_backward", "ref", "(%zu, %zu, %zu) is %g instead of %g", n,
                                    c, p, found, dx);
            }
        }
    }
    return magnitude;
}

static void test_backward(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_lrn_task task = draw_task();
        task.dy = vgg_draw_blocked(task.images, task.channels, task.height * task.width);
        vgg_guarded_lock(task.dy);
        task.dx = vgg_guarded_floats(vgg_guarded_size(task.x) / sizeof *task.x);
        vgg_kernel_case item = lrn_case(&task, "dx", task.dx);
        item.name = "lrn_backward";
        item.kernel = offsetof(vgg_kernels, lrn_backward);
        vgg_case_run(&item, vgg_reference());
        item.outputs[0].magnitude = backward_magnitude(&task);
        item.outputs[0].error = 24 * VGG_ROUNDING;
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_forward, vgg_teardown),
        cmocka_unit_test_teardown(test_backward, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
