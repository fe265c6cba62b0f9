/* PyTorch's files: the machine for pickles, what is read from torch's own files, and what is
 * written. tests/faults/test_mutated_pth.py has the files that are wrong. */
#include <unistd.h>

#include "formats/containers/pickle.h"
#include "formats/pth/pth.h"
#include "model_files.h"

#define GOLDEN(name) VGG_TEST_DATA "/torch_files/" name

/* ---- pickles ---- */

typedef struct pickle_case {
    const char *bytes;
    size_t size;
    vgg_pickle_kind kind;
    int64_t integer; /* of the value; of a container the number of items */
} pickle_case;

#define PICKLE(bytes, kind, integer)                                                               \
    { bytes, sizeof(bytes) - 1, VGG_PICKLE_##kind, integer }

static const pickle_case pickle_cases[] = {
    PICKLE("\x80\x02N.", NONE, 0),
    PICKLE("\x80\x05\x88.", BOOL, 1),
    PICKLE("\x80\x02\x89.", BOOL, 0),
    PICKLE("\x80\x02K\xff.", INTEGER, 255),
    PICKLE("\x80\x02M\x01\xff.", INTEGER, 0xff01),
    PICKLE("\x80\x02J\xfe\xff\xff\xff.", INTEGER, -2),
    PICKLE("\x80\x02\x8a\x00.", INTEGER, 0),
    PICKLE("\x80\x02\x8a\x01\x80.", INTEGER, -128),
    PICKLE("\x80\x02\x8a\x02\x80\x00.", INTEGER, 128),
    PICKLE("\x80\x02\x8a\x05\x00\x00\x00\x00\x01.", INTEGER, 1ll << 32),
    PICKLE("\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\xff.", INTEGER, -1),
    PICKLE("\x80\x02\x8b\x01\x00\x00\x00\x07.", INTEGER, 7),
    PICKLE("\x80\x02U\x03"
           "abc.",
           TEXT, 3),
    PICKLE("\x80\x02X\x02\x00\x00\x00"
           "ab.",
           TEXT, 2),
    PICKLE("\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01"
           "a\x94.",
           TEXT, 1),
    PICKLE("\x80\x02\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.", TEXT, 9),
    PICKLE("\x80\x02]q\x00(K\x01K\x02"
           "eK\x03"
           "a.",
           LIST, 3),
    PICKLE("\x80\x02K\x01K\x02\x86.", TUPLE, 2),
    PICKLE("\x80\x02(K\x01K\x02K\x03K\x04t.", TUPLE, 4),
    PICKLE("\x80\x02}K\x01K\x02s(K\x03K\x04u.", DICT, 4),
    PICKLE("\x80\x02K\x07q\x00"
           "0h\x00.",
           INTEGER, 7),
    PICKLE("\x80\x02K\x07(NN1.", INTEGER, 7),
    PICKLE("\x80\x02K\x07"
           "2\x86.",
           TUPLE, 2),
    PICKLE("\x80\x02"
           "ccollections\nOrderedDict\n)R.",
           DICT, 0),
    PICKLE("\x80\x02"
           "ccollections\nOrderedDict\n]]K\x01"
           "aK\x02"
           "aa\x85R.",
           DICT, 2),
    PICKLE("\x80\x02"
           "ccollections\ndefaultdict\nc__builtin__\ndict\n\x85R.",
           DICT, 0),
    PICKLE("\x80\x02"
           "ctorch\nSize\nK\x01K\x02\x86\x85R.",
           TUPLE, 2),
    PICKLE("\x80\x02"
           "cargparse\nNamespace\n)\x81}b.",
           OPAQUE, 0),
    PICKLE("\x80\x04\x8f(K\x01\x90.", OPAQUE, 0),
    PICKLE("\x80\x02"
           "ctorch._utils\n_rebuild_parameter\nK\x05\x85R.",
           INTEGER, 5),
    PICKLE("\x80\x02X\x07\x00\x00\x00storage\x85Q.", STORAGE, 1),
};

static int64_t measure(const vgg_pickle *pickle) {
    const vgg_pickle_value *root = &pickle->values[pickle->root], *items[8];
    switch (root->kind) {
    case VGG_PICKLE_BOOL:
    case VGG_PICKLE_INTEGER:
        return root->integer;
    case VGG_PICKLE_TEXT:
        return (int64_t)root->text.length;
    case VGG_PICKLE_LIST:
    case VGG_PICKLE_TUPLE:
    case VGG_PICKLE_DICT:
    case VGG_PICKLE_STORAGE:
        return (int64_t)vgg_pickle_items(pickle, root, items, 8);
    default:
        return 0;
    }
}

static void test_pickles(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pickle_cases / sizeof *pickle_cases; i++) {
        const pickle_case *c = &pickle_cases[i];
        vgg_pickle_input input = {
            .path = "case", .bytes = (const unsigned char *)c->bytes, .size = c->size};
        vgg_pickle pickle = {0};
        vgg_error error;
        assert_ok(vgg_pickle_read(&input, &pickle, &error), error);
        if (pickle.values[pickle.root].kind != c->kind || measure(&pickle) != c->integer)
            fail_msg("pickle %zu: kind %d, number %lld", i, (int)pickle.values[pickle.root].kind,
                     (long long)measure(&pickle));
        assert_int_equal(pickle.end, c->size);
        vgg_pickle_free(&pickle);
    }
}

