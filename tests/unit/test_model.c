/* Models: saving and opening them again, and what they carry beside their weights. */
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include "model_files.h"

static const char *const names[3] = {"ant", "b\303\251e", "cat \"quoted\""};

static vgg_model *make_model(const char *arch, vgg_layout layout, bool batch_norm) {
    vgg_error error;
    vgg_network *network = make_network(arch, layout, batch_norm, 3, 3, 16);
    assert_ok(vgg_network_initialise(network, "kaiming", 7, &error), error);
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    assert_ok(vgg_preprocess_preset("torchvision", 3, 16, 16, &preprocess, &error), error);
    preprocess.filter = VGG_FILTER_BICUBIC;
    preprocess.scale = 1.0 / 3.0;
    vgg_model *model;
    assert_ok(vgg_model_create(network, &preprocess, names, &model, &error), error);
    assert_ok(vgg_model_set_note(model, "train.seed", "7", &error), error);
    assert_ok(vgg_model_set_note(model, "data", "pictograms", &error), error);
    assert_ok(vgg_model_set_note(model, "train.seed", "8", &error), error);
    return model;
}

static void assert_same_files(const char *a, const char *b) {
    size_t a_size, b_size;
    char *a_bytes = read_bytes(a, &a_size), *b_bytes = read_bytes(b, &b_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a_bytes, b_bytes, a_size);
    free(a_bytes);
    free(b_bytes);
}

static void assert_same_models(const vgg_model *a, const vgg_model *b) {
    const vgg_network *x = vgg_model_network(a), *y = vgg_model_network(b);
    const vgg_network_options *p = vgg_network_describe(x), *q = vgg_network_describe(y);
    assert_string_equal(p->arch, q->arch);
    assert_true(p->layout == q->layout && p->batch_norm == q->batch_norm);
    assert_true(p->classes == q->classes && p->channels == q->channels);
    assert_true(p->height == q->height && p->width == q->width && p->dropout == q->dropout);
    assert_int_equal(vgg_network_tensor_count(x), vgg_network_tensor_count(y));
    for (size_t i = 0; i < vgg_network_tensor_count(x); i++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_int_equal(vgg_network_tensor(x, i, &info, NULL), VGG_OK);
        assert_memory_equal(vgg_network_values(x, i), vgg_network_values(y, i),
                            info.count * sizeof(float));
    }
    const vgg_preprocess *s = vgg_model_preprocess(a), *t = vgg_model_preprocess(b);
    assert_string_equal(s->name, t->name);
    assert_true(s->channels == t->channels && s->width == t->width && s->height == t->height);
    assert_true(s->resize == t->resize && s->filter == t->filter && s->bgr == t->bgr);
    assert_true(s->scale == t->scale);
    assert_memory_equal(s->mean, t->mean, sizeof s->mean);
    assert_memory_equal(s->deviation, t->deviation, sizeof s->deviation);
    for (size_t i = 0; i < p->classes; i++) {
        assert_string_equal(vgg_model_class_names(a)[i], vgg_model_class_names(b)[i]);
    }
    assert_string_equal(vgg_model_note(a, "train.seed"), vgg_model_note(b, "train.seed"));
    assert_string_equal(vgg_model_note(a, "data"), vgg_model_note(b, "data"));
}

static void round_trip(const char *arch, vgg_layout layout, bool batch_norm) {
    vgg_error error;
    vgg_model *model = make_model(arch, layout, batch_norm), *again;
    char first[256];
    snprintf(first, sizeof first, "%s", in_folder("first.safetensors"));
    assert_ok(vgg_model_save(model, first, &error), error);
    assert_ok(vgg_model_load(first, NULL, &again, &error), error);
    assert_same_models(model, again);
    const char *second = in_folder("second.safetensors");
    assert_ok(vgg_model_save(again, second, &error), error);
    assert_same_files(first, second);
    /* Over the file that the model is mapped from. */
    assert_ok(vgg_model_save(again, first, &error), error);
    assert_same_files(first, second);
    assert_same_models(model, again);
    unlink(first);
    unlink(second);
    vgg_model_free(again);
    vgg_model_free(model);
}

static void test_round_trip(void **state) {
    (void)state;
    round_trip("4,M,6,M/5", VGG_LAYOUT_PAPER, false);
    round_trip("4,M,6,M/5", VGG_LAYOUT_TORCHVISION, true);
    round_trip("5,L,M,1x1:3", VGG_LAYOUT_PAPER, true);
}

