/* Models that are read from memory or through a function, and written to one. */
#include <unistd.h>

#include "model_files.h"

#include "vgg/inspect.h"

/* Bytes that grow by a function of ours, or fail at a certain one. */
typedef struct bytes {
    unsigned char *at;
    size_t size, fail_at, calls;
} bytes;

static bool take(void *user, const void *data, size_t size) {
    bytes *b = user;
    b->calls++;
    if (b->fail_at > 0 && b->size + size > b->fail_at)
        return false;
    b->at = realloc(b->at, b->size + size);
    assert_non_null(b->at);
    memcpy(b->at + b->size, data, size);
    b->size += size;
    return true;
}

static bool give(void *user, size_t offset, void *buffer, size_t size) {
    bytes *b = user;
    b->calls++;
    if (b->fail_at > 0 && offset + size > b->fail_at)
        return false;
    assert_true(offset <= b->size && size <= b->size - offset);
    memcpy(buffer, b->at + offset, size);
    return true;
}

static vgg_reader reader_of(const char *name, bytes *b) {
    vgg_reader reader;
    vgg_reader_init(&reader, sizeof reader);
    reader.name = name;
    reader.size = b->size;
    reader.read = give;
    reader.user = b;
    return reader;
}

static vgg_model *make_model(void) {
    vgg_error error;
    vgg_network *network = make_network("5,M,6/7", VGG_LAYOUT_PAPER, /*batch_norm=*/true, 3, 3, 16);
    assert_ok(vgg_network_initialise(network, "kaiming", 3, &error), error);
    vgg_preprocess preprocess;
    vgg_preprocess_init(&preprocess, sizeof preprocess);
    assert_ok(vgg_preprocess_preset("torchvision", 3, 16, 16, &preprocess, &error), error);
    vgg_model *model;
    assert_ok(vgg_model_create(network, &preprocess, NULL, &model, &error), error);
    return model;
}

static vgg_save_options in_format(const char *format) {
    vgg_save_options options;
    vgg_save_options_init(&options, sizeof options);
    options.format = format;
    return options;
}

static bytes written(const vgg_model *model, const char *format) {
    bytes b = {0};
    vgg_error error;
    vgg_save_options options = in_format(format);
    assert_ok(vgg_model_write(model, &options, take, &b, &error), error);
    return b;
}

static bytes file_bytes(const char *path) {
    bytes b = {0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    b.size = (size_t)ftell(file);
    rewind(file);
    b.at = malloc(b.size);
    assert_non_null(b.at);
    assert_int_equal(fread(b.at, 1, b.size, file), b.size);
    fclose(file);
    return b;
}

static void assert_same(const bytes *a, const bytes *b) {
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->at, b->at, a->size);
}

/* The model, which is freed, is the one that was written. */
static void assert_writes(vgg_model *model, const char *format, const bytes *expected) {
    bytes again = written(model, format);
    assert_string_equal(vgg_model_format(model), format);
    assert_same(&again, expected);
    free(again.at);
    vgg_model_free(model);
}

/* At any alignment, from memory of exactly its size. */
static void read_memory(const char *format, const bytes *expected) {
    vgg_error error;
    for (size_t shift = 0; shift < 3; shift++) {
        unsigned char *memory = malloc(expected->size + shift);
        assert_non_null(memory);
        memcpy(memory + shift, expected->at, expected->size);
        vgg_model *model;
        assert_ok(
            vgg_model_load_memory(memory + shift, expected->size, "bytes", NULL, &model, &error),
            error);
        assert_writes(model, format, expected);
        assert_memory_equal(memory + shift, expected->at, expected->size);
        free(memory);
    }
}

static void read_through_a_function(const char *format, bytes *expected) {
    vgg_error error;
    vgg_model *model;
    vgg_reader reader = reader_of("elsewhere", expected);
    assert_ok(vgg_model_load_from(&reader, NULL, &model, &error), error);
    assert_writes(model, format, expected);
    vgg_inspection *one, *other;
    assert_ok(vgg_inspect_from(&reader, NULL, &one, &error), error);
    assert_ok(vgg_inspect_memory(expected->at, expected->size, "bytes", NULL, &other, &error),
              error);
    const vgg_inspected_file *file = vgg_inspection_file(one);
    assert_string_equal(file->format, format);
    assert_int_equal(file->bytes, expected->size);
    assert_int_equal(file->values, vgg_inspection_file(other)->values);
    assert_int_equal(vgg_inspection_problem_count(one), 0);
    assert_int_equal(vgg_inspection_problem_count(other), 0);
    vgg_inspection_free(one);
    vgg_inspection_free(other);
}

