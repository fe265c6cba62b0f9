/* Layouts, which the header defines: packed weights, blocked activations, and the table of kernels
 * itself. Values only move, so everything is equal. */
#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 80 };

/* ---- packed weights ---- */

static vgg_conv_shape draw_shape(void) {
    vgg_conv_shape shape = {.images = vgg_draw(1, 3),
                            .inputs = vgg_draw_channels(),
                            .outputs = vgg_draw_channels(),
                            .height = vgg_draw(1, 9),
                            .width = vgg_draw(1, 9),
                            .kernel = vgg_draw_chance(4) ? 1 : 3,
                            .plain = vgg_draw_chance(3)};
    return shape;
}

/* The weight that belongs at place `at` of the packed tensor; 0 beyond C or K. */
static float packed_weight(const vgg_conv_pack_task *task, size_t at) {
    const vgg_conv_shape *s = &task->shape;
    size_t taps = s->kernel * s->kernel, k, c, tap;
    size_t lane = at % VGG_BLOCK, rest = at / VGG_BLOCK;
    if (s->plain) {
        c = rest % s->inputs;
        tap = rest / s->inputs % taps;
        k = rest / s->inputs / taps * VGG_BLOCK + lane;
    } else {
        size_t c_blocks = vgg_blocks(s->inputs), block = rest / VGG_BLOCK / taps;
        tap = rest / VGG_BLOCK % taps;
        c = block % c_blocks * VGG_BLOCK + rest % VGG_BLOCK;
        k = block / c_blocks * VGG_BLOCK + lane;
    }
    if (c >= s->inputs || k >= s->outputs)
        return 0;
    if (task->turned)
        return ((const float *)task->weights)[(c * s->outputs + k) * taps + (taps - 1 - tap)];
    return ((const float *)task->weights)[(k * s->inputs + c) * taps + tap];
}

static void check_packed(const vgg_conv_pack_task *task, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (task->packed[i] != packed_weight(task, i))
            vgg_kernel_fail("conv_pack", "all", "value %zu of %zu is %g instead of %g", i, count,
                            (double)task->packed[i], (double)packed_weight(task, i));
    }
}

static void test_pack(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape s = draw_shape();
        size_t taps = s.kernel * s.kernel, blocks = vgg_blocks(s.outputs);
        size_t inputs = s.plain ? s.inputs : vgg_blocks(s.inputs) * VGG_BLOCK;
        size_t count = blocks * VGG_BLOCK * inputs * taps;
        vgg_conv_pack_task task = {.shape = s, .turned = !s.plain && vgg_draw_chance(2)};
        vgg_describe("%zu -> %zu channels, kernel %zu%s%s", s.inputs, s.outputs, s.kernel,
                     s.plain ? ", plain" : "", task.turned ? ", turned" : "");
        assert_int_equal(vgg_conv_packed_size(&s), count);
        task.weights = vgg_draw_floats(s.outputs * s.inputs * taps);
        vgg_guarded_lock(task.weights);
        task.packed = vgg_guarded_floats(count);
        vgg_running("conv_pack", "all");
        vgg_conv_pack(&task, 0, blocks, 0);
        vgg_guarded_check();
        check_packed(&task, count);
        vgg_poison(task.packed, count * sizeof(float), sizeof(float));
        for (size_t block = blocks; block-- > 0;) {
            vgg_conv_pack(&task, block, block + 1, block % 3);
        }
        vgg_guarded_check();
        vgg_running(NULL, NULL);
        check_packed(&task, count);
        vgg_guarded_free();
    }
}

/* ---- blocked activations ---- */

static void check_blocked(const vgg_block_task *task) {
    size_t blocks = vgg_blocks(task->channels);
    for (size_t i = 0; i < vgg_blocked_size(task->images, task->channels, task->pixels); i++) {
        size_t block = i / VGG_BLOCK / task->pixels, pixel = i / VGG_BLOCK % task->pixels;
        size_t n = block / blocks, c = block % blocks * VGG_BLOCK + i % VGG_BLOCK;
        float wanted = 0;
        if (c < task->channels)
            wanted = task->x[(n * task->channels + c) * task->pixels + pixel];
        if (task->y[i] != wanted)
            vgg_kernel_fail("block", "all", "value %zu is %g instead of %g", i, (double)task->y[i],
                            (double)wanted);
    }
}