/* The file as another program sees it. */
static void test_file(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = make_model("5,M", VGG_LAYOUT_TORCHVISION, true);
    const char *path = in_folder("file.safetensors");
    assert_ok(vgg_model_save(model, path, &error), error);
    size_t size;
    char *bytes = read_bytes(path, &size);
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    assert_int_equal(length % 8, 0);
    json_t *header = json_loadb(bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(header);
    const json_t *metadata = json_object_get(header, "__metadata__");
    static const char *const keys[][2] = {
        {"format", "pt"},
        {"vgg.format_version", "1"},
        {"vgg.arch", "5,M"},
        {"vgg.batch_norm", "true"},
        {"vgg.layout", "torchvision"},
        {"vgg.input", "3x16x16"},
        {"vgg.dropout", "0.5"},
        {"train.seed", "8"},
        {"data", "pictograms"},
        {"vgg.classes", "[\"ant\",\"b\303\251e\",\"cat \\\"quoted\\\"\"]"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_string_equal(json_string_value(json_object_get(metadata, keys[i][0])), keys[i][1]);
    }
    static const char *const tensors[] = {"features.1.num_batches_tracked",
                                          "features.0.weight",
                                          "features.0.bias",
                                          "features.1.weight",
                                          "features.1.bias",
                                          "features.1.running_mean",
                                          "features.1.running_var",
                                          "classifier.0.weight",
                                          "classifier.0.bias"};
    const char *key;
    json_t *entry;
    size_t at = 0, end = 0;
    json_object_foreach(header, key, entry) {
        if (entry == metadata)
            continue;
        const json_t *offsets = json_object_get(entry, "data_offsets");
        assert_string_equal(key, tensors[at]);
        assert_string_equal(json_string_value(json_object_get(entry, "dtype")),
                            at == 0 ? "I64" : "F32");
        assert_int_equal(json_integer_value(json_array_get(offsets, 0)), end);
        end = (size_t)json_integer_value(json_array_get(offsets, 1));
        at++;
    }
    assert_int_equal(at, 9);
    assert_int_equal(size, 8 + length + end);
    json_decref(header);
    free(bytes);
    unlink(path);
    vgg_model_free(model);
}

static void test_not_saved(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = make_network("4,M", VGG_LAYOUT_PAPER, false, 3, 3, 16);
    vgg_model *model;
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    const char *path = in_folder("not.safetensors");
    assert_int_equal(vgg_model_save(model, path, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "\"features.0.weight\" has no values");
    assert_int_equal(access(path, F_OK), -1);
    assert_ok(vgg_network_initialise(network, "kaiming", 1, &error), error);
    path = in_folder("missing/not.safetensors");
    assert_int_equal(vgg_model_save(model, path, &error), VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, path);
    vgg_model_free(model);
}

static void test_create(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = NULL;
    vgg_network *network = make_network("4,M", VGG_LAYOUT_PAPER, false, 3, 3, 16);
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    assert_ok(vgg_preprocess_preset("unit", 3, 32, 16, &preprocess, &error), error);
    assert_int_equal(vgg_model_create(network, &preprocess, NULL, &model, &error), VGG_ERROR_SHAPE);
    assert_contains(error.message, "inputs of 3x32x16, expected 3x16x16");
    static const char *const wrong[3] = {"ant", "b\351e", "cat"};
    assert_int_equal(vgg_model_create(network, NULL, wrong, &model, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "the name of class 1");
    assert_null(model);
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    assert_null(vgg_model_preprocess(model));
    assert_null(vgg_model_class_names(model));
    assert_null(vgg_model_note(model, "none"));
    assert_int_equal(vgg_model_set_note(model, "format", "x", &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_model_set_note(model, "vgg.arch", "x", &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "the note \"vgg.arch\" cannot be set");
    assert_int_equal(vgg_model_set_note(model, "key", "\xc0\x80", &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_model_set_note(model, "key", "\xed\xa0\x80", &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_model_set_note(model, "key", NULL, &error), VGG_ERROR_ARGUMENT);
    assert_null(vgg_model_note(model, "key"));
    vgg_model_free(model);
    vgg_model_free(NULL);
}

/* ---- metadata that is wrong ---- */

#define PREPROCESS(sizes, figures)                                                                 \
    "{\"name\":\"unit\"," sizes ",\"resize\":0,\"filter\":\"bilinear\",\"bgr\":false,"             \
    "\"scale\":1," figures "}"
#define SIZES "\"channels\":1,\"width\":4,\"height\":4"
#define FIGURES "\"mean\":[0],\"deviation\":[1]"

static const char *const good_metadata[][2] = {
    {"format", "pt"},
    {"vgg.format_version", "1"},
    {"vgg.arch", "2,M"},
    {"vgg.layout", "paper"},
    {"vgg.batch_norm", "false"},
    {"vgg.dropout", "0.25"},
    {"vgg.input", "1x4x4"},
    {"vgg.classes", "[\"a\",\"b\"]"},
    {"vgg.preprocess", PREPROCESS(SIZES, FIGURES)},
};

/* Writes the model above with one key changed, added, or left out when its value is NULL. */
static void write_described(const char *path, const char *key, const char *value) {
    json_t *metadata = json_object();
    for (size_t i = 0; i < sizeof good_metadata / sizeof *good_metadata; i++) {
        const char *text = good_metadata[i][1];
        if (key != NULL && strcmp(good_metadata[i][0], key) == 0)
            text = value;
        if (text != NULL)
            json_object_set_new(metadata, good_metadata[i][0], json_string(text));
    }
    if (key != NULL && value != NULL)
        json_object_set_new(metadata, key, json_string(value));
    char *text = json_dumps(metadata, 0);
    json_decref(metadata);
    static const size_t convolution[4] = {2, 1, 3, 3}, linear[2] = {2, 8};
    header_text header;
    header_begin(&header, text);
    free(text);
    header_tensor(&header, "features.0.weight", "F32", 4, convolution, 4);
    header_tensor(&header, "features.0.bias", "F32", 4, convolution, 1);
    header_tensor(&header, "classifier.0.weight", "F32", 4, linear, 2);
    header_tensor(&header, "classifier.0.bias", "F32", 4, linear, 1);
    header_write(&header, path);
}

typedef struct metadata_case {
    const char *key, *value, *part;
} metadata_case;

static const metadata_case metadata_cases[] = {
    {"vgg.format_version", NULL, "its metadata lacks \"vgg.format_version\""},
    {"vgg.format_version", "3",
     "is of format version 3, this library (libvgg " VGG_VERSION
     ") reads up to 2; a newer libvgg reads it"},
    {"vgg.format_version", "4", "is of format version 4, this library"},
    {"vgg.format_version", "99999999999999999999", "is of format version 99999999999999999999"},
    {"vgg.format_version", "0", "is \"0\", expected a whole number from 1"},
    {"vgg.format_version", "01", "is \"01\", expected a whole number from 1"},
    {"vgg.format_version", "1.0", "is \"1.0\", expected a whole number from 1"},
    {"vgg.format_version", "", "is \"\", expected a whole number from 1"},
    {"vgg.arch", NULL, "its metadata lacks \"vgg.arch\""},
    {"vgg.arch", "2,,M", "2,,M"},
    {"vgg.arch", "3,M", "\"features.0.weight\" of"},
    {"vgg.layout", "square", "\"vgg.layout\" of its metadata is \"square\", expected"},
    {"vgg.layout", "torchvision",
     "has shape 2x8, expected 2x98; the layout paper has that with an input of 4x4"},
    {"vgg.batch_norm", "yes", "\"vgg.batch_norm\" of its metadata is \"yes\""},
    {"vgg.batch_norm", "true", "lacks tensors of architecture 2,M with batch normalisation"},
    {"vgg.padding", "same ", "\"vgg.padding\" of its metadata is \"same \", expected \"same\" or"},
    {"vgg.padding", "valid", "has shape 2x8, expected 2x2"},
    {"vgg.output", "tanh", "\"vgg.output\" of its metadata is \"tanh\", expected \"softmax\" or"},
    {"vgg.layout", "global", "has shape 2x8, expected 2x2"},
    {"vgg.dropout", "half", "\"vgg.dropout\" of its metadata is not JSON"},
    {"vgg.dropout", "\"0.5\"", "expected a number"},
    {"vgg.dropout", "1.5", "\"vgg.dropout\" of its metadata is \"1.5\", expected a number from 0"},
    {"vgg.input", "1x4", "\"vgg.input\" of its metadata is \"1x4\", expected sizes"},
    {"vgg.input", "2x4x4", "2 input channels, expected 1 or 3"},
    {"vgg.input", "1x0x4", "expected sizes like"},
    {"vgg.input", "1x8x8", "has shape 2x8, expected 2x32"},
    {"vgg.classes", "[]",
     "\"vgg.classes\" of its metadata is \"[]\", expected a name for each class"},
    {"vgg.classes", "{}", "\"vgg.classes\" of its metadata is not a JSON array of strings"},
    {"vgg.classes", "[\"a\",1]", "is not a JSON array of strings"},
    {"vgg.classes", "[\"a\",", "\"vgg.classes\" of its metadata is not JSON"},
    {"vgg.classes", "[\"a\",\"b\",\"c\"]", "has shape 2x8, expected 3x8"},
    {"vgg.preprocess", "[]", "\"vgg.preprocess\" of its metadata is not a JSON object"},
    {"vgg.preprocess", "{", "\"vgg.preprocess\" of its metadata is not JSON"},
    {"vgg.preprocess", "{}", "\"channels\" is missing, expected a whole number"},
    {"vgg.preprocess", PREPROCESS("\"channels\":2,\"width\":4,\"height\":4", FIGURES),
     "\"channels\" is 2, expected 1 or 3"},
    {"vgg.preprocess", PREPROCESS("\"channels\":1,\"width\":-4,\"height\":4", FIGURES),
     "\"width\" is -4, expected a whole number"},
    {"vgg.preprocess", PREPROCESS("\"channels\":1,\"width\":8,\"height\":4", FIGURES),
     "gives inputs of 1x4x8, but \"vgg.input\" is 1x4x4"},
    {"vgg.preprocess", PREPROCESS(SIZES, "\"mean\":[0,1,2],\"deviation\":[1]"),
     "\"mean\" is [0,1,2], expected an array of 1 number"},
    {"vgg.preprocess", PREPROCESS(SIZES, "\"mean\":[0],\"deviation\":[0]"), "deviation"},
    {"vgg.preprocess", PREPROCESS(SIZES, "\"mean\":[\"0\"],\"deviation\":[1]"), "numbers only"},
    {"vgg.preprocess", "{\"name\":\"unit\"," SIZES ",\"resize\":0,\"filter\":\"nearest\"}",
     "\"filter\" is \"nearest\", expected \"bilinear\" or \"bicubic\""},
};

static void test_metadata(void **state) {
    (void)state;
    const char *path = in_folder("metadata.safetensors");
    vgg_model *model = NULL;
    vgg_error error;
    write_described(path, NULL, NULL);
    assert_ok(vgg_model_load(path, NULL, &model, &error), error);
    assert_true(vgg_network_describe(vgg_model_network(model))->dropout == 0.25);
    vgg_model_free(model);
    for (size_t i = 0; i < sizeof metadata_cases / sizeof *metadata_cases; i++) {
        const metadata_case *wrong = &metadata_cases[i];
        model = NULL;
        write_described(path, wrong->key, wrong->value);
        if (vgg_model_load(path, NULL, &model, &error) == VGG_OK)
            fail_msg("\"%s\" as \"%s\" was accepted", wrong->key, wrong->value);
        assert_null(model);
        assert_contains(error.message, wrong->part);
        assert_contains(error.message, path);
    }
    unlink(path);
}

static void test_without_names(void **state) {
    (void)state;
    const char *path = in_folder("nameless.safetensors");
    vgg_model *model;
    vgg_error error;
    write_described(path, "vgg.classes", NULL);
    assert_ok(vgg_model_load(path, NULL, &model, &error), error);
    assert_null(vgg_model_class_names(model));
    vgg_model_free(model);
    unlink(path);
}

/* ---- options ---- */

static void test_options(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = make_model("4,M", VGG_LAYOUT_TORCHVISION, false), *again;
    const char *path = in_folder("options.safetensors");
    assert_ok(vgg_model_save(model, path, &error), error);
    vgg_model_free(model);
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.preprocess = "caffe";
    options.height = 32;
    options.width = 48;
    assert_ok(vgg_model_load(path, &options, &again, &error), error);
    assert_string_equal(vgg_model_preprocess(again)->name, "caffe");
    assert_int_equal(vgg_model_preprocess(again)->height, 32);
    assert_int_equal(vgg_model_preprocess(again)->width, 48);
    assert_int_equal(vgg_network_describe(vgg_model_network(again))->width, 48);
    vgg_model_free(again);
    options.preprocess = NULL;
    assert_ok(vgg_model_load(path, &options, &again, &error), error);
    assert_int_equal(vgg_model_preprocess(again)->filter, VGG_FILTER_BICUBIC);
    assert_int_equal(vgg_model_preprocess(again)->height, 32);
    assert_int_equal(vgg_model_preprocess(again)->resize, 36); /* was 18 for 16 */
    vgg_model_free(again);
    options.preprocess = "none";
    assert_int_equal(vgg_model_load(path, &options, &again, &error), VGG_ERROR_NOT_FOUND);
    options.preprocess = NULL;
    options.layout = (vgg_layout)77;
    assert_int_equal(vgg_model_load(path, &options, &again, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "no layout 77");
    memset(&options, 0, sizeof options);
    assert_int_equal(vgg_model_load(path, &options, &again, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "vgg_model_options_init");
    unlink(path);
}

static vgg_status load_with_labels(const char *path, const char *labels, vgg_model **model,
                                   vgg_error *error) {
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.labels = labels;
    return vgg_model_load(path, &options, model, error);
}

typedef struct labels_case {
    const char *text;
    size_t size;
    const char *part; /* NULL: fine */
} labels_case;

#define LABELS(text, part)                                                                         \
    { text, sizeof(text) - 1, part }

static const labels_case labels_cases[] = {
    LABELS("one\ntwo", NULL),
    LABELS("one\ntwo\n", NULL),
    LABELS("\xef\xbb\xbfone\r\ntwo\r\n\r\n \n\n", NULL),
    LABELS("", "has 0 names, expected 2"),
    LABELS("one\n", "has 1 names, expected 2"),
    LABELS("one\ntwo\nthree\n", "has 3 names, expected 2"),
    LABELS("one\n\ntwo\n", "line 2 is blank"),
    LABELS("one\ntw\xf6\n", "line 2 is not UTF-8"),
    LABELS("one\ntw\0o\n", "byte 6 is zero"),
};

static void test_labels(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model;
    char path[256];
    snprintf(path, sizeof path, "%s", in_folder("labels.safetensors"));
    write_described(path, NULL, NULL);
    const char *labels = in_folder("labels.txt");
    for (size_t i = 0; i < sizeof labels_cases / sizeof *labels_cases; i++) {
        write_bytes(labels, labels_cases[i].text, labels_cases[i].size);
        if (labels_cases[i].part != NULL) {
            assert_int_not_equal(load_with_labels(path, labels, &model, &error), VGG_OK);
            assert_contains(error.message, labels_cases[i].part);
            assert_contains(error.message, labels);
            continue;
        }
        assert_ok(load_with_labels(path, labels, &model, &error), error);
        assert_string_equal(vgg_model_class_names(model)[0], "one");
        assert_string_equal(vgg_model_class_names(model)[1], "two");
        vgg_model_free(model);
    }
    unlink(labels);
    assert_int_equal(load_with_labels(path, labels, &model, &error), VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, labels);
    assert_int_equal(load_with_labels(path, "imagenet", &model, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "labels imagenet: has 1000 names, expected 2");
    unlink(path);
}

/* Known outputs of ImageNet classifiers. */
static void test_imagenet(void **state) {
    (void)state;
    const char *const *classes = vgg_imagenet_class_names();
    for (size_t i = 0; i < VGG_IMAGENET_CLASSES; i++) {
        assert_true(classes[i] != NULL && strlen(classes[i]) > 1);
    }
    assert_string_equal(classes[0], "tench");
    assert_string_equal(classes[207], "golden retriever");
    assert_string_equal(classes[281], "tabby");
    assert_string_equal(classes[463], "bucket");
    assert_string_equal(classes[817], "sports car");
    assert_string_equal(classes[999], "toilet tissue");
}

/* A file that cannot grow stands for a full disk; the file that was there before stays. */
static void test_full_disk(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = make_model("32,M/64", VGG_LAYOUT_TORCHVISION, false);
    const char *path = in_folder("full.safetensors");
    write_bytes(path, "before", 6);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    vgg_status status = vgg_model_save(model, path, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, VGG_ERROR_IO);
    assert_contains(error.message, path);
    assert_contains(error.message, "cannot write");
    size_t size;
    char *bytes = read_bytes(path, &size);
    assert_string_equal(bytes, "before");
    free(bytes);
    unlink(path);
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_file),
        cmocka_unit_test(test_not_saved),  cmocka_unit_test(test_create),
        cmocka_unit_test(test_metadata),   cmocka_unit_test(test_without_names),
        cmocka_unit_test(test_options),    cmocka_unit_test(test_labels),
        cmocka_unit_test(test_imagenet),   cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