/* Every pickle cut short is refused, at each length. */
static void test_cut_pickles(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pickle_cases / sizeof *pickle_cases; i++) {
        for (size_t size = 0; size < pickle_cases[i].size; size++) {
            unsigned char *bytes = malloc(size + 1); /* for the sanitizer to see its end */
            assert_non_null(bytes);
            memcpy(bytes, pickle_cases[i].bytes, size);
            bytes = realloc(bytes, size == 0 ? 1 : size);
            vgg_pickle_input input = {.path = "case", .bytes = bytes, .size = size};
            vgg_pickle pickle = {0};
            vgg_error error;
            assert_int_equal(vgg_pickle_read(&input, &pickle, &error), VGG_ERROR_FORMAT);
            assert_contains(error.message, "case: its pickle");
            vgg_pickle_free(&pickle);
            free(bytes);
        }
    }
}

static void test_number(void **state) {
    (void)state;
    const char bytes[] = "\x80\x02G\xbf\xd0\0\0\0\0\0\0.";
    vgg_pickle_input input = {.path = "case", .bytes = (const unsigned char *)bytes, .size = 12};
    vgg_pickle pickle = {0};
    vgg_error error;
    assert_ok(vgg_pickle_read(&input, &pickle, &error), error);
    assert_int_equal(pickle.values[pickle.root].kind, VGG_PICKLE_NUMBER);
    assert_true(pickle.values[pickle.root].number == -0.25);
    vgg_pickle_free(&pickle);
}

/* ---- files of torch ---- */

/* What tests/golden/make_torch_files.py writes. */
typedef struct golden_tensor {
    const char *name, *type, *shape;
    size_t seed, first; /* value j is value first + j of the formula */
} golden_tensor;

static const golden_tensor golden[] = {
    {"float", "F32", "2x3x3x3", 0, 0}, {"half", "F16", "5", 1, 0},
    {"bfloat", "BF16", "2x2", 2, 0},   {"double", "F64", "3", 3, 0},
    {"turned", "F32", "2x3x4", 4, 0},  {"first", "F32", "4", 5, 0},
    {"second", "F32", "2x3", 5, 4},    {"count", "I64", "scalar", 0, 0},
};
#define GOLDEN_COUNT (sizeof golden / sizeof *golden)

