#include "model_files.h"

#include <stdarg.h>
#include <unistd.h>

#include "nets.h"

static char folder[64];

int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/vgg-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

int remove_folder(void **state) {
    (void)state;
    return rmdir(folder); /* fails when a test, or the library, left a file behind */
}

const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void write_bytes(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

char *read_bytes(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

void assert_refused(const char *path, const char *part) {
    vgg_model *model = NULL;
    vgg_error error = {0};
    vgg_status status = vgg_model_load(path, NULL, &model, &error);
    if (status == VGG_OK)
        fail_msg("a file was opened that should be refused with \"%s\"", part);
    assert_null(model);
    assert_int_equal(error.status, status);
    assert_contains(error.message, part);
    assert_contains(error.message, path);
    assert_null(strchr(error.message, '\n'));
}

void assert_each_refused(const raw_case *cases, size_t count) {
    const char *path = in_folder("raw");
    for (size_t i = 0; i < count; i++) {
        write_bytes(path, cases[i].bytes, cases[i].size);
        assert_refused(path, cases[i].part);
        unlink(path);
    }
}

void write_safetensors(const char *path, const char *header, const void *data, size_t data_size) {
    uint64_t length = strlen(header);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(&length, 1, sizeof length, file), sizeof length);
    assert_int_equal(fwrite(header, 1, length, file), length);
    if (data != NULL)
        assert_int_equal(fwrite(data, 1, data_size, file), data_size);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(ftruncate(fileno(file), (off_t)(sizeof length + length + data_size)), 0);
    assert_int_equal(fclose(file), 0);
}

static void add(header_text *header, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(header_text *header, const char *format, ...) {
    if (header->capacity - header->length < 4096) {
        header->capacity += 65536;
        header->text = realloc(header->text, header->capacity);
        assert_non_null(header->text);
    }
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(header->text + header->length, header->capacity - header->length, format,
                           arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < header->capacity - header->length);
    header->length += (size_t)length;
}

void header_begin(header_text *header, const char *metadata) {
    *header = (header_text){0};
    add(header, "{");
    if (metadata != NULL)
        add(header, "\"__metadata__\":%s", metadata);
}

void header_tensor(header_text *header, const char *name, const char *type, size_t type_bytes,
                   const size_t *shape, size_t dimensions) {
    size_t begin = header->data_size, bytes = type_bytes;
    add(header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", header->length > 1 ? "," : "", name,
        type);
    for (size_t i = 0; i < dimensions; i++) {
        add(header, "%s%zu", i == 0 ? "" : ",", shape[i]);
        bytes *= shape[i];
    }
    header->data_size += bytes;
    add(header, "],\"data_offsets\":[%zu,%zu]}", begin, header->data_size);
}

void header_write(header_text *header, const char *path) {
    add(header, "}");
    while (header->length % 8 != 0) {
        add(header, " ");
    }
    write_safetensors(path, header->text, NULL, header->data_size);
    free(header->text);
}

vgg_network *make_network(const char *arch, vgg_layout layout, bool batch_norm, size_t classes,
                          size_t channels, size_t side) {
    vgg_network_options options = net_options(arch, classes, channels, side);
    options.layout = layout;
    options.batch_norm = batch_norm;
    return make_net(&options);
}
