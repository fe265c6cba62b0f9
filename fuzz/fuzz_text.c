/* libFuzzer's entry for texts. The first byte says of which kind the rest is: a JSON text, which
 * Jansson's own reader judges as well; a file of class names; an architecture; the metadata of a
 * model file, lines of KEY=VALUE; or Keras's description of a model. Each is read, or an error with
 * a message. What a text may take is scripts/fuzz.sh's to say, by libFuzzer's limits on memory and
 * time. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/memory.h"
#include "base/notes.h"
#include "base/text.h"
#include "formats/keras/keras.h"
#include "model/description.h"
#include "model/labels.h"
#include "vgg/network.h"

static void insist(bool holds) {
    if (!holds)
        abort();
}

static void insist_on_reason(vgg_status status, const vgg_error *error) {
    insist(status == VGG_OK || (error->status == status && error->message[0] != '\0'));
}

/* Jansson goes deeper, takes numbers of any length, and passes zero bytes behind a number. */
static bool is_beyond_limits(const char *text, size_t size, const vgg_json_fault *fault) {
    return strstr(fault->what, "limit of") != NULL || strstr(fault->what, "more than") != NULL ||
           memchr(text, 0, size) != NULL;
}

static void read_json(const char *text, size_t size) {
    vgg_json_fault fault = {0};
    json_t *value = vgg_json_read(text, size, &fault);
    json_t *expected = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (value == NULL) {
        insist(fault.memory || (fault.byte <= size && fault.what[0] != '\0'));
        insist(expected == NULL || fault.memory || is_beyond_limits(text, size, &fault));
    } else {
        insist(expected != NULL && json_equal(value, expected));
    }
    json_decref(value);
    json_decref(expected);
}

static void read_labels(const char *text, size_t size) {
    static char path[64];
    vgg_labels labels = {0};
    vgg_error error = {0};
    if (size == 0)
        return;
    if (path[0] == '\0')
        snprintf(path, sizeof path, "/dev/shm/vgg-fuzz-labels-%ld", (long)getpid());
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    insist(file >= 0 && write(file, text + 1, size - 1) == (ssize_t)(size - 1));
    close(file);
    size_t classes = (unsigned char)text[0];
    vgg_status status = vgg_labels_read(path, classes, &labels, &error);
    unlink(path);
    insist_on_reason(status, &error);
    insist(labels.count == (status == VGG_OK ? classes : 0));
    vgg_labels_free(&labels);
}

/* A network and its table. No text asks for memory for weights. */
static void read_arch(const char *text) {
    vgg_network *network = NULL;
    vgg_error error = {0};
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = text;
    vgg_status status = vgg_network_create(&options, &network, &error);
    insist_on_reason(status, &error);
    if (status != VGG_OK)
        return;
    char *table = NULL;
    insist_on_reason(vgg_network_summary(network, 1, &table, &error), &error);
    vgg_string_free(table);
    vgg_network_free(network);
}

static void read_description(char *text) {
    vgg_notes notes = {0};
    vgg_description description = {0};
    vgg_error error = {0};
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *value = strchr(line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        insist(vgg_notes_set(&notes, line, value));
    }
    insist_on_reason(vgg_description_read(&notes, "fuzzed", &description, &error), &error);
    vgg_description_free(&description);
    vgg_notes_free(&notes);
}

/* The description of a file that has these layers. */
static void read_keras(const char *text, size_t size) {
    vgg_tensor_source source = {.path = vgg_text_copy("fuzzed")};
    vgg_keras_layer layers[] = {
        {.name = "conv", .place = "conv", .kind = VGG_KERAS_CONVOLUTION},
        {.name = "norm", .place = "norm", .kind = VGG_KERAS_BATCH_NORM},
        {.name = "dense", .place = "dense", .kind = VGG_KERAS_LINEAR},
        {.name = "last", .place = "last", .kind = VGG_KERAS_LINEAR},
    };
    vgg_keras keras = {
        .source = &source, .layers = layers, .layer_count = sizeof layers / sizeof *layers};
    vgg_json_fault fault;
    vgg_error error = {0};
    json_t *config = vgg_json_read(text, size, &fault);
    if (config != NULL)
        insist_on_reason(vgg_keras_read_config(&keras, config, &error), &error);
    json_decref(config);
    for (size_t i = 0; i < keras.step_count; i++) {
        vgg_free(keras.steps[i].name);
    }
    vgg_free(keras.steps);
    vgg_tensor_source_free(&source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    /* A copy with no byte behind it, and one that ends in a zero. */
    char *text = vgg_malloc(size > 1 ? size - 1 : 1), *ended = vgg_malloc(size);
    insist(text != NULL && ended != NULL);
    memcpy(text, data + 1, size - 1);
    memcpy(ended, data + 1, size - 1);
    ended[size - 1] = '\0';
    switch (data[0] % 5) {
    case 0:
        read_json(text, size - 1);
        break;
    case 1:
        read_labels(text, size - 1);
        break;
    case 2:
        read_arch(ended);
        break;
    case 3:
        read_description(ended);
        break;
    default:
        read_keras(text, size - 1);
        break;
    }
    vgg_free(text);
    vgg_free(ended);
    return 0;
}
