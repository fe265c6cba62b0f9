/* Threads: every unit once, whoever else is there; pieces ahead of time; executors; forks. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ahead.h"
#include "base/memory.h"
#include "base/threads.h"
#include "vgg_test.h"

#define UNITS 1000

static vgg_threads *make_threads(size_t count) {
    vgg_threads_options options;
    vgg_threads *threads = NULL;
    vgg_error error;
    vgg_threads_options_init(&options, sizeof options);
    options.count = count;
    assert_ok(vgg_threads_create(&options, &threads, &error), error);
    assert_int_equal(vgg_threads_count(threads), count);
    return threads;
}

/* How often each unit was done, and whether one worker was in two places. */
typedef struct tally {
    size_t threads;
    atomic_int visits[UNITS];
    atomic_int at_work[8];
    atomic_size_t wrong;
} tally;

static void count_units(void *context, size_t begin, size_t end, size_t worker) {
    tally *task = context;
    if (worker >= task->threads) {
        atomic_fetch_add(&task->wrong, 1);
        return;
    }
    atomic_fetch_add(&task->wrong, (size_t)(atomic_fetch_add(&task->at_work[worker], 1) != 0));
    for (size_t unit = begin; unit < end; unit++) {
        atomic_fetch_add(&task->visits[unit], 1);
    }
    atomic_fetch_sub(&task->at_work[worker], 1);
}

/* Units that were not done once, or done beyond the last. */
static size_t run_and_count(vgg_threads *threads, size_t units) {
    tally task = {.threads = vgg_threads_count(threads)};
    vgg_threads_run(threads, units, count_units, &task);
    size_t wrong = task.wrong;
    for (size_t unit = 0; unit < UNITS; unit++) {
        wrong += task.visits[unit] != (unit < units ? 1 : 0);
    }
    return wrong;
}

static void every_unit_once(void **state) {
    (void)state;
    for (size_t count = 1; count <= 5; count++) {
        vgg_threads *threads = make_threads(count);
        for (size_t units = 0; units <= UNITS; units += 37) {
            assert_int_equal(run_and_count(threads, units), 0);
        }
        vgg_threads_free(threads);
    }
    vgg_threads_free(NULL);
}

/* A worker that takes its time, for the caller's thread and for another one. */
typedef struct unequal {
    size_t slow;
    tally counted;
} unequal;

static void count_unequally(void *context, size_t begin, size_t end, size_t worker) {
    unequal *task = context;
    count_units(&task->counted, begin, end, worker);
    if (worker == task->slow)
        usleep((useconds_t)(500 * (end - begin)));
}

static void slow_threads_leave_nothing_undone(void **state) {
    (void)state;
    vgg_threads *threads = make_threads(3);
    for (size_t units = 2; units <= 40; units++) {
        unequal task = {.slow = units % 3, .counted.threads = 3};
        vgg_threads_run(threads, units, count_unequally, &task);
        assert_int_equal(task.counted.wrong, 0);
        for (size_t unit = 0; unit < UNITS; unit++) {
            assert_int_equal(task.counted.visits[unit], unit < units ? 1 : 0);
        }
    }
    vgg_threads_free(threads);
}

static void wrong_options(void **state) {
    (void)state;
    vgg_threads_options options;
    vgg_threads *none = NULL;
    vgg_error error;
    vgg_threads_options_init(&options, sizeof options);
    options.count = VGG_THREADS_MAX + 1;
    assert_int_equal(vgg_threads_create(&options, &none, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "257 threads asked for");
    assert_null(none);
}

/* ---- in company ---- */

static void *use_often(void *context) {
    size_t wrong = 0;
    for (size_t i = 0; i < 200; i++) {
        wrong += run_and_count(context, UNITS - i);
    }
    return wrong == 0 ? NULL : context;
}

/* More callers than can be helped at once. */
static void many_callers(void **state) {
    (void)state;
    vgg_threads *threads = make_threads(3);
    pthread_t callers[12];
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(pthread_create(&callers[i], NULL, use_often, threads), 0);
    }
    for (size_t i = 0; i < 12; i++) {
        void *failed;
        assert_int_equal(pthread_join(callers[i], &failed), 0);
        assert_null(failed);
    }
    vgg_threads_free(threads);
}

