#include "model_files.h"

#include <stdarg.h>
#include <unistd.h>

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
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = arch;
    options.layout = layout;
    options.batch_norm = batch_norm;
    options.classes = classes;
    options.channels = channels;
    options.height = options.width = side;
    vgg_network *network;
    vgg_error error;
    assert_ok(vgg_network_create(&options, &network, &error), error);
    return network;
}
