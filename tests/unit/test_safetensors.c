/* Files that are wrong, each with the message it gets, and the types of number that are read. */
#include <math.h>
#include <unistd.h>

#include "model_files.h"

/* ---- bytes that are no safetensors file ---- */

static const raw_case raw_cases[] = {
    RAW("", "is an empty file (0 bytes)"),
    RAW("\x10", "ends at byte 1, too short"),
    RAW("\x10\0\0\0\0\0\0\0", "ends at byte 8, too short"),
    RAW("\x10\0\0\0\0\0\0\0{\"a\":", "is truncated at byte 13, expected 24 bytes of header"),
    RAW("\x01\xe1\xf5\x05\0\0\0\0{}",
        "give the header 100000001 bytes, expected at most 100000000"),
    RAW("\xff\xff\xff\xff\xff\xff\xff\xff{}", "give the header 18446744073709551615 bytes"),
    RAW("\0\0\0\0\0\0\0\0\0\0", "is not a weight file of a known format"),
    RAW("arbitrary text", "is not a weight file of a known format"),
    RAW("\n <!DOCTYPE html>\n<html>", "is an HTML page"),
    RAW("<HTML><head>404", "is an HTML page"),
    RAW("<?xml version='1.0'?>", "is an XML text"),
    RAW("{\"weight_map\": {}}", "is a JSON text"),
    RAW("\x89HDF\r\n\x1a\n\0\0\0\0", "is an HDF5 file truncated at byte 12"),
    RAW("\x0a\x0fVGG_ILSVRC_16_l\0\0", "is not a weight file of a known format"),
    RAW("\x0a\x03net\x12\x40\x12\x04"
        "data\x1a\x01x\x22\x01y\x28\x04",
        "is truncated at byte 21, expected 71 bytes"),
    RAW("\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0", "is truncated at byte 16"),
    RAW("version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    RAW("\x1f\x8b\x08\0\0\0\0\0\0\0", "is gzip-compressed"),
    RAW("\xff\xd8\xff\xe0\0\x10JFIF", "is a JPEG picture"),
};

static void test_foreign_bytes(void **state) {
    (void)state;
    assert_each_refused(raw_cases, sizeof raw_cases / sizeof *raw_cases);
}

static void test_no_file(void **state) {
    (void)state;
    assert_refused(in_folder("nothing"), "cannot open");
    assert_refused(in_folder("."), "is a folder, expected a file");
}

/* ---- headers that are wrong ---- */

typedef struct header_case {
    const char *header;
    size_t data_size;
    const char *part;
} header_case;

#define ENTRY(type, shape, offsets)                                                                \
    "{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const header_case header_cases[] = {
    {"{\"t\":", 0, "its header goes wrong at byte 13"},
    {"{\"t\":\"\xff\"}", 0, "its header goes wrong at byte"},
    {"{} {}", 0, "its header goes wrong at byte"},
    {"{\"t\":" ENTRY("F32", "[]", "[0,4]") ",\"t\":" ENTRY("F32", "[]", "[4,8]") "}", 8,
     "duplicate"},
    {"{\"t\":3}", 0, "tensor \"t\" of"},
    {"{\"t\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "\"dtype\" is nothing, expected a string"},
    {"{\"t\":{\"dtype\":5,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "\"dtype\" is 5, expected"},
    {"{\"t\":" ENTRY("F99", "[1]", "[0,4]") "}", 4, "\"dtype\" is \"F99\", expected F32"},
    {"{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "\"shape\" is nothing"},
    {"{\"t\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "\"shape\" has 9 sizes"},
    {"{\"t\":" ENTRY("F32", "[2,-3]", "[0,4]") "}", 4,
     "size 1 of \"shape\" is -3, expected a whole"},
    {"{\"t\":" ENTRY("F32", "[1.5]", "[0,4]") "}", 4, "size 0 of \"shape\" is 1.5, expected"},
    {"{\"t\":" ENTRY("F32", "[\"2\"]", "[0,4]") "}", 4, "size 0 of \"shape\" is a string"},
    {"{\"t\":" ENTRY("F32", "[99999999999999999999]", "[0,4]") "}", 4, "too big integer"},
    {"{\"t\":" ENTRY("F32", "[4294967296,4294967296]", "[0,4]") "}", 4,
     "\"shape\" is 4294967296x4294967296..., more values"},
    {"{\"t\":" ENTRY("F64", "[4611686018427387904]", "[0,0]") "}", 0, "give it 0 bytes, expected"},
    {"{\"t\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"data_offsets\" is nothing"},
    {"{\"t\":" ENTRY("F32", "[1]", "[0]") "}", 4, "\"data_offsets\" is an array, expected"},
    {"{\"t\":" ENTRY("F32", "[1]", "[-4,0]") "}", 4, "the first of \"data_offsets\" is -4"},
    {"{\"t\":" ENTRY("F32", "[1]", "[0,null]") "}", 4, "the second of \"data_offsets\" is null"},
    {"{\"t\":" ENTRY("F32", "[1]", "[4,0]") "}", 4, "run backwards, from 4 to 0"},
    {"{\"t\":" ENTRY("F32", "[2,3]", "[0,20]") "}", 20,
     "give it 20 bytes, expected 6 values of 4 bytes for F32 of shape 2x3"},
    {"{\"t\":" ENTRY("F32", "[1]", "[4,8]") "}", 8,
     "bytes 0 to 4 of the data, before tensor \"t\", belong to no tensor"},
    {"{\"t\":" ENTRY("F32", "[1]", "[0,4]") ",\"u\":" ENTRY("F32", "[1]", "[8,12]") "}", 12,
     "bytes 4 to 8 of the data, before tensor \"u\""},
    {"{\"t\":" ENTRY("F32", "[2]", "[0,8]") ",\"u\":" ENTRY("F32", "[1]", "[4,8]") "}", 8,
     "begins at byte 4 of the data, inside of tensor \"t\", which ends at byte 8"},
    {"{\"t\":" ENTRY("F32", "[4]", "[0,16]") "}", 10, "is truncated at byte 73, expected 79 bytes"},
    {"{\"t\":" ENTRY("F32", "[1]", "[0,4]") "}", 7, "3 bytes follow the last tensor"},
    {"{}", 5, "5 bytes follow the last tensor"},
    {"{\"__metadata__\":[]}", 0, "\"__metadata__\" is an array, expected an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "\"k\" of \"__metadata__\" is 1, expected a string"},
    {"{}", 0, "has no tensors"},
    {"{\"t\":" ENTRY("F32", "[1]", "[0,4]") "}", 4, "such as \"t\", is no weight of a convolution"},
};

