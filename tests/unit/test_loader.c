/* The loader: which pictures, in which order, whatever the workers do. */
#include "data_files.h"

#include <math.h>
#include <sys/wait.h>
#include <time.h>

#include "base/memory.h"

#define PICTURES 23
#define SIDE 8
#define INPUT ((size_t)3 * SIDE * SIDE)

/* PICTURES pictures in two classes; picture i has samples 10 * i; numbers 5 and 11 are broken in
 * the second data set. */
static vgg_dataset *open_pictures(const char *folder, bool some_broken) {
    char name[64];
    for (int i = 0; i < PICTURES; i++) {
        snprintf(name, sizeof name, "%s/%s/%02d.png", folder, i < 12 ? "a" : "b", i);
        if (some_broken && (i == 5 || i == 11))
            write_bytes(name, "not a picture", 13);
        else
            write_picture(name, SIDE, 3, 10 * i);
    }
    vgg_dataset *dataset = NULL;
    vgg_error error;
    assert_ok(vgg_dataset_open(at(folder), NULL, &dataset, NULL, &error), error);
    assert_int_equal(vgg_dataset_count(dataset), PICTURES);
    return dataset;
}

static vgg_dataset *whole, *broken;

static int set_up(void **state) {
    if (make_test_folder(state) != 0)
        return 1;
    whole = open_pictures("whole", false);
    broken = open_pictures("broken", true);
    return 0;
}

static int tear_down(void **state) {
    vgg_dataset_free(whole);
    vgg_dataset_free(broken);
    return remove_test_folder(state);
}

static vgg_preprocess small_inputs(void) {
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    vgg_error error;
    assert_ok(vgg_preprocess_preset("unit", 3, SIDE, SIDE, &preprocess, &error), error);
    preprocess.resize = 0;
    return preprocess;
}

static vgg_loader_options default_options(void) {
    vgg_loader_options options;
    vgg_loader_options_init(&options, sizeof options);
    options.batch = 5;
    options.workers = 2;
    return options;
}

static vgg_loader *make(const vgg_dataset *dataset, const vgg_loader_options *options) {
    vgg_preprocess preprocess = small_inputs();
    vgg_loader *loader = NULL;
    vgg_error error;
    assert_ok(vgg_loader_create(dataset, &preprocess, options, &loader, &error), error);
    return loader;
}

/* All batches from the one that the epoch begins with, one after another. */
typedef struct epoch {
    size_t batches, count, skipped;
    size_t sizes[PICTURES], items[PICTURES], classes[PICTURES];
    float inputs[PICTURES * 3 * SIDE * SIDE];
} epoch;

static epoch *walk(vgg_loader *loader, uint64_t number, size_t first_batch) {
    epoch *seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    vgg_error error;
    assert_ok(vgg_loader_start(loader, number, first_batch, &error), error);
    for (;;) {
        const vgg_batch *batch;
        assert_ok(vgg_loader_next(loader, &batch, &error), error);
        if (batch == NULL)
            break;
        assert_int_equal(batch->struct_size, sizeof *batch);
        assert_true(batch->waited >= 0.0);
        memcpy(seen->items + seen->count, batch->items, batch->count * sizeof *batch->items);
        memcpy(seen->classes + seen->count, batch->classes, batch->count * sizeof *batch->classes);
        memcpy(seen->inputs + seen->count * INPUT, batch->inputs,
               batch->count * INPUT * sizeof(float));
        seen->sizes[seen->batches++] = batch->count;
        seen->count += batch->count;
        seen->skipped += batch->skipped;
    }
    return seen;
}

static void batches_in_order(void **state) {
    (void)state;
    vgg_loader_options options = default_options();
    vgg_loader *loader = make(whole, &options);
    assert_int_equal(vgg_loader_batch_count(loader), 5);
    epoch *seen = walk(loader, 0, 0);
    assert_int_equal(seen->batches, 5);
    assert_int_equal(seen->sizes[4], 3);
    assert_int_equal(seen->count, PICTURES);
    for (size_t i = 0; i < PICTURES; i++) {
        assert_int_equal(seen->items[i], i);
        assert_int_equal(seen->classes[i], i >= 12);
        for (size_t k = 0; k < INPUT; k++) {
            assert_true(fabsf(seen->inputs[i * INPUT + k] - (float)i * 10.0f / 255.0f) < 1e-5f);
        }
    }
    free(seen);
    vgg_loader_free(loader);
}