static void assert_golden(const vgg_stored_tensor *tensor, const golden_tensor *expected) {
    char shape[VGG_SHAPE_TEXT];
    assert_string_equal(tensor->name, expected->name);
    assert_string_equal(tensor->type->name, expected->type);
    assert_string_equal(vgg_shape_text(shape, tensor->shape, tensor->dimensions), expected->shape);
    if (tensor->type->element == VGG_ELEMENT_INT64) {
        int64_t count;
        memcpy(&count, tensor->bytes, sizeof count);
        assert_int_equal(count, 77);
        return;
    }
    float values[64];
    assert_in_range(tensor->count, 1, 64);
    vgg_elements_to_float(tensor->type->element, tensor->bytes, tensor->count, values);
    for (size_t j = 0; j < tensor->count; j++) {
        size_t step = (31 * expected->seed + 7 * (expected->first + j)) % 64;
        assert_true(values[j] == ((float)step - 32.0f) / 16.0f);
    }
}

static bool in_map(const vgg_tensor_source *source, const vgg_stored_tensor *tensor) {
    const vgg_storage *file = &source->storage;
    return tensor->bytes >= file->map && tensor->bytes < file->map + file->size;
}

static void test_files_of_torch(void **state) {
    (void)state;
    const char *const paths[] = {GOLDEN("state.pth"), GOLDEN("wrapped.pth")};
    for (size_t f = 0; f < 2; f++) {
        vgg_tensor_source source;
        vgg_error error;
        assert_ok(
            vgg_tensor_source_open(&(vgg_bytes){.name = paths[f]}, NULL, NULL, &source, &error),
            error);
        assert_string_equal(source.format->name, "pth");
        assert_int_equal(source.tensor_count, GOLDEN_COUNT);
        for (size_t i = 0; i < GOLDEN_COUNT; i++) {
            assert_golden(&source.tensors[i], &golden[i]);
            bool turned = strcmp(golden[i].name, "turned") == 0;
            assert_int_equal(in_map(&source, &source.tensors[i]), !turned);
        }
        assert_int_equal((uintptr_t)source.tensors[0].bytes % 64, 0);
        assert_int_equal(source.storage.block_count, 1); /* of the turned one */
        vgg_tensor_source_free(&source);
    }
}

/* ---- the older kind ---- */

#define PROLOGUE                                                                                   \
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."                                    \
    "\x80\x02M\xe9\x03."                                                                           \
    "\x80\x02}X\x0d\0\0\0little_endian\x88s."
#define DICT "ccollections\nOrderedDict\n)R"

/* Two tensors in one storage; the second as old as torch 0.1, whose storage is a view of three
 * values from the second on and whose tensor is a Parameter. */
static const char legacy[] =
    PROLOGUE "\x80\x02" DICT "(X\x01\0\0\0a"
             "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x03"
             "123U\x03"
             "cpu"
             "K\x05NtQK\x01K\x02\x85K\x02\x85\x89" DICT "tR"
             "X\x01\0\0\0b"
             "ctorch.nn.parameter\nParameter\nctorch._utils\n_rebuild_tensor\n((U\x07storage"
             "ctorch.cuda\nFloatStorage\nU\x03"
             "123U\x06"
             "cuda:0K\x05(U\x03"
             "456K\x01K\x03ttQK\x00"
             "K\x03\x85K\x01\x85tR\x85R(\x88\x89" DICT "tb"
             "u."
             "\x80\x02]U\x03"
             "123a."
             "\x05\0\0\0\0\0\0\0"
             "\0\0\x80\x3f"
             "\0\0\0\x40"
             "\0\0\x40\x40"
             "\0\0\x80\x40"
             "\0\0\xa0\x40";

static void test_legacy(void **state) {
    (void)state;
    const char *path = in_folder("legacy.pth");
    write_bytes(path, legacy, sizeof legacy - 1);
    vgg_tensor_source source;
    vgg_error error;
    assert_ok(vgg_tensor_source_open(&(vgg_bytes){.name = path}, NULL, NULL, &source, &error),
              error);
    assert_int_equal(source.tensor_count, 2);
    float values[3];
    assert_int_equal(source.tensors[0].count, 2); /* every second value of 1 2 3 4 5 */
    memcpy(values, source.tensors[0].bytes, 2 * sizeof *values);
    assert_true(values[0] == 2.0f && values[1] == 4.0f);
    assert_false(in_map(&source, &source.tensors[0]));
    assert_int_equal(source.tensors[1].count, 3);
    memcpy(values, source.tensors[1].bytes, sizeof values);
    assert_true(values[0] == 2.0f && values[1] == 3.0f && values[2] == 4.0f);
    assert_true(in_map(&source, &source.tensors[1]));
    vgg_tensor_source_free(&source);
    unlink(path);
}