static void test_wrong_headers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof header_cases / sizeof *header_cases; i++) {
        const char *path = in_folder("wrong.safetensors");
        write_safetensors(path, header_cases[i].header, NULL, header_cases[i].data_size);
        assert_refused(path, header_cases[i].part);
        unlink(path);
    }
}

static void test_too_many_tensors(void **state) {
    (void)state;
    header_text header;
    header_begin(&header, NULL);
    for (size_t i = 0; i <= 100000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", i);
        header_tensor(&header, name, "U8", 1, NULL, 0);
    }
    const char *path = in_folder("many.safetensors");
    header_write(&header, path);
    assert_refused(path, "has 100001 tensors, expected at most 100000");
    unlink(path);
}

/* ---- numbers ---- */

/* A file of arch "1" for inputs of 1x1x1: nine weights and a bias, one linear layer with one class.
 * The data begin `pad` bytes, 0 to 7, after a multiple of 8. */
static void write_smallest(const char *path, const char *type, size_t bytes, const void *data,
                           size_t pad) {
    static const char format[] =
        "{\"features.0.weight\":{\"dtype\":\"%s\",\"shape\":[1,1,3,3],\"data_offsets\":[0,%zu]},"
        "\"features.0.bias\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[%zu,%zu]},"
        "\"classifier.0.weight\":{\"dtype\":\"%s\",\"shape\":[1,1],\"data_offsets\":[%zu,%zu]},"
        "\"classifier.0.bias\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}}";
    char header[1024];
    int length = snprintf(header, sizeof header, format, type, 9 * bytes, type, 9 * bytes,
                          10 * bytes, type, 10 * bytes, 11 * bytes, type, 11 * bytes, 12 * bytes);
    while ((size_t)length % 8 != pad) {
        header[length++] = ' ';
    }
    header[length] = '\0';
    write_safetensors(path, header, data, 12 * bytes);
}

static vgg_model *load_smallest(const char *path) {
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.layout = VGG_LAYOUT_PAPER;
    options.height = options.width = 1;
    vgg_model *model;
    vgg_error error;
    assert_ok(vgg_model_load(path, &options, &model, &error), error);
    assert_string_equal(vgg_network_describe(vgg_model_network(model))->arch, "1");
    return model;
}