/* All units at once, or one by one from the last; `back` undoes what `forth` did. */
static void check_round_trip(vgg_block_task *forth, vgg_block_task *back, bool at_once) {
    size_t units = forth->images * vgg_blocks(forth->channels);
    vgg_work *work[] = {vgg_block, vgg_unblock};
    vgg_block_task *tasks[] = {forth, back};
    for (size_t way = 0; way < 2; way++) {
        size_t bytes = vgg_guarded_size(tasks[way]->y);
        vgg_poison(tasks[way]->y, bytes, sizeof(float));
        vgg_running(way == 0 ? "block" : "unblock", "all");
        if (at_once)
            work[way](tasks[way], 0, units, 0);
        for (size_t unit = at_once ? 0 : units; unit-- > 0;) {
            work[way](tasks[way], unit, unit + 1, unit % 3);
        }
        vgg_guarded_check();
        vgg_running(NULL, NULL);
    }
    check_blocked(forth);
    assert_memory_equal(back->y, forth->x, vgg_guarded_size(forth->x));
}

static void test_block(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_block_task forth = {.images = vgg_draw(1, 4),
                                .channels = vgg_draw_channels(),
                                .pixels = vgg_draw_chance(4) ? 1 : vgg_draw(1, 200)};
        vgg_block_task back = forth;
        vgg_describe("%zu images, %zu channels, %zu pixels", forth.images, forth.channels,
                     forth.pixels);
        size_t blocked = vgg_blocked_size(forth.images, forth.channels, forth.pixels);
        forth.x = vgg_draw_floats(forth.images * forth.channels * forth.pixels);
        vgg_guarded_lock(forth.x);
        forth.y = vgg_guarded_floats(blocked);
        back.x = forth.y;
        back.y = vgg_guarded_floats(forth.images * forth.channels * forth.pixels);
        check_round_trip(&forth, &back, true);
        check_round_trip(&forth, &back, false);
        vgg_guarded_free();
    }
}

/* ---- the table ---- */

/* Every tier has every kernel and a name of its own, and ref is the last. */
static void test_table(void **state) {
    (void)state;
    size_t count = 0;
    while (vgg_kernels_at(count) != NULL) {
        count++;
    }
    assert_true(count >= 2);
    assert_null(vgg_kernels_at(count + 1));
    assert_string_equal(vgg_reference()->tier, "ref");
    for (size_t i = 0; i < count; i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        print_message("tier %zu: %s\n", i, tier->tier);
        for (size_t other = 0; other < i; other++) {
            assert_string_not_equal(tier->tier, vgg_kernels_at(other)->tier);
        }
        assert_true(tier->int8_winograd2.filters != NULL && tier->int8_winograd2.forward != NULL);
        assert_true(tier->int8_winograd4.filters != NULL && tier->int8_winograd4.forward != NULL);
        for (size_t at = offsetof(vgg_kernels, conv_pack); at < sizeof *tier;
             at += sizeof(vgg_work *)) {
            vgg_work *work;
            memcpy(&work, (const unsigned char *)tier + at, sizeof work);
            assert_true(work != NULL);
        }
    }
}

/* The table in use is one of these: the best, or the one that VGG_CPU names. */
static void test_choice(void **state) {
    (void)state;
    const vgg_kernels *chosen = NULL, *again = NULL;
    const char *wanted = getenv("VGG_CPU");
    vgg_error error;
    assert_ok(vgg_kernels_get(&chosen, &error), error);
    if (wanted == NULL)
        assert_ptr_equal(chosen, vgg_kernels_at(0));
    else
        assert_string_equal(chosen->tier, wanted);
    assert_ok(vgg_kernels_get(&again, &error), error);
    assert_ptr_equal(again, chosen);
}

/* ---- linear layers at every place ---- */

static void check_windows(const vgg_windows_task *task) {
    size_t window = task->window_height * task->window_width;
    size_t rows = task->height - task->window_height + 1;
    size_t columns = task->width - task->window_width + 1;
    size_t features = task->channels * window;
    for (size_t i = 0; i < task->images * rows * columns * features; i++) {
        size_t unit = i / features, n = unit / (rows * columns), place = unit % (rows * columns);
        size_t c = i % features / window, y = i % window / task->window_width;
        size_t pixel =
            (place / columns + y) * task->width + place % columns + i % window % task->window_width;
        size_t block = n * vgg_blocks(task->channels) + c / VGG_BLOCK;
        float wanted =
            task->x[(block * task->height * task->width + pixel) * VGG_BLOCK + c % VGG_BLOCK];
        if (task->y[i] != wanted)
            vgg_kernel_fail("windows", "all", "value %zu is %g instead of %g", i,
                            (double)task->y[i], (double)wanted);
    }
}

