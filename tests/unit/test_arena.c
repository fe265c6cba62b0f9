/* The arena: buffers that live at the same time never share bytes, and others do. */
#include "vgg_test.h"

#include "base/memory.h"
#include "base/random.h"
#include "nn/plan.h"

#define MOST 40
#define MOMENTS 24

static uint64_t draws;

static size_t below(size_t bound) {
    return (size_t)vgg_random_below(bound, 2024, 0, draws++);
}

static bool live_together(const vgg_buffer *a, const vgg_buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

static void check_places(const vgg_buffer *buffers, size_t count, size_t total) {
    for (size_t i = 0; i < count; i++) {
        const vgg_buffer *a = &buffers[i];
        if (a->offset == SIZE_MAX)
            continue;
        assert_int_equal(a->offset % VGG_ALIGNMENT, 0);
        assert_true(a->offset <= total && a->bytes <= total - a->offset);
        for (size_t j = 0; j < i; j++) {
            const vgg_buffer *b = &buffers[j];
            if (b->offset == SIZE_MAX || !live_together(a, b) || a->bytes == 0 || b->bytes == 0)
                continue;
            assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
    }
}

/* The most bytes that live at one moment. */
static size_t peak(const vgg_buffer *buffers, size_t count) {
    size_t most = 0;
    for (size_t moment = 0; moment < MOMENTS; moment++) {
        size_t live = 0;
        for (size_t i = 0; i < count; i++) {
            if (buffers[i].offset != SIZE_MAX && buffers[i].first <= moment &&
                moment <= buffers[i].last)
                live += buffers[i].bytes;
        }
        most = vgg_size_max(most, live);
    }
    return most;
}

static void random_lives(void **state) {
    (void)state;
    for (size_t round = 0; round < 400; round++) {
        vgg_buffer buffers[MOST], wanted[MOST];
        size_t count = 1 + below(MOST), sum = 0;
        for (size_t i = 0; i < count; i++) {
            size_t first = below(MOMENTS);
            buffers[i] = (vgg_buffer){.bytes = below(4) == 0 ? 1 + below(200) : 1 + below(100000),
                                      .first = first,
                                      .last = first + below(MOMENTS - first),
                                      .offset = below(8) == 0 ? SIZE_MAX : 0};
            if (buffers[i].offset != SIZE_MAX)
                sum += vgg_round_up(buffers[i].bytes, VGG_ALIGNMENT);
        }
        memcpy(wanted, buffers, sizeof wanted);
        size_t least = peak(buffers, count), total = vgg_arena_place(buffers, count);
        for (size_t i = 0; i < count; i++) {
            assert_true(buffers[i].bytes >= wanted[i].bytes);
            assert_int_equal(buffers[i].first, wanted[i].first);
            assert_int_equal(buffers[i].last, wanted[i].last);
            assert_int_equal(buffers[i].offset == SIZE_MAX, wanted[i].offset == SIZE_MAX);
        }
        check_places(buffers, count, total);
        assert_true(total <= sum);
        assert_true(total >= least);
    }
}

static void shares_after_death(void **state) {
    (void)state;
    vgg_buffer chain[10];
    for (size_t i = 0; i < 10; i++) {
        chain[i] = (vgg_buffer){.bytes = 6400, .first = i, .last = i + 1};
    }
    assert_int_equal(vgg_arena_place(chain, 10), 2 * 6400);
    check_places(chain, 10, 2 * 6400);
    for (size_t i = 0; i < 10; i++) {
        chain[i] = (vgg_buffer){.bytes = 6400, .first = 0, .last = 9};
    }
    assert_int_equal(vgg_arena_place(chain, 10), 10 * 6400);
}

static void nothing_to_place(void **state) {
    (void)state;
    vgg_buffer callers = {.bytes = 100, .offset = SIZE_MAX};
    assert_int_equal(vgg_arena_place(&callers, 0), 0);
    assert_int_equal(vgg_arena_place(&callers, 1), 0);
    assert_int_equal(callers.offset, SIZE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives),
        cmocka_unit_test(shares_after_death),
        cmocka_unit_test(nothing_to_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
