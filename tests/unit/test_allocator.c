/* An allocator of the caller's: all memory comes from it and goes back to it. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "nets.h"
#include "vgg/memory.h"
#include "vgg_test.h"

/* Blocks carry a mark before them, which free() would trip over: the address that the system gave.
 */
typedef struct mark {
    void *block;
    size_t bytes, alignment;
} mark;

static atomic_size_t held, taken;
static int user_word;

static void *counting_allocate(void *user, size_t bytes, size_t alignment) {
    assert_ptr_equal(user, &user_word);
    assert_true(bytes > 0 && alignment > 0 && (alignment & (alignment - 1)) == 0);
    size_t step = alignment < sizeof(mark) ? sizeof(mark) : alignment;
    char *block = malloc(bytes + 2 * step);
    assert_non_null(block);
    char *at = block + step + sizeof(mark);
    at -= (size_t)at % alignment;
    if ((size_t)(at - block) < sizeof(mark))
        at += alignment;
    memcpy(at - sizeof(mark), &(mark){block, bytes, alignment}, sizeof(mark));
    atomic_fetch_add(&held, 1);
    atomic_fetch_add(&taken, 1);
    return at;
}

static mark mark_of(void *block) {
    mark found;
    memcpy(&found, (char *)block - sizeof found, sizeof found);
    return found;
}

static void counting_release(void *user, void *block) {
    assert_ptr_equal(user, &user_word);
    atomic_fetch_sub(&held, 1);
    free(mark_of(block).block);
}

static void *counting_resize(void *user, void *block, size_t bytes) {
    mark old = mark_of(block);
    void *larger = counting_allocate(user, bytes, old.alignment);
    memcpy(larger, block, old.bytes < bytes ? old.bytes : bytes);
    counting_release(user, block);
    return larger;
}

static const vgg_allocator counting = {.allocate = counting_allocate,
                                       .resize = counting_resize,
                                       .release = counting_release,
                                       .user = &user_word};

static void test_incomplete(void **state) {
    (void)state;
    vgg_error error;
    vgg_allocator incomplete = counting;
    incomplete.resize = NULL;
    assert_int_equal(vgg_allocator_set(&incomplete, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "without one of its three functions");
}

/* In a process of its own: what calloc gave counts as taken, too. */
static void test_after_calloc(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        vgg_free(vgg_calloc(3, 5));
        _exit(vgg_allocator_set(&counting, NULL) == VGG_ERROR_ARGUMENT ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_all_memory(void **state) {
    (void)state;
    vgg_error error;
    assert_ok(vgg_allocator_set(&counting, &error), error);
    vgg_network *network = small_net("4,M,6,M/5", 3, 3, 16);
    initialise(network, "kaiming", 1);
    vgg_plan *plan;
    assert_ok(vgg_plan_create(network, NULL, &plan, &error), error);
    static float inputs[3 * 16 * 16], logits[3];
    assert_ok(vgg_plan_forward(plan, inputs, 1, logits, &error), error);
    char *table;
    assert_ok(vgg_network_summary(network, 1, &table, &error), error);
    assert_true(atomic_load(&held) > 10);
    vgg_string_free(table);
    vgg_plan_free(plan);
    vgg_network_free(network);
    assert_true(atomic_load(&taken) > 10);
    assert_int_equal(atomic_load(&held), 0);
}

static void test_too_late(void **state) {
    (void)state;
    vgg_error error;
    assert_int_equal(vgg_allocator_set(&counting, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "before any other function");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_after_calloc),
        cmocka_unit_test(test_all_memory),
        cmocka_unit_test(test_too_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