static void drop_last_and_large_batches(void **state) {
    (void)state;
    vgg_loader_options options = default_options();
    options.drop_last = true;
    vgg_loader *loader = make(whole, &options);
    assert_int_equal(vgg_loader_batch_count(loader), 4);
    epoch *seen = walk(loader, 0, 0);
    assert_int_equal(seen->count, 20);
    free(seen);
    vgg_loader_free(loader);
    options.batch = 1000;
    loader = make(whole, &options);
    assert_int_equal(vgg_loader_batch_count(loader), 0);
    seen = walk(loader, 0, 0);
    assert_int_equal(seen->count, 0);
    free(seen);
    vgg_loader_free(loader);
    options.drop_last = false;
    loader = make(whole, &options);
    seen = walk(loader, 0, 0);
    assert_int_equal(seen->batches, 1);
    assert_int_equal(seen->count, PICTURES);
    free(seen);
    vgg_loader_free(loader);
}

/* The whole struct is compared, so that not one bit may differ. */
static void the_number_of_workers_changes_nothing(void **state) {
    (void)state;
    vgg_augment augment = {.struct_size = sizeof augment, .crop = true, .flip = true};
    const size_t workers[] = {1, 2, 5}, ahead[] = {1, 4, 3};
    for (int with_broken = 0; with_broken < 2; with_broken++) {
        epoch *first = NULL;
        for (size_t i = 0; i < 3; i++) {
            vgg_loader_options options = default_options();
            options.workers = workers[i];
            options.ahead = ahead[i];
            options.shuffle = true;
            options.augment = &augment;
            options.seed = 9;
            vgg_loader *loader = make(with_broken ? broken : whole, &options);
            free(walk(loader, 2, 0));
            epoch *seen = walk(loader, 3, 0);
            vgg_loader_free(loader);
            if (first == NULL) {
                first = seen;
                continue;
            }
            assert_memory_equal(first, seen, sizeof *seen);
            free(seen);
        }
        assert_int_equal(first->count, with_broken ? PICTURES - 2 : PICTURES);
        free(first);
    }
}

static void the_order_is_a_function_of_seed_and_epoch(void **state) {
    (void)state;
    vgg_loader_options options = default_options();
    options.shuffle = true;
    options.seed = 1;
    vgg_loader *one = make(whole, &options);
    options.seed = 2;
    vgg_loader *two = make(whole, &options);
    epoch *a = walk(one, 0, 0), *again = walk(one, 0, 0), *next = walk(one, 1, 0);
    epoch *other = walk(two, 0, 0);
    assert_memory_equal(a, again, sizeof *a);
    assert_memory_not_equal(a->items, next->items, sizeof a->items);
    assert_memory_not_equal(a->items, other->items, sizeof a->items);
    size_t times[PICTURES] = {0};
    for (size_t i = 0; i < PICTURES; i++) {
        times[next->items[i]]++;
    }
    for (size_t i = 0; i < PICTURES; i++) {
        assert_int_equal(times[i], 1);
    }
    free(a);
    free(again);
    free(next);
    free(other);
    vgg_loader_free(one);
    vgg_loader_free(two);
}

