/* What `vgg train` says of the data and the options before it begins, because it would be a pity to
 * notice it afterwards. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/message.h"
#include "cli/train.h"

static void note(const char *format, const char *one, const char *other) {
    char message[1024];
    snprintf(message, sizeof message, format, one, other);
    vgg_cli_note((void *)(uintptr_t) "train", message);
}

/* Classes with so few pictures that nothing can be learnt of them. */
#define FEW 2

static void note_small_classes(const vgg_dataset *train) {
    size_t classes = vgg_dataset_class_count(train), small = 0, first = 0;
    size_t *counts = calloc(classes, sizeof *counts);
    for (size_t i = 0; counts != NULL && i < vgg_dataset_count(train); i++) {
        vgg_cli_count_labels(train, i, counts);
    }
    for (size_t c = 0; counts != NULL && c < classes; c++) {
        if (counts[c] > 0 && counts[c] <= FEW) {
            first = small == 0 ? c : first;
            small++;
        }
    }
    free(counts);
    char others[VGG_CLI_TEXT_SIZE] = "";
    if (small > 1)
        snprintf(others, sizeof others, " and %zu more classes have", small - 1);
    if (small > 0)
        note("%s%s one or two pictures to learn from, which is hardly enough",
             vgg_dataset_class_name(train, first), small > 1 ? others : " has");
}

static void note_case(const vgg_dataset *train) {
    size_t classes = vgg_dataset_class_count(train);
    for (size_t a = 0; a < classes; a++) {
        for (size_t b = a + 1; b < classes && classes < 5000; b++) {
            const char *one = vgg_dataset_class_name(train, a);
            const char *other = vgg_dataset_class_name(train, b);
            if (strcasecmp(one, other) == 0)
                note("the classes %s and %s differ in upper and lower case only", one, other);
        }
    }
}

/* ---- the same picture in both parts ---- */

typedef struct fingerprint {
    uint64_t hash;
    const vgg_dataset *part;
    size_t item;
} fingerprint;

static int by_hash(const void *left, const void *right) {
    const fingerprint *a = left, *b = right;
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* FNV-1a of the pixels; 0 when the picture cannot be read. */
static uint64_t hash_of(const vgg_dataset *part, size_t item) {
    vgg_image image = {0};
    uint64_t state = 0xcbf29ce484222325u;
    if (vgg_dataset_read(part, item, &image, NULL) != VGG_OK)
        return 0;
    size_t samples = image.width * image.height * image.channels;
    for (size_t i = 0; i < samples; i++) {
        state = (state ^ image.pixels[i]) * 0x100000001b3u;
    }
    vgg_image_free(&image);
    return state;
}

/* Comparing takes reading, so only data that is read in moments is compared. */
#define COMPARED_PICTURES 4000
#define COMPARED_SECONDS 3.0

static size_t add_part(fingerprint *all, size_t at, const vgg_dataset *part, double begun) {
    size_t count = vgg_dataset_count(part);
    for (size_t i = 0; i < count && vgg_cli_now() - begun < COMPARED_SECONDS; i++) {
        all[at] = (fingerprint){hash_of(part, i), part, i};
        at += all[at].hash != 0;
    }
    return at;
}

static void note_shared(const vgg_dataset *train, const vgg_dataset *validation) {
    size_t pictures = vgg_dataset_count(train);
    if (validation == NULL || pictures + vgg_dataset_count(validation) > COMPARED_PICTURES)
        return;
    pictures += vgg_dataset_count(validation);
    fingerprint *all = calloc(pictures, sizeof *all);
    if (all == NULL)
        return;
    double begun = vgg_cli_now();
    size_t count = add_part(all, 0, validation, begun);
    count = add_part(all, count, train, begun);
    qsort(all, count, sizeof *all, by_hash);
    for (size_t i = 1; i < count; i++) {
        if (all[i].hash == all[i - 1].hash && all[i].part != all[i - 1].part) {
            note("%s and %s are the same picture, and one of them is for validation, whose results "
                 "such pairs make too good",
                 vgg_dataset_item_name(all[i - 1].part, all[i - 1].item),
                 vgg_dataset_item_name(all[i].part, all[i].item));
            break;
        }
    }
    free(all);
}

/* ---- options ---- */

/* A plain VGG of so many layers does not get away from guessing at a rate that others bear. */
#define DEEP_LAYERS 9
#define DEEP_RATE 0.01

static void note_rate(const vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    const vgg_network *network = vgg_model_network(training->model);
    size_t deep = 0;
    for (size_t l = 0; l < vgg_network_layer_count(network); l++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        if (vgg_network_layer(network, l, &info, NULL) == VGG_OK)
            deep += info.type == VGG_LAYER_CONVOLUTION || info.type == VGG_LAYER_LINEAR;
    }
    bool normed = vgg_network_describe(network)->batch_norm;
    bool started = o->from != NULL || o->init_from != NULL;
    char rate[VGG_CLI_TEXT_SIZE], layers[VGG_CLI_TEXT_SIZE];
    snprintf(layers, sizeof layers, "%zu", deep);
    if (deep >= DEEP_LAYERS && !normed && !started && o->rate > DEEP_RATE)
        note("--lr %s kills a network of %s layers without batch normalisation; --batch-norm, a "
             "rate of 0.01 or less, or a start with --init-from may help",
             vgg_cli_number_text(rate, o->rate), layers);
}

void vgg_cli_train_warn(const vgg_cli_training *training) {
    note_small_classes(training->train);
    note_case(training->train);
    note_rate(training);
    note_shared(training->train, training->validation);
    if (training->options.early_stop > 0 && training->validation == NULL)
        note("%s%s", "--early-stop: never stops, since nothing validates", "");
}
