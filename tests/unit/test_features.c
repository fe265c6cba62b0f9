/* Cached features: a training on them ends in the bytes of one on the pictures. */
#include "pictures.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE "features.cache"

/* What a case freezes: blocks, or the layers of these names. */
typedef struct features_case {
    const char *arch;
    bool batch_norm;
    double dropout;
    size_t blocks;
    const char *layers[4];
    bool flip, alternate, balance;
    size_t micro_batch, parts;
} features_case;

static const features_case cases[] = {
    {.arch = "16,M,24,M/20", .blocks = 1},
    {.arch = "16,M,24,M/20", .blocks = 2, .dropout = 0.5, .flip = true},
    {.arch = "16,M,20,24,M/20",
     .batch_norm = true,
     .blocks = 1,
     .flip = true,
     .alternate = true,
     .micro_batch = 6},
    {.arch = "16,M,20,24,M/20", .blocks = 1, .flip = true, .balance = true, .parts = 3},
    /* A batch norm of a frozen convolution learns; a linear layer with dropout is frozen. */
    {.arch = "16,M,20,M", .batch_norm = true, .layers = {"features.0"}, .flip = true},
    {.arch = "16,M,24,M/20", .blocks = 2, .dropout = 0.3, .layers = {"classifier.0"}, .flip = true},
};

static void freeze(vgg_model *model, const features_case *c) {
    vgg_network *network = vgg_model_mutable_network(model);
    vgg_error error;
    if (c->blocks > 0)
        assert_ok(vgg_network_freeze(network, c->blocks, &error), error);
    for (size_t i = 0; c->layers[i] != NULL; i++) {
        bool found = false;
        for (size_t l = 0; l < vgg_network_layer_count(network); l++) {
            vgg_layer_info info = {.struct_size = sizeof info};
            assert_ok(vgg_network_layer(network, l, &info, &error), error);
            if (strcmp(info.name, c->layers[i]) == 0) {
                found = true;
                assert_ok(vgg_network_set_trained(network, l, false, &error), error);
            }
        }
        assert_true(found);
    }
}

typedef struct listener {
    vgg_event_type stop; /* at event number `at` of this type; at = 0: never */
    size_t at, seen;
    size_t computed; /* events of features */
    size_t bytes;
} listener;

static bool listen(void *user, const vgg_train_event *event) {
    listener *l = user;
    l->computed += event->type == VGG_EVENT_FEATURES;
    if (event->type == VGG_EVENT_PLAN)
        l->bytes = event->feature_bytes;
    return event->type != l->stop || ++l->seen != l->at;
}

static vgg_augment views;

static vgg_train_options training(const features_case *c, const char *folder, listener *l) {
    vgg_train_options options = usual_training(folder);
    vgg_augment_init(&views, sizeof views);
    views.crop = false;
    views.flip = c->flip;
    views.alternate = c->alternate;
    options.augment = &views;
    options.epochs = 3;
    options.batch = 16;
    options.micro_batch = c->micro_batch;
    options.parts = c->parts > 0 ? c->parts : 1;
    options.balance_samples = c->balance;
    options.callback = listen;
    options.user = l;
    return options;
}

static vgg_status run(const features_case *c, const vgg_train_options *options, vgg_error *error) {
    vgg_model *model = make_model(c->arch, 10, c->batch_norm, c->dropout);
    freeze(model, c);
    vgg_status status = vgg_train(model, train_part, validation_part, options, NULL, error);
    vgg_model_free(model);
    return status;
}

static const char *path_of(const char *folder, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return in_folder(path);
}

static void assert_same_run(const char *one, const char *other) {
    static const char *const files[] = {"last.safetensors", "best.safetensors",
                                        "state.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_same_file(path_of(one, files[i]), path_of(other, files[i]));
    }
    assert_exists(path_of(other, CACHE), true);
}

static void same_bytes(void **state) {
    (void)state;
    vgg_error error = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char plain[32], cached[32];
        listener l = {0};
        snprintf(plain, sizeof plain, "plain-%zu", i);
        snprintf(cached, sizeof cached, "cached-%zu", i);
        vgg_train_options options = training(&cases[i], in_folder(plain), &l);
        assert_ok(run(&cases[i], &options, &error), error);
        assert_int_equal(l.computed, 0);
        assert_int_equal(l.bytes, 0);
        options = training(&cases[i], in_folder(cached), &l);
        options.cache_features = true;
        options.threads = 2;
        assert_ok(run(&cases[i], &options, &error), error);
        assert_true(l.computed > 0 && l.bytes > 0);
        assert_same_run(plain, cached);
    }
}