static void beginning_at_a_batch_is_going_there(void **state) {
    (void)state;
    vgg_augment augment = {.struct_size = sizeof augment, .flip = true};
    vgg_loader_options options = default_options();
    options.shuffle = true;
    options.augment = &augment;
    vgg_loader *loader = make(whole, &options);
    epoch *all = walk(loader, 4, 0);
    for (size_t first = 0; first <= 5; first++) {
        epoch *rest = walk(loader, 4, first);
        size_t passed = first < 5 ? 5 * first : PICTURES;
        assert_int_equal(rest->count, PICTURES - passed);
        if (rest->count > 0) {
            assert_memory_equal(rest->items, all->items + passed, rest->count * sizeof(size_t));
            assert_memory_equal(rest->inputs, all->inputs + passed * INPUT,
                                rest->count * INPUT * sizeof(float));
        }
        free(rest);
    }
    free(all);
    vgg_error error;
    assert_int_equal(vgg_loader_start(loader, 0, 6, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "cannot begin at number 6");
    vgg_loader_free(loader);
}

/* ---- pictures that cannot be read ---- */

typedef struct skips {
    size_t count, stop_at;
    char names[4][512];
} skips;

static bool note_skip(void *user, const char *name, const vgg_error *why) {
    skips *seen = user;
    assert_true(seen->count < 4);
    assert_contains(why->message, name);
    assert_int_not_equal(why->status, VGG_OK);
    snprintf(seen->names[seen->count++], sizeof seen->names[0], "%s", name);
    return seen->count != seen->stop_at;
}

static void unreadable_pictures_are_skipped_in_order(void **state) {
    (void)state;
    skips seen = {0};
    vgg_loader_options options = default_options();
    options.batch = 6;
    options.skipped = note_skip;
    options.user = &seen;
    vgg_loader *loader = make(broken, &options);
    epoch *all = walk(loader, 0, 0);
    assert_int_equal(seen.count, 2);
    assert_contains(seen.names[0], "/a/05.png");
    assert_contains(seen.names[1], "/a/11.png");
    assert_int_equal(all->skipped, 2);
    assert_int_equal(all->sizes[0], 5);
    assert_int_equal(all->sizes[1], 5);
    assert_int_equal(all->items[5], 6);
    for (size_t i = 0; i < all->count; i++) {
        assert_true(fabsf(all->inputs[i * INPUT] - (float)all->items[i] * 10.0f / 255.0f) < 1e-5f);
    }
    free(all);
    vgg_loader_free(loader);
}

static void a_batch_may_be_empty(void **state) {
    (void)state;
    vgg_loader_options options = default_options();
    options.batch = 1;
    vgg_loader *loader = make(broken, &options);
    epoch *all = walk(loader, 0, 0);
    assert_int_equal(all->batches, PICTURES);
    assert_int_equal(all->sizes[5], 0);
    assert_int_equal(all->skipped, 2);
    free(all);
    vgg_loader_free(loader);
}

static void the_callback_can_stop(void **state) {
    (void)state;
    skips seen = {.stop_at = 2};
    vgg_loader_options options = default_options();
    options.batch = 6;
    options.skipped = note_skip;
    options.user = &seen;
    vgg_loader *loader = make(broken, &options);
    vgg_error error;
    const vgg_batch *batch;
    assert_int_equal(vgg_loader_next(loader, &batch, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "vgg_loader_start");
    assert_ok(vgg_loader_start(loader, 0, 0, &error), error);
    assert_ok(vgg_loader_next(loader, &batch, &error), error);
    assert_int_equal(batch->skipped, 1);
    assert_int_not_equal(vgg_loader_next(loader, &batch, &error), VGG_OK);
    assert_contains(error.message, "/a/11.png");
    assert_int_equal(vgg_loader_next(loader, &batch, &error), VGG_ERROR_ARGUMENT);
    seen = (skips){0};
    epoch *all = walk(loader, 0, 0);
    assert_int_equal(all->count, PICTURES - 2);
    free(all);
    vgg_loader_free(loader);
}

/* ---- the life of a loader ---- */

static void leaving_in_the_middle_of_an_epoch(void **state) {
    (void)state;
    vgg_loader_options options = default_options();
    options.batch = 2;
    options.workers = 4;
    for (size_t taken = 0; taken < 8; taken++) {
        vgg_loader *loader = make(broken, &options);
        vgg_error error;
        for (uint64_t number = 0; number < 3; number++) {
            assert_ok(vgg_loader_start(loader, number, 0, &error), error);
            for (size_t i = 0; i < taken; i++) {
                const vgg_batch *batch;
                assert_ok(vgg_loader_next(loader, &batch, &error), error);
                assert_non_null(batch);
                assert_int_equal(batch->items[0], 2 * i);
            }
        }
        vgg_loader_free(loader);
    }
    vgg_loader_free(NULL);
}

static void the_batch_in_hand_stays(void **state) {
    (void)state;
    vgg_loader_options options = default_options();
    options.batch = 1;
    options.ahead = 1;
    vgg_loader *loader = make(whole, &options);
    vgg_error error;
    assert_ok(vgg_loader_start(loader, 0, 0, &error), error);
    for (size_t i = 0; i < PICTURES; i++) {
        const vgg_batch *batch;
        assert_ok(vgg_loader_next(loader, &batch, &error), error);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* for workers to overrun it */
        assert_int_equal(batch->items[0], i);
        assert_true(fabsf(batch->inputs[INPUT - 1] - (float)i * 10.0f / 255.0f) < 1e-5f);
    }
    vgg_loader_free(loader);
}

/* ---- shared threads ---- */

static void in_turn(void *user, size_t tasks, void (*task)(void *context, size_t index),
                    void *context) {
    size_t *calls = user;
    for (size_t i = 0; i < tasks; i++) {
        task(context, i);
    }
    ++*calls;
}

static vgg_threads *make_threads(size_t count, vgg_executor *executor, size_t *calls) {
    vgg_threads_options options;
    vgg_threads *threads = NULL;
    vgg_error error;
    vgg_threads_options_init(&options, sizeof options);
    options.count = count;
    options.executor = executor;
    options.user = calls;
    assert_ok(vgg_threads_create(&options, &threads, &error), error);
    return threads;
}

static void shared_threads_change_nothing(void **state) {
    (void)state;
    vgg_augment augment = {.struct_size = sizeof augment, .crop = true, .flip = true};
    vgg_loader_options options = default_options();
    options.shuffle = true;
    options.augment = &augment;
    vgg_loader *loader = make(broken, &options);
    epoch *expected = walk(loader, 1, 0);
    vgg_loader_free(loader);
    options.workers = 0;
    for (size_t count = 1; count <= 4; count++) {
        size_t calls = 0;
        options.shared_threads = make_threads(count, count == 4 ? in_turn : NULL, &calls);
        loader = make(broken, &options);
        vgg_loader *other = make(broken, &options);
        vgg_error error;
        assert_ok(vgg_loader_start(other, 0, 0, &error), error);
        epoch *seen = walk(loader, 1, 0);
        assert_memory_equal(seen, expected, sizeof *seen);
        assert_int_equal(calls, count == 4 ? seen->batches : 0);
        free(seen);
        vgg_loader_free(other);
        vgg_loader_free(loader);
        vgg_threads_free(options.shared_threads);
    }
    free(expected);
}

/* A child is told, instead of waiting for threads that it does not have. */
static void inherited_over_fork(void **state) {
    (void)state;
    vgg_loader_options options = default_options();
    vgg_loader *loader = make(whole, &options);
    vgg_error error;
    assert_ok(vgg_loader_start(loader, 0, 0, &error), error);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        const vgg_batch *batch;
        bool told = vgg_loader_next(loader, &batch, &error) == VGG_ERROR_ARGUMENT &&
                    strstr(error.message, "forked") != NULL &&
                    vgg_loader_start(loader, 0, 0, &error) == VGG_ERROR_ARGUMENT;
        vgg_loader_free(loader);
        _exit(told ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(walk(loader, 0, 0));
    vgg_loader_free(loader);
}

static void expect_no_loader(vgg_loader_options options, vgg_preprocess preprocess,
                             vgg_status status, const char *text) {
    vgg_loader *loader = NULL;
    vgg_error error;
    assert_int_equal(vgg_loader_create(whole, &preprocess, &options, &loader, &error), status);
    assert_contains(error.message, text);
    assert_null(loader);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    vgg_preprocess preprocess = small_inputs();
    vgg_loader_options options = default_options();
    options.batch = 0;
    expect_no_loader(options, preprocess, VGG_ERROR_ARGUMENT, "batch 0 and ahead 4");
    options = default_options();
    options.ahead = 0;
    expect_no_loader(options, preprocess, VGG_ERROR_ARGUMENT, "batch 5 and ahead 0");
    options = default_options();
    options.workers = 100000;
    expect_no_loader(options, preprocess, VGG_ERROR_ARGUMENT, "100000 workers");
    memset(&options, 0, sizeof options);
    expect_no_loader(options, preprocess, VGG_ERROR_ARGUMENT, "vgg_loader_options_init");
    options = default_options();
    options.ahead = SIZE_MAX;
    options.batch = PICTURES;
    preprocess.width = preprocess.height = 14000;
    if (vgg_memory_available() / sizeof(float) < (size_t)2 * PICTURES * 3 * 14000 * 14000)
        expect_no_loader(options, preprocess, VGG_ERROR_MEMORY,
                         "2 batches of 23 inputs of 3 x 14000 x 14000");
    preprocess.deviation[0] = 0.0;
    options = default_options();
    vgg_loader *loader = NULL;
    assert_int_not_equal(vgg_loader_create(whole, &preprocess, &options, &loader, NULL), VGG_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_in_order),
        cmocka_unit_test(drop_last_and_large_batches),
        cmocka_unit_test(the_number_of_workers_changes_nothing),
        cmocka_unit_test(the_order_is_a_function_of_seed_and_epoch),
        cmocka_unit_test(beginning_at_a_batch_is_going_there),
        cmocka_unit_test(unreadable_pictures_are_skipped_in_order),
        cmocka_unit_test(a_batch_may_be_empty),
        cmocka_unit_test(the_callback_can_stop),
        cmocka_unit_test(leaving_in_the_middle_of_an_epoch),
        cmocka_unit_test(the_batch_in_hand_stays),
        cmocka_unit_test(shared_threads_change_nothing),
        cmocka_unit_test(inherited_over_fork),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