static void same_bytes_in_every_format(void **state) {
    (void)state;
    static const char *const formats[] = {"safetensors", "pth", "onnx"};
    vgg_model *model = make_model();
    for (size_t i = 0; i < 3; i++) {
        vgg_error error;
        vgg_save_options options = in_format(formats[i]);
        const char *path = in_folder("model");
        assert_ok(vgg_model_save_as(model, path, &options, &error), error);
        bytes in_file = file_bytes(path), ours = written(model, formats[i]);
        assert_same(&ours, &in_file);
        read_memory(formats[i], &in_file);
        read_through_a_function(formats[i], &in_file);
        free(in_file.at);
        free(ours.at);
        unlink(path);
    }
    vgg_model_free(model);
}

static void weights_are_used_where_they_are(void **state) {
    (void)state;
    vgg_model *model = make_model(), *borrowed;
    bytes b = written(model, "safetensors");
    vgg_error error;
    void *memory = aligned_alloc(64, (b.size + 63) / 64 * 64);
    assert_non_null(memory);
    memcpy(memory, b.at, b.size);
    assert_ok(vgg_model_load_memory(memory, b.size, NULL, NULL, &borrowed, &error), error);
    const unsigned char *values = (const void *)vgg_network_values(vgg_model_network(borrowed), 0);
    assert_true(values > (unsigned char *)memory && values < (unsigned char *)memory + b.size);
    vgg_model_free(borrowed);
    vgg_model_free(model);
    free(memory);
    free(b.at);
}