static void test_windows(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_windows_task task = {.images = vgg_draw(1, 3),
                                 .channels = vgg_draw_channels(),
                                 .window_height = vgg_draw(1, 4),
                                 .window_width = vgg_draw(1, 4)};
        task.height = task.window_height + vgg_draw(0, 3);
        task.width = task.window_width + vgg_draw(0, 3);
        size_t places =
            (task.height - task.window_height + 1) * (task.width - task.window_width + 1);
        size_t features = task.channels * task.window_height * task.window_width;
        vgg_describe("%zux%zu of %zu x %zux%zux%zu", task.window_height, task.window_width,
                     task.images, task.channels, task.height, task.width);
        task.x =
            vgg_draw_floats(vgg_blocked_size(task.images, task.channels, task.height * task.width));
        vgg_guarded_lock(task.x);
        task.y = vgg_guarded_floats(task.images * places * features);
        vgg_running("windows", "all");
        for (size_t unit = task.images * places; unit-- > 0;) {
            vgg_windows(&task, unit, unit + 1, unit % 3);
        }
        vgg_guarded_check();
        vgg_running(NULL, NULL);
        check_windows(&task);
        vgg_guarded_free();
    }
}

static void test_row_means(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_row_means_task task = {
            .images = vgg_draw(1, 3), .rows = vgg_draw(1, 30), .columns = vgg_draw(1, 200)};
        vgg_describe("%zu x %zu x %zu", task.images, task.rows, task.columns);
        task.x = vgg_draw_floats(task.images * task.rows * task.columns);
        vgg_guarded_lock(task.x);
        task.y = vgg_guarded_floats(task.images * task.columns);
        vgg_running("row_means", "all");
        for (size_t unit = vgg_panel_count(task.columns, VGG_MEAN_COLUMNS); unit-- > 0;) {
            vgg_row_means(&task, unit, unit + 1, 0);
        }
        vgg_guarded_check();
        vgg_running(NULL, NULL);
        for (size_t at = 0; at < task.images * task.columns; at++) {
            const float *column =
                task.x + at / task.columns * task.rows * task.columns + at % task.columns;
            double sum = 0;
            for (size_t row = 0; row < task.rows; row++) {
                sum += (double)column[row * task.columns];
            }
            assert_true(task.y[at] == (float)(sum / (double)task.rows));
        }
        vgg_guarded_free();
    }
}

/* ---- panels ---- */

static void test_panels(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_panel_task task = {
            .rows = vgg_draw(1, 20), .columns = vgg_draw(1, 200), .width = vgg_draw(1, 70)};
        size_t panels = vgg_panel_count(task.columns, task.width);
        vgg_describe("%zu x %zu in panels of %zu", task.rows, task.columns, task.width);
        task.from = vgg_draw_floats(task.rows * task.columns);
        vgg_guarded_lock(task.from);
        task.to = vgg_guarded_floats(panels * task.rows * task.width);
        for (size_t panel = panels; panel-- > 0;) {
            vgg_panels(&task, panel, panel + 1, 0);
        }
        vgg_guarded_check();
        for (size_t at = 0; at < panels * task.rows * task.width; at++) {
            size_t row = at / task.width % task.rows;
            size_t column = at / task.width / task.rows * task.width + at % task.width;
            float wanted = column < task.columns ? task.from[row * task.columns + column] : 0;
            if (task.to[at] != wanted)
                vgg_kernel_fail("panels", "all", "value %zu is %g instead of %g", at,
                                (double)task.to[at], (double)wanted);
        }
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_table, vgg_teardown),
        cmocka_unit_test_teardown(test_choice, vgg_teardown),
        cmocka_unit_test_teardown(test_pack, vgg_teardown),
        cmocka_unit_test_teardown(test_block, vgg_teardown),
        cmocka_unit_test_teardown(test_panels, vgg_teardown),
        cmocka_unit_test_teardown(test_windows, vgg_teardown),
        cmocka_unit_test_teardown(test_row_means, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
