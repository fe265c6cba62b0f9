/* LPIPS.
 *
 * kernel                          bound
 * lpips_lengths                   vgg_sum_error(C) * itself, of a sum of squares
 * lpips_compare: distances        4 vgg_sum_error(C) * sum w (|a| + |b|)^2, of unit vectors a and b
 * pull                            4 vgg_sum_error(C) * sum 2 w (|a| + |b|) |x| inverse^2 / |x|
 * their max-pools                 equal
 * lpips_slopes                    vgg_sum_error(4) * the sum of the absolute values of its parts
 *
 * compare's differences are of numbers that are rounded before, each as far off as a sum of squares
 * and two roundings; slopes takes them as they are. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 40 };

static size_t places_of(const vgg_lpips_task *t) {
    return t->height * t->width;
}

static size_t values_of(const vgg_lpips_task *t) {
    return vgg_blocked_size(1, t->channels, places_of(t));
}

/* Values of a layer, half of which a ReLU made 0; at some places all of them. */
static float *draw_values(const vgg_lpips_task *t) {
    float *values = vgg_draw_blocked(1, t->channels, places_of(t));
    for (size_t i = 0; i < values_of(t); i++) {
        bool empty = i / VGG_BLOCK % places_of(t) % 7 == 3;
        values[i] = values[i] > 0 && !empty ? values[i] : 0;
    }
    vgg_guarded_lock(values);
    return values;
}

static vgg_lpips_task draw_task(size_t number) {
    static const size_t sizes[][2] = {{1, 1}, {1, 7}, {2, 4}, {3, 3}, {8, 8}, {5, 13}};
    bool fixed = number < sizeof sizes / sizeof *sizes;
    vgg_lpips_task t = {.channels = vgg_draw_channels(),
                        .height = fixed ? sizes[number][0] : vgg_draw(1, 15),
                        .width = fixed ? sizes[number][1] : vgg_draw(1, 30)};
    vgg_describe("%zu channels of %zu x %zu", t.channels, t.height, t.width);
    t.x = draw_values(&t);
    t.inverse = vgg_guarded_floats(places_of(&t));
    return t;
}

static vgg_kernel_case case_of(vgg_lpips_task *task) {
    return (vgg_kernel_case){
        .task = task, .task_size = sizeof *task, .units = vgg_lpips_units(task->height)};
}

static vgg_kernel_output plain_output(const char *name, float *data) {
    return (vgg_kernel_output){.name = name, .data = data, .size = sizeof(float)};
}

static vgg_kernel_output inverse_output(const vgg_lpips_task *task) {
    vgg_lpips_task own = *task;
    own.inverse = vgg_guarded_copy(task->inverse);
    vgg_reference()->lpips_lengths(&own, 0, vgg_lpips_units(task->height), 0);
    vgg_kernel_output output = plain_output("inverse", task->inverse);
    output.magnitude = own.inverse;
    output.error = vgg_sum_error(task->channels);
    return output;
}

/* With the max-pool behind, and most often what it chose, where there are windows. */
static void add_pool(vgg_kernel_case *item, vgg_lpips_task *task) {
    size_t windows = (task->height / 2) * (task->width / 2);
    size_t size = vgg_blocked_size(1, task->channels, windows);
    if (windows == 0 || vgg_draw_chance(3))
        return;
    task->pool = vgg_guarded_floats(size);
    item->outputs[item->output_count++] = (vgg_kernel_output){.name = "pool",
                                                              .data = task->pool,
                                                              .size = sizeof(float),
                                                              .channels = task->channels,
                                                              .pixels = windows};
    if (vgg_draw_chance(3) || item->output_count == VGG_KERNEL_OUTPUTS)
        return;
    task->chosen = vgg_guarded_choices(size / VGG_BLOCK);
    item->outputs[item->output_count++] = (vgg_kernel_output){
        .name = "chosen", .data = task->chosen, .size = sizeof *task->chosen, .bits = true};
}

