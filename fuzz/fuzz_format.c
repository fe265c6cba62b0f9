/* libFuzzer's entry for the reader FUZZ_FORMAT: first the reader alone, on memory whose end the
 * address sanitizer guards to the byte, and all values that it found; then, when it took the file,
 * everything from the file to a model. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sanitizer/asan_interface.h>

#include "base/memory.h"
#include "base/text.h"
#include "formats/format.h"
#include "vgg/model.h"

#define PAGE ((size_t)4096)

/* What is told of the network of a file that does not show it. */
#ifndef FUZZ_ARCH
#define FUZZ_ARCH NULL
#define FUZZ_SIDE 0
#endif

static const vgg_hints told = {.arch = FUZZ_ARCH, .height = FUZZ_SIDE, .width = FUZZ_SIDE};

/* A pipe or a broken machine is not what is looked for. */
static void insist(bool works) {
    if (!works)
        abort();
}

static volatile unsigned char sink;

static void read_values(const vgg_tensor_source *source) {
    for (size_t i = 0; i < source->tensor_count; i++) {
        const vgg_stored_tensor *tensor = &source->tensors[i];
        size_t bytes, end = tensor->count;
        insist(tensor->name != NULL && tensor->type != NULL);
        insist(vgg_size_mul(end, tensor->type->bytes, &bytes));
        for (size_t at = 0; at < bytes; at++) {
            sink ^= tensor->bytes[at];
        }
    }
}

/* Whether the reader takes the file, mapped as files are: a reader may drop pages that it copied.
 */
static bool load_alone(int file, size_t size) {
    size_t whole = vgg_round_up(size, PAGE);
    unsigned char *map = mmap(NULL, whole, PROT_READ, MAP_PRIVATE, file, 0);
    insist(map != MAP_FAILED);
    ASAN_POISON_MEMORY_REGION(map + size, whole - size);
    vgg_tensor_source source = {
        .format = &FUZZ_FORMAT, .told = &told, .path = vgg_text_copy("fuzzed")};
    source.storage.map = map;
    source.storage.size = size;
    vgg_error error = {0};
    vgg_status status = FUZZ_FORMAT.load(&source, &error);
    if (status == VGG_OK)
        read_values(&source);
    else
        insist(error.status == status && error.message[0] != '\0');
    ASAN_UNPOISON_MEMORY_REGION(map, whole);
    vgg_tensor_source_free(&source);
    return status == VGG_OK;
}

static void load_model(int file) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    vgg_model *model;
    vgg_error error;
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.arch = told.arch;
    options.height = told.height;
    options.width = told.width;
    if (vgg_model_load(path, &options, &model, &error) == VGG_OK)
        vgg_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || !FUZZ_FORMAT.sniff(data, size))
        return 0;
    int file = memfd_create("fuzzed", MFD_CLOEXEC);
    insist(file >= 0 && write(file, data, size) == (ssize_t)size);
    if (load_alone(file, size))
        load_model(file);
    close(file);
    return 0;
}