/* Stopped while it computes, learns and evaluates, and continued: the features are computed once.
 */
static void stopped(void **state) {
    (void)state;
    static const listener stops[] = {{.stop = VGG_EVENT_PLAN, .at = 1},
                                     {.stop = VGG_EVENT_FEATURES, .at = 1},
                                     {.stop = VGG_EVENT_STEP, .at = 3},
                                     {.stop = VGG_EVENT_EVALUATED, .at = 1},
                                     {.stop = VGG_EVENT_EPOCH, .at = 2}};
    const features_case *c = &cases[2];
    listener l = {0};
    vgg_error error = {0};
    vgg_train_options options = training(c, in_folder("whole"), &l);
    assert_ok(run(c, &options, &error), error);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        char folder[32];
        snprintf(folder, sizeof folder, "stopped-%zu", i);
        l = stops[i];
        options = training(c, in_folder(folder), &l);
        options.cache_features = true;
        options.save_start = true;
        assert_int_equal(run(c, &options, &error), VGG_ERROR_STOPPED);
        bool kept = l.stop != VGG_EVENT_PLAN && l.stop != VGG_EVENT_FEATURES;
        assert_exists(path_of(folder, CACHE), !kept);
        if (kept) {
            struct stat info;
            assert_int_equal(stat(path_of(folder, CACHE), &info), 0);
            assert_int_equal((size_t)info.st_size, l.bytes);
        }
        l = (listener){0};
        options.resume = true;
        assert_ok(run(c, &options, &error), error);
        assert_int_equal(l.computed > 0, !kept);
        assert_same_run("whole", folder);
    }
}

static void change_byte(const char *path, off_t offset) {
    int fd = open(path, O_RDWR);
    unsigned char byte;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

/* A file with other bytes is named, or computed again where that is known at once. */
static void damaged(void **state) {
    (void)state;
    const features_case *c = &cases[0];
    listener l = {.stop = VGG_EVENT_STEP, .at = 2};
    vgg_error error = {0};
    vgg_train_options options = training(c, in_folder("undamaged"), &l);
    l.at = 0;
    assert_ok(run(c, &options, &error), error);
    for (size_t i = 0; i < 3; i++) {
        char folder[32];
        struct stat info;
        snprintf(folder, sizeof folder, "damaged-%zu", i);
        l = (listener){.stop = VGG_EVENT_STEP, .at = 2};
        options = training(c, in_folder(folder), &l);
        options.cache_features = true;
        options.save_start = true;
        assert_int_equal(run(c, &options, &error), VGG_ERROR_STOPPED);
        const char *path = path_of(folder, CACHE);
        assert_int_equal(stat(path, &info), 0);
        if (i == 0)
            change_byte(path, 1000);
        else if (i == 1)
            change_byte(path, info.st_size - 60);
        else
            assert_int_equal(truncate(path, info.st_size - 1), 0);
        l = (listener){0};
        options.resume = true;
        if (i == 0) {
            assert_int_equal(run(c, &options, &error), VGG_ERROR_IO);
            assert_non_null(strstr(error.message, CACHE));
            assert_non_null(strstr(error.message, "other bytes"));
            assert_int_equal(unlink(path), 0);
        }
        assert_ok(run(c, &options, &error), error);
        assert_true(l.computed > 0);
        assert_same_run("undamaged", folder);
    }
}

static void refuse(const vgg_train_options *options, const features_case *c, const char *text) {
    vgg_error error = {0};
    assert_int_equal(run(c, options, &error), VGG_ERROR_ARGUMENT);
    if (strstr(error.message, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, error.message);
}

static void refused(void **state) {
    (void)state;
    const features_case *c = &cases[0], nothing = {.arch = cases[0].arch};
    listener l = {0};
    vgg_train_options options = training(c, in_folder("refused"), &l);
    options.cache_features = true;
    refuse(&options, &nothing, "frozen layers at the beginning");
    views.crop = true;
    refuse(&options, c, "the view \"crop\"");
    views.crop = false;
    views.colour = 0.1;
    refuse(&options, c, "the view \"colour\"");
    views.colour = 0;
    options.mixup = 0.2;
    refuse(&options, c, "the view \"mixup\"");
    options.mixup = 0;
    options.folder = NULL;
    refuse(&options, c, "the folder of a run");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(stopped),
        cmocka_unit_test(damaged),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