typedef struct outer_task {
    vgg_threads *threads;
    atomic_size_t wrong;
} outer_task;

static void run_within(void *context, size_t begin, size_t end, size_t worker) {
    outer_task *outer = context;
    (void)worker;
    for (size_t unit = begin; unit < end; unit++) {
        atomic_fetch_add(&outer->wrong, run_and_count(outer->threads, 100));
    }
}

static void work_within_work(void **state) {
    (void)state;
    for (size_t count = 1; count <= 4; count++) {
        outer_task outer = {.threads = make_threads(count)};
        vgg_threads_run(outer.threads, 40, run_within, &outer);
        assert_int_equal(outer.wrong, 0);
        vgg_threads_free(outer.threads);
    }
}

/* ---- executors ---- */

typedef struct executor_log {
    size_t calls, most_tasks;
    bool on_threads;
} executor_log;

typedef struct executor_task {
    void (*task)(void *context, size_t index);
    void *context;
    size_t index;
} executor_task;

static void *run_task(void *argument) {
    executor_task *one = argument;
    one->task(one->context, one->index);
    return NULL;
}

/* From the last to the first, or each on a thread of its own. */
static void execute(void *user, size_t tasks, void (*task)(void *context, size_t index),
                    void *context) {
    executor_log *log = user;
    pthread_t threads[32];
    executor_task each[32];
    log->calls++;
    log->most_tasks = vgg_size_max(log->most_tasks, tasks);
    assert_true(tasks <= 32);
    for (size_t i = tasks; i-- > 0;) {
        each[i] = (executor_task){task, context, i};
        if (log->on_threads)
            assert_int_equal(pthread_create(&threads[i], NULL, run_task, &each[i]), 0);
        else
            task(context, i);
    }
    for (size_t i = 0; log->on_threads && i < tasks; i++) {
        pthread_join(threads[i], NULL);
    }
}

static vgg_threads *make_executor(executor_log *log, size_t count) {
    vgg_threads_options options;
    vgg_threads *threads = NULL;
    vgg_error error;
    vgg_threads_options_init(&options, sizeof options);
    options.count = count;
    options.executor = execute;
    options.user = log;
    assert_ok(vgg_threads_create(&options, &threads, &error), error);
    return threads;
}

static void the_callers_executor(void **state) {
    (void)state;
    for (int on_threads = 0; on_threads < 2; on_threads++) {
        executor_log log = {.on_threads = on_threads};
        vgg_threads *threads = make_executor(&log, 4);
        for (size_t units = 2; units <= UNITS; units += 53) {
            assert_int_equal(run_and_count(threads, units), 0);
        }
        assert_int_equal(log.calls, 19);
        assert_int_equal(log.most_tasks, 4);
        assert_int_equal(run_and_count(threads, 1), 0);
        assert_int_equal(log.calls, 19);
        outer_task outer = {.threads = threads};
        vgg_threads_run(threads, 1, run_within, &outer);
        assert_int_equal(outer.wrong, 0);
        vgg_threads_free(threads);
    }
}

/* ---- ahead of time ---- */

#define PIECES 500
#define WINDOW 12

typedef struct pieces {
    atomic_int made[PIECES];
    atomic_size_t most; /* the greatest number made so far */
} pieces;

static void make_piece(void *context, size_t number) {
    pieces *all = context;
    atomic_fetch_add(&all->made[number], 1);
    size_t most = atomic_load(&all->most);
    while (number > most && !atomic_compare_exchange_weak(&all->most, &most, number)) {
    }
    if (number % 7 == 0)
        sched_yield();
}

