/* Options, results and what is handed out of indexes, from callers that know less of them or more
 * than the library. */
#include "edge.h"
#include "pictures.h"
#include "vgg/index.h"

static vgg_model *model;
static vgg_index *index_of_one;
static size_t given;

static const vgg_picture *next_picture(void *user) {
    vgg_picture *picture = user;
    picture->path = vgg_dataset_item_name(validation_part, 0);
    return given++ == 0 ? picture : NULL;
}

static bool check_event(void *user, const vgg_index_event *event) {
    (void)user;
    return event->struct_size == sizeof *event && event->change == VGG_INDEX_ADDED;
}

static bool check_group(void *user, const vgg_duplicate_group *group) {
    (void)user;
    return group->struct_size == sizeof *group;
}

static vgg_status update(const void *options, void *changes, vgg_error *error) {
    vgg_picture picture;
    vgg_picture_init(&picture, sizeof picture);
    given = 0;
    return vgg_index_update(index_of_one, next_picture, &picture, options, changes, error);
}

/* ---- options ---- */

static vgg_status use_create(const void *options, vgg_error *error) {
    vgg_index *index = NULL;
    vgg_status status = vgg_index_create(model, options, &index, error);
    vgg_index_free(index);
    return status;
}

static vgg_status use_open(const void *options, vgg_error *error) {
    vgg_index *index = NULL;
    vgg_status status = vgg_index_open(in_folder("index"), model, options, &index, error);
    vgg_index_free(index);
    return status;
}

static vgg_status use_update(const void *options, vgg_error *error) {
    return update(options, NULL, error);
}

static vgg_status use_duplicates(const void *options, vgg_error *error) {
    return vgg_index_duplicates(index_of_one, options, check_group, NULL, error);
}

typedef struct options_case {
    const char *name;
    size_t size;
    vgg_status (*use)(const void *options, vgg_error *error);
} options_case;

static const options_case options_cases[] = {
    {"vgg_index_options", sizeof(vgg_index_options), use_create},
    {"vgg_index_options", sizeof(vgg_index_options), use_open},
    {"vgg_index_update_options", sizeof(vgg_index_update_options), use_update},
    {"vgg_duplicate_options", sizeof(vgg_duplicate_options), use_duplicates},
};

static void init(const options_case *c, void *options, size_t size) {
    if (strcmp(c->name, "vgg_index_options") == 0)
        vgg_index_options_init(options, size);
    else if (strcmp(c->name, "vgg_index_update_options") == 0)
        vgg_index_update_options_init(options, size);
    else
        vgg_duplicate_options_init(options, size);
}

/* With a byte of the tail set unless it is 0. */
static vgg_status try_options(const options_case *c, size_t size, size_t tail, vgg_error *error) {
    unsigned char *options = edge(size);
    init(c, options, size);
    if (tail > 0)
        options[tail] = 1;
    vgg_status status = c->use(options, error);
    unmap(options, size);
    return status;
}

static void options_of_other_sizes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof options_cases / sizeof *options_cases; i++) {
        const options_case *c = &options_cases[i];
        size_t nothing = 0;
        vgg_error error = {0};
        assert_ok(try_options(c, sizeof(size_t), 0, &error), error);
        assert_ok(try_options(c, c->size, 0, &error), error);
        assert_ok(try_options(c, c->size + 64, 0, &error), error);
        assert_int_equal(try_options(c, c->size + 64, c->size + 9, &error), VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "is not zero");
        assert_int_equal(c->use(&nothing, &error), VGG_ERROR_ARGUMENT);
        assert_contains(error.message, c->name);
    }
}

/* ---- results ---- */

static vgg_status ask_info(void *info, vgg_error *error) {
    return vgg_index_describe(index_of_one, info, error);
}

static vgg_status ask_changes(void *changes, vgg_error *error) {
    return update(NULL, changes, error);
}

static void results_of_other_sizes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t size;
        vgg_status (*ask)(void *result, vgg_error *error);
    } cases[] = {{"vgg_index_info", sizeof(vgg_index_info), ask_info},
                 {"vgg_index_changes", sizeof(vgg_index_changes), ask_changes}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t sizes[] = {2 * sizeof(size_t), cases[i].size, cases[i].size + 64};
        for (size_t s = 0; s < 3; s++) {
            unsigned char *result = edge(sizes[s]);
            vgg_error error = {0};
            set_size(result, sizes[s]);
            assert_ok(cases[i].ask(result, &error), error);
            assert_int_equal(size_of(result), sizes[s]);
            assert_int_equal(result[sizeof(size_t)], 1); /* a picture */
            if (s == 2)
                assert_int_equal(result[sizes[s] - 1], 0);
            set_size(result, 0);
            assert_int_equal(cases[i].ask(result, &error), VGG_ERROR_ARGUMENT);
            assert_contains(error.message, cases[i].name);
            unmap(result, sizes[s]);
        }
    }
}

static void what_is_handed_out_has_its_size(void **state) {
    (void)state;
    vgg_error error;
    vgg_index *fresh = NULL;
    vgg_picture picture;
    vgg_index_update_options options;
    vgg_picture_init(&picture, sizeof picture);
    vgg_index_update_options_init(&options, sizeof options);
    options.told = check_event;
    given = 0;
    assert_ok(vgg_index_create(model, NULL, &fresh, &error), error);
    assert_ok(vgg_index_update(fresh, next_picture, &picture, &options, NULL, &error), error);
    vgg_index_free(fresh);
}

static int set_up(void **state) {
    if (open_pictures(state) != 0)
        return 1;
    vgg_error error;
    model = usual_model(false);
    assert_ok(vgg_index_create(model, NULL, &index_of_one, &error), error);
    assert_ok(update(NULL, NULL, &error), error);
    assert_ok(vgg_index_save(index_of_one, in_folder("index"), &error), error);
    return 0;
}

static int tear_down(void **state) {
    vgg_index_free(index_of_one);
    vgg_model_free(model);
    return close_pictures(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_other_sizes),
        cmocka_unit_test(results_of_other_sizes),
        cmocka_unit_test(what_is_handed_out_has_its_size),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
