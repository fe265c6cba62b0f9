/* Making weight files for tests, right and wrong ones. */
#ifndef VGG_MODEL_FILES_H
#define VGG_MODEL_FILES_H

#include <stdbool.h>

#include "vgg_test.h"

#include "vgg/model.h"

/* A fresh folder for a group of tests; group setup and teardown for cmocka. */
int make_folder(void **state);
int remove_folder(void **state);

/* "<folder>/<name>"; valid until the next call. */
const char *in_folder(const char *name);

void write_bytes(const char *path, const void *bytes, size_t size);

/* The bytes of a file, with a zero behind them; freed by the caller. */
char *read_bytes(const char *path, size_t *size);

/* Fails unless the file is refused in one line that has `part` in it and names the file. */
void assert_refused(const char *path, const char *part);

/* The bytes of a wrong file, and what is said of it. */
typedef struct raw_case {
    const char *bytes;
    size_t size;
    const char *part;
} raw_case;

#define RAW(text, part)                                                                            \
    { text, sizeof(text) - 1, part }

void assert_each_refused(const raw_case *cases, size_t count);

/* Header length, header and `data_size` bytes of data, which may be NULL: a hole of zeros. */
void write_safetensors(const char *path, const char *header, const void *data, size_t data_size);

/* The list of a file's tensors as its header has it. */
typedef struct header_text {
    char *text;
    size_t length, capacity, data_size;
} header_text;

void header_begin(header_text *header, const char *metadata);
void header_tensor(header_text *header, const char *name, const char *type, size_t type_bytes,
                   const size_t *shape, size_t dimensions);
/* Writes the file, with a hole for data, and frees the header. */
void header_write(header_text *header, const char *path);

/* Creates a network or fails the test. */
vgg_network *make_network(const char *arch, vgg_layout layout, bool batch_norm, size_t classes,
                          size_t channels, size_t side);

#endif