/* Awaits pieces by fours, WINDOW ahead of those that were awaited. */
static void walk(vgg_ahead *ahead, pieces *all, size_t first, size_t last) {
    vgg_error error;
    assert_ok(vgg_ahead_begin(ahead, first, &error), error);
    for (size_t at = first; at < last; at += 4) {
        size_t limit = vgg_size_min(at + WINDOW, PIECES), end = vgg_size_min(at + 4, last);
        vgg_ahead_allow(ahead, limit);
        assert_ok(vgg_ahead_await(ahead, end, &error), error);
        for (size_t i = at; i < end; i++) {
            assert_int_equal(all->made[i], 1);
        }
        assert_true(all->most < limit);
    }
}

static void walk_all(vgg_threads *threads) {
    pieces *all = calloc(1, sizeof *all);
    vgg_ahead *ahead = NULL;
    vgg_error error;
    assert_non_null(all);
    assert_ok(vgg_ahead_create(threads, WINDOW, make_piece, all, &ahead, &error), error);
    walk(ahead, all, 0, PIECES);
    for (size_t round = 0; round < 20; round++) {
        memset(all, 0, sizeof *all);
        walk(ahead, all, 4 * round, 4 * round + 30);
        vgg_ahead_halt(ahead);
    }
    vgg_ahead_free(ahead);
    free(all);
}

static void pieces_in_order(void **state) {
    (void)state;
    for (size_t count = 1; count <= 4; count++) {
        vgg_threads *threads = make_threads(count);
        walk_all(threads);
        vgg_threads_free(threads);
    }
    for (int on_threads = 0; on_threads < 2; on_threads++) {
        executor_log log = {.on_threads = on_threads};
        vgg_threads *threads = make_executor(&log, 2);
        walk_all(threads);
        assert_true(log.calls >= PIECES / 4);
        vgg_threads_free(threads);
    }
}

/* A piece that is being made until it is told to end. */
typedef struct slow_piece {
    atomic_bool begun, may_end;
} slow_piece;

static void make_slowly(void *context, size_t number) {
    slow_piece *slow = context;
    atomic_store(&slow->begun, true);
    while (number == 0 && !atomic_load(&slow->may_end)) {
        sched_yield();
    }
}

/* Work that is shared out ends although a helper is at a piece that does not. */
static void nobody_waits_for_a_piece(void **state) {
    (void)state;
    vgg_threads *threads = make_threads(2);
    slow_piece slow = {0};
    vgg_ahead *ahead = NULL;
    vgg_error error;
    assert_ok(vgg_ahead_create(threads, 1, make_slowly, &slow, &ahead, &error), error);
    assert_ok(vgg_ahead_begin(ahead, 0, &error), error);
    vgg_ahead_allow(ahead, 1);
    while (!atomic_load(&slow.begun)) {
        sched_yield();
    }
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(run_and_count(threads, UNITS), 0);
    }
    atomic_store(&slow.may_end, true);
    assert_ok(vgg_ahead_await(ahead, 1, &error), error);
    vgg_ahead_free(ahead);
    vgg_threads_free(threads);
}

/* Two sets of pieces and shared work at the same time, on the same threads. */
static void *walk_thread(void *threads) {
    for (size_t i = 0; i < 5; i++) {
        walk_all(threads);
    }
    return NULL;
}

static void everything_at_once(void **state) {
    (void)state;
    vgg_threads *threads = make_threads(3);
    pthread_t walkers[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&walkers[i], NULL, walk_thread, threads), 0);
    }
    assert_null(use_often(threads));
    for (size_t i = 0; i < 2; i++) {
        pthread_join(walkers[i], NULL);
    }
    vgg_threads_free(threads);
}

/* ---- forks ---- */

