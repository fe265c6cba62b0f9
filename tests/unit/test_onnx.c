/* ONNX models: written and read again, and bytes that are wrong. */
#include <unistd.h>

#include "model_files.h"

static const char *const names[3] = {"ant", "b\303\251e", "cat"};

static vgg_model *make_model(const char *arch, vgg_layout layout, bool batch_norm, size_t side) {
    vgg_error error;
    vgg_network *network = make_network(arch, layout, batch_norm, 3, 3, side);
    assert_ok(vgg_network_initialise(network, "kaiming", 7, &error), error);
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    assert_ok(vgg_preprocess_preset("caffe", 3, side, side, &preprocess, &error), error);
    vgg_model *model;
    assert_ok(vgg_model_create(network, &preprocess, names, &model, &error), error);
    assert_ok(vgg_model_set_note(model, "data", "pictograms", &error), error);
    return model;
}

static void assert_same_models(const vgg_model *a, const vgg_model *b) {
    const vgg_network *x = vgg_model_network(a), *y = vgg_model_network(b);
    const vgg_network_options *p = vgg_network_describe(x), *q = vgg_network_describe(y);
    assert_string_equal(p->arch, q->arch);
    assert_true(p->layout == q->layout && p->batch_norm == q->batch_norm);
    assert_true(p->height == q->height && p->width == q->width && p->dropout == q->dropout);
    assert_int_equal(vgg_network_tensor_count(x), vgg_network_tensor_count(y));
    for (size_t i = 0; i < vgg_network_tensor_count(x); i++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_int_equal(vgg_network_tensor(x, i, &info, NULL), VGG_OK);
        assert_memory_equal(vgg_network_values(x, i), vgg_network_values(y, i),
                            info.count * sizeof(float));
    }
    assert_string_equal(vgg_model_preprocess(b)->name, "caffe");
    assert_string_equal(vgg_model_class_names(b)[1], names[1]);
    assert_string_equal(vgg_model_note(b, "data"), "pictograms");
    assert_string_equal(vgg_model_format(b), "onnx");
}

static void round_trip(const char *arch, vgg_layout layout, bool batch_norm, size_t side,
                       bool softmax) {
    vgg_error error;
    vgg_model *model = make_model(arch, layout, batch_norm, side), *again;
    vgg_save_options options;
    vgg_save_options_init(&options, sizeof options);
    options.softmax = softmax;
    assert_ok(vgg_model_save_as(model, in_folder("net.onnx"), &options, &error), error);
    assert_ok(vgg_model_load(in_folder("net.onnx"), NULL, &again, &error), error);
    assert_same_models(model, again);
    assert_ok(vgg_model_save_as(again, in_folder("twice.onnx"), &options, &error), error);
    size_t size, again_size;
    char *bytes = read_bytes(in_folder("net.onnx"), &size);
    char *again_bytes = read_bytes(in_folder("twice.onnx"), &again_size);
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again_bytes, size);
    assert_true((memmem(bytes, size, "probabilities", 13) != NULL) == softmax);
    free(bytes);
    free(again_bytes);
    unlink(in_folder("net.onnx"));
    unlink(in_folder("twice.onnx"));
    vgg_model_free(again);
    vgg_model_free(model);
}

static void test_round_trips(void **state) {
    (void)state;
    round_trip("8,M,12,M/16,4", VGG_LAYOUT_PAPER, false, 16, false);
    round_trip("8,M,12,M/16,4", VGG_LAYOUT_PAPER, false, 17, true);
    round_trip("8,M,12,1x1:5,M/16", VGG_LAYOUT_PAPER, true, 16, false);
    round_trip("8,L,M,M,24", VGG_LAYOUT_PAPER, false, 8, true);
    round_trip("4/", VGG_LAYOUT_PAPER, false, 3, false);
    round_trip("6,M/8", VGG_LAYOUT_TORCHVISION, false, 14, false);
    round_trip("6,M/8", VGG_LAYOUT_TORCHVISION, true, 56, true);
}

