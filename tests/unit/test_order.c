/* The balanced order of an epoch. */
#include "data_files.h"

#include "data/order.h"

#define PICTURES ((size_t)23)
#define FEW ((size_t)4) /* pictures of the first class */
#define EPOCHS ((uint64_t)4)

static vgg_dataset *open_uneven(void) {
    char name[64];
    for (size_t i = 0; i < PICTURES; i++) {
        snprintf(name, sizeof name, "uneven/%s/%02zu.png", i < FEW ? "a" : "b", i);
        write_picture(name, 8, 3, 10 * (int)i);
    }
    vgg_dataset *uneven = NULL;
    vgg_error error;
    assert_ok(vgg_dataset_open(at("uneven"), NULL, &uneven, NULL, &error), error);
    return uneven;
}

/* Pictures of the first class in an order, whose entries must be good and differ; counts how often
 * each was shown. */
static size_t check_order(const size_t order[PICTURES], size_t shown[PICTURES]) {
    size_t first = 0, times[PICTURES] = {0}, highest[PICTURES] = {0};
    for (size_t i = 0; i < PICTURES; i++) {
        size_t item = order[i] % PICTURES, repeat = order[i] / PICTURES;
        first += item < FEW;
        times[item]++;
        shown[item]++;
        highest[item] = repeat > highest[item] ? repeat : highest[item];
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(order[j], order[i]);
        }
    }
    for (size_t item = 0; item < PICTURES; item++) {
        /* A class comes in full before one of its pictures comes again. */
        assert_true(times[item] <= (item < FEW ? 3 : 1));
        assert_int_equal(highest[item], times[item] > 0 ? times[item] - 1 : 0);
    }
    return first;
}

static void each_class_alike(void **state) {
    (void)state;
    vgg_dataset *uneven = open_uneven();
    vgg_error error;
    size_t order[PICTURES], again[PICTURES], before[PICTURES] = {0}, shown[PICTURES] = {0};
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        assert_ok(vgg_order_balanced(uneven, 7, epoch, order, &error), error);
        assert_ok(vgg_order_balanced(uneven, 7, epoch, again, &error), error);
        assert_memory_equal(order, again, sizeof order);
        assert_memory_not_equal(order, before, sizeof order);
        size_t first = check_order(order, shown);
        assert_true(first == PICTURES / 2 || first == PICTURES / 2 + 1);
        memcpy(before, order, sizeof order);
    }
    for (size_t i = 0; i < PICTURES; i++) {
        assert_true(shown[i] > 0);
    }
    vgg_dataset_free(uneven);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_class_alike),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