static void test_lengths(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_lpips_task task = draw_task(i);
        vgg_kernel_case item = case_of(&task);
        item.name = "lpips_lengths";
        item.kernel = offsetof(vgg_kernels, lpips_lengths);
        item.output_count = 1;
        item.outputs[0] = inverse_output(&task);
        add_pool(&item, &task);
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* What the picture is compared with. */
static void draw_reference(vgg_lpips_task *task) {
    vgg_lpips_task reference = *task;
    reference.x = task->y = draw_values(task);
    reference.y = NULL;
    task->y_inverse = reference.inverse = vgg_guarded_floats(places_of(task));
    vgg_reference()->lpips_lengths(&reference, 0, vgg_lpips_units(task->height), 0);
    vgg_guarded_lock(task->y_inverse);
    task->weights = vgg_guarded_absolute(vgg_draw_blocked(1, task->channels, 1));
    vgg_guarded_lock(task->weights);
}

/* The bounds of lpips_compare, which has run: sums over the channels of a place. */
static void find_magnitudes(const vgg_lpips_task *t, float *distances, float *pull) {
    for (size_t place = 0; place < places_of(t); place++) {
        double square = 0, along = 0, length = 0, inverse = (double)t->inverse[place];
        for (size_t c = 0; c < t->channels; c++) {
            size_t at = vgg_blocked_at(t->channels, places_of(t), 0, c, place);
            double x = (double)t->x[at], weight = (double)t->weights[c];
            double both = x * inverse + (double)t->y[at] * (double)t->y_inverse[place];
            square += weight * both * both;
            along += 2 * weight * both * x;
            length += x * x;
        }
        distances[place] = (float)square;
        pull[place] = length > 0 ? (float)(along * inverse * inverse / sqrt(length)) : 0;
    }
}

static void test_compare(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_lpips_task task = draw_task(i);
        draw_reference(&task);
        task.distances = vgg_guarded_floats(places_of(&task));
        task.pull = vgg_guarded_floats(places_of(&task));
        vgg_kernel_case item = case_of(&task);
        item.name = "lpips_compare";
        item.kernel = offsetof(vgg_kernels, lpips_compare);
        item.output_count = 3;
        item.outputs[0] = inverse_output(&task);
        item.outputs[1] = plain_output("distances", task.distances);
        item.outputs[2] = plain_output("pull", task.pull);
        vgg_case_run(&item, vgg_reference());
        float *distances = vgg_guarded_floats(places_of(&task)),
              *pull = vgg_guarded_floats(places_of(&task));
        find_magnitudes(&task, distances, pull);
        item.outputs[1].magnitude = distances;
        item.outputs[2].magnitude = pull;
        item.outputs[1].error = item.outputs[2].error = 4 * vgg_sum_error(task.channels);
        add_pool(&item, &task);
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* ---- the gradient ---- */

/* What comes from above, in `slopes` or spread there by a max-pool. */
static float *spread(const vgg_lpips_task *t) {
    vgg_pool_task pool = {.images = 1,
                          .channels = t->channels,
                          .height = t->height,
                          .width = t->width,
                          .out_height = t->height / 2,
                          .out_width = t->width / 2,
                          .chosen = (void *)(uintptr_t)t->chose,
                          .dy = t->pooled,
                          .dx = vgg_guarded_floats(values_of(t))};
    vgg_reference()->max_pool_backward(&pool, 0, vgg_blocks(t->channels), 0);
    return pool.dx;
}

static void draw_above(vgg_lpips_task *t, size_t number) {
    size_t windows = (t->height / 2) * (t->width / 2);
    t->add = number % 3 == 1;
    if (number % 3 != 2 || windows == 0)
        return;
    t->pooled = vgg_draw_blocked(1, t->channels, windows);
    t->chose = vgg_draw_choices(1, t->channels, windows);
    vgg_guarded_lock(t->pooled);
    vgg_guarded_lock(t->chose);
}

/* above: what comes from there, or NULL. */
static float *slope_magnitudes(const vgg_lpips_task *t, const float *above) {
    float *found = vgg_guarded_floats(values_of(t));
    for (size_t i = 0; i < values_of(t); i++) {
        size_t place = i / VGG_BLOCK % places_of(t);
        size_t c = i / VGG_BLOCK / places_of(t) * VGG_BLOCK + i % VGG_BLOCK;
        double weight = c < t->channels ? (double)t->weights[c] : 0;
        double x = (double)t->x[i], inverse = (double)t->inverse[place];
        double both = x * inverse + (double)t->y[i] * (double)t->y_inverse[place];
        double whole = 2 * weight * both * inverse + x * fabs((double)t->pull[place]);
        double before = above != NULL ? fabs((double)above[i]) : 0;
        found[i] = (float)(whole / (double)places_of(t) + before);
    }
    return found;
}

static void test_slopes(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * RANDOM_SHAPES; i++) {
        vgg_lpips_task task = draw_task(i);
        draw_reference(&task);
        draw_above(&task, i);
        task.inverse = vgg_guarded_absolute(vgg_draw_floats(places_of(&task)));
        task.pull = vgg_draw_floats(places_of(&task));
        vgg_guarded_lock(task.inverse);
        vgg_guarded_lock(task.pull);
        float *before = vgg_draw_blocked(1, task.channels, places_of(&task));
        task.slopes = vgg_guarded_copy(before);
        const float *above = task.pooled != NULL ? spread(&task) : task.add ? before : NULL;
        vgg_kernel_case item = case_of(&task);
        item.name = "lpips_slopes";
        item.kernel = offsetof(vgg_kernels, lpips_slopes);
        item.units = vgg_blocks(task.channels) * task.height;
        item.output_count = 1;
        item.outputs[0] = (vgg_kernel_output){.name = "slopes",
                                              .data = task.slopes,
                                              .size = sizeof(float),
                                              .magnitude = slope_magnitudes(&task, above),
                                              .error = vgg_sum_error(4),
                                              .channels = task.channels,
                                              .pixels = places_of(&task),
                                              .initial = task.add ? before : NULL};
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_lengths, vgg_teardown),
        cmocka_unit_test_teardown(test_compare, vgg_teardown),
        cmocka_unit_test_teardown(test_slopes, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