/* What a child does with what it inherited; 0 when all is well. */
static int use_inherited(vgg_threads *threads, vgg_ahead *ahead) {
    vgg_error error;
    alarm(60); /* instead of waiting forever */
    for (size_t i = 0; i < 50; i++) {
        if (run_and_count(threads, UNITS) != 0)
            return 1;
    }
    if (vgg_ahead_await(ahead, 2, &error) != VGG_ERROR_ARGUMENT ||
        strstr(error.message, "forked") == NULL)
        return 2;
    if (vgg_ahead_begin(ahead, 0, &error) != VGG_ERROR_ARGUMENT)
        return 3;
    vgg_ahead_allow(ahead, 8);
    vgg_ahead_free(ahead);
    pieces *all = calloc(1, sizeof *all);
    if (all == NULL || vgg_ahead_create(threads, 4, make_piece, all, &ahead, &error) != VGG_OK ||
        vgg_ahead_begin(ahead, 0, &error) != VGG_OK)
        return 4;
    vgg_ahead_allow(ahead, 4);
    if (vgg_ahead_await(ahead, 4, &error) != VGG_OK || all->made[3] != 1)
        return 5;
    vgg_ahead_free(ahead);
    vgg_threads_free(threads);
    free(all);
    return 0;
}

/* Children of a process whose threads are busy, or asleep, at that moment. */
static void children_go_on_alone(void **state) {
    (void)state;
    vgg_threads *threads = make_threads(4);
    pieces *all = calloc(1, sizeof *all);
    vgg_ahead *ahead = NULL;
    vgg_error error;
    assert_non_null(all);
    assert_ok(vgg_ahead_create(threads, WINDOW, make_piece, all, &ahead, &error), error);
    assert_ok(vgg_ahead_begin(ahead, 0, &error), error);
    for (size_t i = 0; i < 8; i++) {
        if (i % 2 == 1)
            usleep(20000);
        assert_int_equal(run_and_count(threads, UNITS), 0);
        vgg_ahead_allow(ahead, i + 1);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(use_inherited(threads, ahead));
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_ok(vgg_ahead_await(ahead, i + 1, &error), error);
    }
    vgg_ahead_free(ahead);
    assert_int_equal(run_and_count(threads, UNITS), 0);
    vgg_threads_free(threads);
    free(all);
}

/* An executor whose threads are the parent's. */
static void run_in_parent(void *user, size_t tasks, void (*task)(void *context, size_t index),
                          void *context) {
    if (getpid() != *(const pid_t *)user)
        _exit(77);
    for (size_t i = 0; i < tasks; i++) {
        task(context, i);
    }
}

static void children_leave_the_executor_alone(void **state) {
    (void)state;
    pid_t parent = getpid();
    vgg_error error;
    vgg_threads *threads;
    vgg_threads_options options;
    vgg_threads_options_init(&options, sizeof options);
    options.count = 3;
    options.executor = run_in_parent;
    options.user = &parent;
    assert_ok(vgg_threads_create(&options, &threads, &error), error);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_and_count(threads, UNITS) == 0 ? 0 : 1);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(run_and_count(threads, UNITS), 0);
    vgg_threads_free(threads);
}

static void test_default_threads(void **state) {
    (void)state;
    size_t threads = vgg_threads_default();
    assert_true(threads >= 1 && threads <= VGG_THREADS_MAX);
    /* The program reads this variable, not the library. */
    assert_int_equal(setenv("OMP_NUM_THREADS", "251", 1), 0);
    assert_int_equal(vgg_threads_default(), threads);
    assert_int_equal(unsetenv("OMP_NUM_THREADS"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_threads),
        cmocka_unit_test(every_unit_once),
        cmocka_unit_test(slow_threads_leave_nothing_undone),
        cmocka_unit_test(wrong_options),
        cmocka_unit_test(many_callers),
        cmocka_unit_test(work_within_work),
        cmocka_unit_test(the_callers_executor),
        cmocka_unit_test(pieces_in_order),
        cmocka_unit_test(nobody_waits_for_a_piece),
        cmocka_unit_test(everything_at_once),
        cmocka_unit_test(children_go_on_alone),
        cmocka_unit_test(children_leave_the_executor_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