static void test_uneven_pool(void **state) {
    (void)state;
    vgg_error error;
    const char *path = in_folder("uneven.onnx");
    vgg_model *model = make_model("6,M/8", VGG_LAYOUT_TORCHVISION, false, 16);
    assert_int_equal(vgg_model_save_as(model, path, NULL, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, path);
    assert_contains(error.message, "\"avgpool\" averages 8x8 values to 7x7");
    assert_int_not_equal(access(path, F_OK), 0);
    vgg_model_free(model);
}

static void test_folder_that_is_not_there(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = make_model("4,M", VGG_LAYOUT_PAPER, false, 4);
    assert_int_equal(vgg_model_save_as(model, in_folder("no/net.onnx"), NULL, &error),
                     VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, "cannot create");
    vgg_model_free(model);
}

/* ---- wrong bytes ---- */

/* Every beginning of a file is refused, whichever byte it ends at. */
static void test_truncated(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = make_model("2,M", VGG_LAYOUT_PAPER, true, 4);
    assert_ok(vgg_model_save_as(model, in_folder("whole.onnx"), NULL, &error), error);
    vgg_model_free(model);
    size_t size;
    char *bytes = read_bytes(in_folder("whole.onnx"), &size);
    const char *graph = memmem(bytes, size, "features.0", 10);
    assert_non_null(graph);
    const char *path = in_folder("part.onnx");
    for (size_t length = 3; length < size; length++) {
        write_bytes(path, bytes, length);
        /* Behind the graph the metadata end somewhere, and the file may look whole. */
        vgg_status status = vgg_model_load(path, NULL, &model, &error);
        if (status == VGG_OK)
            vgg_model_free(model);
        if (length < size / 2)
            assert_int_not_equal(status, VGG_OK);
        if (status != VGG_OK)
            assert_null(strchr(error.message, '\n'));
    }
    write_bytes(path, bytes, (size_t)(graph - bytes));
    assert_refused(path, "is truncated at byte");
    unlink(path);
    unlink(in_folder("whole.onnx"));
    free(bytes);
}

#define HEAD "\x08\x07\x12\x00"

static const raw_case raw_cases[] = {
    RAW(HEAD, "is an ONNX model without a graph"),
    RAW(HEAD "\x07", "goes wrong at byte 4, in Model: expected the number of a field"),
    RAW(HEAD "\x0b", "goes wrong at byte 4, in Model: expected a number, a length or 4 or 8 bytes"),
    RAW(HEAD "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        "goes wrong at byte 5, in Model: expected a number of at most ten bytes"),
    RAW(HEAD "\x3d\0\0\0\0",
        "goes wrong at byte 4: \"graph\" of Model has wire type 5, expected 2"),
    RAW(HEAD "\x3a\x05\x0a",
        "is truncated at byte 7, expected 11 bytes: field 7 of Model at byte 4"),
    RAW(HEAD "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        "field 7 of Model has 18446744073709551615"),
    RAW(HEAD "\x3a\x02\x0a\x63\x40\x0d",
        "goes wrong at byte 6: field 1 of Graph has 99 bytes, but 0"),
    RAW(HEAD "\x3a\x00", "has no tensors, expected"),
    RAW(HEAD "\x3a\x02\x12\x01\x40\x0d",
        "goes wrong at byte 6: field 2 of Graph has 1 bytes, but 0"),
    RAW(HEAD "\x3a\x02\x0a\x00", "its graph has 0 outputs, expected one"),
    /* An unknown field is passed over; an ir_version of four bytes is none. */
    RAW("\x08\x07\x12\x00\xba\x01\x02hi\x3a\x02\x0a\x00", "its graph has 0 outputs"),
    RAW("\x08\x07\x12\x00\x0d\0\0\0\0", "is no valid Model"),
    RAW(HEAD "\x72\x03\x0a\x01\xff\x3a\x00", "entry 0 of its metadata_props is not UTF-8"),
};

static void test_wrong_bytes(void **state) {
    (void)state;
    assert_each_refused(raw_cases, sizeof raw_cases / sizeof *raw_cases);
}

/* A message of many empty tensors would take far more memory than the file. */
static void test_memory_is_bounded(void **state) {
    (void)state;
    size_t count = 6u << 20, size = 4 + 6 + 2 * count;
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, HEAD "\x3a", 5);
    size_t length = 2 * count;
    for (size_t i = 0; i < 5; i++, length >>= 7) {
        bytes[5 + i] = (unsigned char)((length & 0x7f) | (i < 4 ? 0x80 : 0));
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + 10 + 2 * i, "\x2a", 2);
    }
    const char *path = in_folder("many.onnx");
    write_bytes(path, bytes, size);
    free(bytes);
    assert_refused(path, "needs more memory than a file of");
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_uneven_pool),
        cmocka_unit_test(test_folder_that_is_not_there),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_wrong_bytes),
        cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