static void what_fails(void **state) {
    (void)state;
    vgg_model *model = make_model(), *none = NULL;
    bytes b = written(model, NULL);
    vgg_error error;
    vgg_reader reader = reader_of("net", &b);
    b.fail_at = 10;
    assert_int_equal(vgg_model_load_from(&reader, NULL, &none, &error), VGG_ERROR_IO);
    assert_contains(error.message, "net: the function that reads it failed at byte 0 of");
    b.calls = 0;
    reader.size = (size_t)1 << 62; /* refused before anything is read */
    assert_int_equal(vgg_model_load_from(&reader, NULL, &none, &error), VGG_ERROR_MEMORY);
    assert_int_equal(b.calls, 0);
    reader.size = SIZE_MAX;
    assert_int_equal(vgg_model_load_from(&reader, NULL, &none, &error), VGG_ERROR_MEMORY);
    reader.size = 0;
    assert_int_equal(vgg_model_load_from(&reader, NULL, &none, &error), VGG_ERROR_FORMAT);
    assert_contains(error.message, "net: is an empty file (0 bytes)");
    reader.read = NULL;
    assert_int_equal(vgg_model_load_from(&reader, NULL, &none, &error), VGG_ERROR_ARGUMENT);
    reader.struct_size = 0;
    assert_int_equal(vgg_model_load_from(&reader, NULL, &none, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_model_load_memory(NULL, 5, "m", NULL, &none, &error), VGG_ERROR_ARGUMENT);
    assert_string_equal(error.message, "m: there are no bytes (a null pointer)");
    assert_int_equal(vgg_model_load_memory(b.at, b.size - 1, "m", NULL, &none, &error),
                     VGG_ERROR_FORMAT);
    assert_contains(error.message, "m: is truncated at byte");
    bytes full = {.fail_at = 100};
    assert_int_equal(vgg_model_write(model, NULL, take, &full, &error), VGG_ERROR_IO);
    assert_string_equal(error.message, "the model: the function that takes it failed at byte 8");
    assert_int_equal(vgg_model_write(model, NULL, NULL, NULL, &error), VGG_ERROR_ARGUMENT);
    assert_null(none);
    vgg_model_free(model);
    free(b.at);
    free(full.at);
}

/* ---- progress and warnings ---- */

typedef struct heard {
    size_t calls, stop_at, done, total;
    char lines[4][256];
    size_t line_count;
} heard;

/* Stops at call number stop_at, unless that is 0. */
static bool hear(void *user, size_t done, size_t total) {
    heard *h = user;
    assert_true(done >= h->done && done <= total);
    assert_true(h->calls == 0 || total == h->total);
    h->done = done;
    h->total = total;
    return ++h->calls != h->stop_at;
}

static void note(void *user, const char *message) {
    heard *h = user;
    assert_true(h->line_count < 4);
    snprintf(h->lines[h->line_count++], sizeof h->lines[0], "%s", message);
}

/* Of 3 MB, so that progress is heard on the way. */
static vgg_model *make_large_model(void) {
    vgg_error error;
    vgg_network *network = make_network("8,M/1500", VGG_LAYOUT_PAPER, false, 3, 3, 16);
    assert_ok(vgg_network_initialise(network, "kaiming", 3, &error), error);
    vgg_model *model;
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    return model;
}

static vgg_status load_heard(bytes *b, bool reader, heard *h, vgg_error *error) {
    vgg_model *model = NULL;
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.progress = hear;
    options.progress_user = h;
    vgg_reader from = reader_of("net", b);
    vgg_status status = reader
                            ? vgg_model_load_from(&from, &options, &model, error)
                            : vgg_model_load_memory(b->at, b->size, "net", &options, &model, error);
    assert_true((status == VGG_OK) == (model != NULL));
    vgg_model_free(model);
    return status;
}

static vgg_status inspect_heard(bytes *b, heard *h, vgg_error *error) {
    vgg_inspection *inspection = NULL;
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.progress = hear;
    options.progress_user = h;
    vgg_status status = vgg_inspect_memory(b->at, b->size, "net", &options, &inspection, error);
    assert_true((status == VGG_OK) == (inspection != NULL));
    vgg_inspection_free(inspection);
    return status;
}

static vgg_status save_heard(const vgg_model *model, heard *h, vgg_error *error) {
    vgg_save_options options = in_format("pth");
    options.progress = hear;
    options.progress_user = h;
    vgg_status status = vgg_model_save_as(model, in_folder("heard.pth"), &options, error);
    assert_true((status == VGG_OK) == (access(in_folder("heard.pth"), F_OK) == 0));
    unlink(in_folder("heard.pth"));
    return status;
}

static vgg_status work(size_t kind, const vgg_model *model, bytes *b, heard *h, vgg_error *error) {
    return kind == 0   ? save_heard(model, h, error)
           : kind == 1 ? inspect_heard(b, h, error)
                       : load_heard(b, kind == 3, h, error);
}

static void every_call_of_progress_may_stop(void **state) {
    (void)state;
    vgg_model *model = make_large_model();
    bytes b = written(model, "safetensors");
    for (size_t kind = 0; kind < 4; kind++) {
        vgg_error error;
        heard all = {0};
        assert_ok(work(kind, model, &b, &all, &error), error);
        assert_int_equal(all.done, all.total);
        assert_true(all.total > 3000000 && all.total <= b.size);
        assert_true(all.calls >= 2);
        for (size_t stop = 1; stop <= all.calls; stop++) {
            heard some = {.stop_at = stop};
            assert_int_equal(work(kind, model, &b, &some, &error), VGG_ERROR_STOPPED);
            assert_int_equal(some.calls, stop);
            assert_contains(error.message, ": stopped after ");
        }
    }
    vgg_model_free(model);
    free(b.at);
}

static void a_file_that_says_little(void **state) {
    (void)state;
    static const size_t convolution[4] = {512, 3, 3, 3}, linear[2] = {3, 512 * 7 * 7};
    heard h = {0};
    header_text header;
    header_begin(&header, NULL);
    header_tensor(&header, "features.0.weight", "F32", 4, convolution, 4);
    header_tensor(&header, "features.0.bias", "F32", 4, convolution, 1);
    header_tensor(&header, "classifier.0.weight", "F32", 4, linear, 2);
    header_tensor(&header, "classifier.0.bias", "F32", 4, linear, 1);
    header_write(&header, in_folder("plain"));
    vgg_model *model;
    vgg_error error;
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.warn = note;
    options.warn_user = &h;
    options.arch = "512";
    options.layout = VGG_LAYOUT_TORCHVISION;
    options.preprocess = "unit";
    assert_ok(vgg_model_load(in_folder("plain"), &options, &model, &error), error);
    vgg_model_free(model);
    assert_int_equal(h.line_count, 1);
    assert_contains(h.lines[0], "plain: does not say all; assumed input: 3x224x224");
    options.height = options.width = 32;
    assert_ok(vgg_model_load(in_folder("plain"), &options, &model, &error), error);
    vgg_model_free(model);
    assert_int_equal(h.line_count, 1);
    unlink(in_folder("plain"));
}

static void a_file_that_says_more_than_we_know(void **state) {
    (void)state;
    heard h = {0};
    vgg_model *model = make_model(), *loaded;
    bytes b = written(model, "safetensors");
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.warn = note;
    options.warn_user = &h;
    vgg_error error;
    assert_ok(vgg_model_load_memory(b.at, b.size, "net", &options, &loaded, &error), error);
    vgg_model_free(loaded);
    assert_int_equal(h.line_count, 0);
    /* Another key of the same length. */
    unsigned char *key = memmem(b.at, b.size, "vgg.preprocess", 14);
    assert_non_null(key);
    memcpy(key, "vgg.proprecess", 14);
    assert_ok(vgg_model_load_memory(b.at, b.size, "net", &options, &loaded, &error), error);
    vgg_model_free(loaded);
    assert_int_equal(h.line_count, 1);
    assert_string_equal(h.lines[0],
                        "net: its metadata has \"vgg.proprecess\", which libvgg " VGG_VERSION
                        " does not know");
    vgg_model_free(model);
    free(b.at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_in_every_format),
        cmocka_unit_test(weights_are_used_where_they_are),
        cmocka_unit_test(what_fails),
        cmocka_unit_test(every_call_of_progress_may_stop),
        cmocka_unit_test(a_file_that_says_little),
        cmocka_unit_test(a_file_that_says_more_than_we_know),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