static const float numbers[12] = {0.0f,     1.0f,     -2.0f,        0.5f,  65504.0f, -0.0f,
                                  0x1p-24f, 0x1p-14f, 0x1.ff8p-15f, 3.25f, -7.0f,    1024.0f};

/* Its one class becomes the second of two, of which the first has zeros. */
static void assert_numbers(const char *path) {
    static const size_t counts[4] = {9, 1, 1, 1};
    vgg_model *model = load_smallest(path);
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_int_equal(vgg_network_tensor(vgg_model_network(model), i, &info, NULL), VGG_OK);
        float values[12];
        assert_int_equal(
            vgg_network_copy_values(vgg_model_network(model), i, values, info.count, NULL), VGG_OK);
        assert_int_equal(info.count, i < 2 ? counts[i] : 2);
        assert_true(i < 2 || values[0] == 0.0f);
        assert_memory_equal(values + info.count - counts[i], numbers + at,
                            counts[i] * sizeof(float));
        at += counts[i];
    }
    assert_int_equal(at, 12);
    vgg_model_free(model);
    unlink(path);
}

static void test_float32(void **state) {
    (void)state;
    for (size_t pad = 0; pad < 8; pad++) {
        write_smallest(in_folder("f32.safetensors"), "F32", 4, numbers, pad);
        assert_numbers(in_folder("f32.safetensors"));
    }
}

static void test_float64(void **state) {
    (void)state;
    double wide[12];
    for (size_t i = 0; i < 12; i++) {
        wide[i] = (double)numbers[i];
    }
    write_smallest(in_folder("f64.safetensors"), "F64", 8, wide, 0);
    assert_numbers(in_folder("f64.safetensors"));
}

/* The bit patterns of `numbers` in IEEE 754 binary16, written down by hand. */
static void test_float16(void **state) {
    (void)state;
    static const uint16_t halves[12] = {0x0000, 0x3c00, 0xc000, 0x3800, 0x7bff, 0x8000,
                                        0x0001, 0x0400, 0x03ff, 0x4280, 0xc700, 0x6400};
    write_smallest(in_folder("f16.safetensors"), "F16", 2, halves, 3);
    assert_numbers(in_folder("f16.safetensors"));
}

static void test_bfloat16(void **state) {
    (void)state;
    static const uint16_t halves[12] = {0x3f80, 0xbf80, 0x4049, 0x7f80, 0xff80, 0x7fc0,
                                        0x0001, 0,      0,      0,      0,      0x8000};
    const char *path = in_folder("bf16.safetensors");
    write_smallest(path, "BF16", 2, halves, 0);
    vgg_model *model = load_smallest(path);
    const vgg_network *network = vgg_model_network(model);
    float values[12];
    vgg_tensor_info info = {.struct_size = sizeof info};
    assert_int_equal(vgg_network_tensor(network, 0, &info, NULL), VGG_OK);
    assert_int_equal(vgg_network_copy_values(network, 0, values, info.count, NULL), VGG_OK);
    assert_string_equal(vgg_network_dtype(network, 0), "BF16");
    assert_null(vgg_network_values(network, 0));
    assert_true(values[0] == 1.0f && values[1] == -1.0f && values[2] == 3.140625f);
    assert_true(values[3] == INFINITY && values[4] == -INFINITY && values[5] != values[5]);
    assert_true(values[6] == 0x1p-133f && values[7] == 0.0f);
    vgg_model_free(model);
    unlink(path);
}

static void test_integer_weights(void **state) {
    (void)state;
    static const int32_t integers[12] = {1};
    const char *path = in_folder("i32.safetensors");
    write_smallest(path, "I32", 4, integers, 0);
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.layout = VGG_LAYOUT_PAPER;
    options.height = options.width = 1;
    vgg_model *model = NULL;
    vgg_error error;
    assert_int_equal(vgg_model_load(path, &options, &model, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "tensor \"features.0.weight\" of ");
    assert_contains(error.message, "has type I32, expected F32, F16, BF16 or F64");
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign_bytes),   cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_wrong_headers),   cmocka_unit_test(test_too_many_tensors),
        cmocka_unit_test(test_float32),         cmocka_unit_test(test_float64),
        cmocka_unit_test(test_float16),         cmocka_unit_test(test_bfloat16),
        cmocka_unit_test(test_integer_weights),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