/* ---- writing ---- */

static void read_all(const char *path, unsigned char **bytes, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    *bytes = malloc(*size);
    assert_non_null(*bytes);
    assert_int_equal(fread(*bytes, 1, *size, file), *size);
    fclose(file);
}

static void assert_same_file(const char *path, const unsigned char *bytes, size_t size) {
    unsigned char *others;
    size_t count;
    read_all(path, &others, &count);
    assert_int_equal(count, size);
    assert_memory_equal(others, bytes, size);
    free(others);
}

static vgg_status save(const vgg_tensor_source *source, const char *path, vgg_error *error) {
    vgg_sink sink;
    vgg_status status = vgg_sink_open_file(&sink, path, error);
    if (status != VGG_OK)
        return status;
    vgg_saving saving = {.source = source, .sink = &sink};
    return vgg_sink_close(&sink, vgg_format_pth.save(&saving, error), error);
}

/* What is written is what was read, of every type, and lies at multiples of 64 bytes; writing it
 * again gives the same bytes. */
static void test_round_trip(void **state) {
    (void)state;
    vgg_tensor_source source, again;
    vgg_error error;
    assert_ok(vgg_tensor_source_open(&(vgg_bytes){.name = GOLDEN("state.pth")}, NULL, NULL, &source,
                                     &error),
              error);
    assert_true(vgg_notes_set(&source.metadata, "vgg.arch", "A \"quoted\" \xc3\xa9"));
    assert_true(vgg_notes_set(&source.metadata, "note", ""));
    const char *path = in_folder("ours.pth");
    assert_ok(save(&source, path, &error), error);
    assert_ok(vgg_tensor_source_open(&(vgg_bytes){.name = path}, NULL, NULL, &again, &error),
              error);
    assert_int_equal(again.tensor_count, GOLDEN_COUNT);
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        assert_golden(&again.tensors[i], &golden[i]);
        assert_true(in_map(&again, &again.tensors[i]));
        assert_int_equal((uintptr_t)again.tensors[i].bytes % 64, 0);
    }
    assert_int_equal(again.metadata.count, 2);
    assert_string_equal(vgg_notes_find(&again.metadata, "vgg.arch"), "A \"quoted\" \xc3\xa9");
    assert_string_equal(vgg_notes_find(&again.metadata, "note"), "");
    unsigned char *bytes;
    size_t size;
    read_all(path, &bytes, &size);
    unlink(path);
    path = in_folder("twice.pth");
    assert_ok(save(&again, path, &error), error);
    assert_same_file(path, bytes, size);
    unlink(path);
    free(bytes);
    vgg_tensor_source_free(&source);
    vgg_tensor_source_free(&again);
}

static void test_nothing_written(void **state) {
    (void)state;
    vgg_tensor_source source = {0};
    vgg_error error;
    const char *path = in_folder("refused.pth");
    assert_ok(vgg_tensor_source_reserve(&source, 1, &error), error);
    static const char name[] = "strange";
    source.tensors[0] = (vgg_stored_tensor){.name = strdup(name),
                                            .type = vgg_element_type_named("U16"),
                                            .count = 1,
                                            .bytes = (const unsigned char *)name};
    assert_int_equal(save(&source, path, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "\"strange\" has type U16");
    assert_int_equal(access(path, F_OK), -1);
    source.tensors[0].type = vgg_element_type_named("U8");
    assert_int_equal(save(&source, in_folder("no/x"), &error), VGG_ERROR_NOT_FOUND);
    vgg_tensor_source_free(&source);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pickles),         cmocka_unit_test(test_cut_pickles),
        cmocka_unit_test(test_number),          cmocka_unit_test(test_files_of_torch),
        cmocka_unit_test(test_legacy),          cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_nothing_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
