/* libFuzzer's entry for files of indexes: as they are, and, since hardly any would get past the
 * sums in them, once more with the file's size, the sums and the model put right. What is opened is
 * searched, looked through for near-duplicates, and written to the same bytes. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "folder.h"
#include "vgg/index.h"

/* Bytes of the head, of what its sum is over, and places in it; docs/inside.md has all. */
#define HEAD ((size_t)88)
#define SUMMED ((size_t)80)
#define BYTES_AT ((size_t)24)
#define FACTS_AT ((size_t)56)
#define SUM_AT ((size_t)72)

static vgg_model *model;
static vgg_threads *threads;
static char facts[128]; /* how the text begins that belongs to the model */

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A model of two channels, whose seeds make_seeds.py writes. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    vgg_network *network = NULL;
    vgg_index *index = NULL;
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = "2,M/2";
    options.layout = VGG_LAYOUT_GLOBAL;
    options.classes = 2;
    options.height = options.width = 4;
    vgg_error error = {0};
    insist(vgg_network_create(&options, &network, &error) == VGG_OK);
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        insist(vgg_network_tensor(network, t, &info, &error) == VGG_OK);
        float *values = calloc(info.count, sizeof *values);
        insist(values != NULL);
        for (size_t i = 0; i < info.count; i++) {
            values[i] = (float)(i % 7) / 8;
        }
        insist(vgg_network_set_values(network, t, values, info.count, &error) == VGG_OK);
        free(values);
    }
    insist(vgg_preprocess_preset("unit", 3, 4, 4, &preprocess, &error) == VGG_OK);
    insist(vgg_model_create(network, &preprocess, NULL, &model, &error) == VGG_OK);
    vgg_threads_options alone;
    vgg_threads_options_init(&alone, sizeof alone);
    alone.count = 1;
    insist(vgg_threads_create(&alone, &threads, &error) == VGG_OK);
    insist(vgg_index_create(model, NULL, &index, &error) == VGG_OK);
    vgg_index_info info = {.struct_size = sizeof info};
    insist(vgg_index_describe(index, &info, &error) == VGG_OK);
    snprintf(facts, sizeof facts, "model %016" PRIx64, info.fingerprint);
    vgg_index_free(index);
    return 0;
}

static uint64_t number_at(const uint8_t *bytes) {
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

static void put_number(uint8_t *bytes, uint64_t number) {
    memcpy(bytes, &number, sizeof number);
}

/* False where there is no text whose end lies in the file. */
static bool put_right(uint8_t *file, size_t size) {
    if (size < HEAD || number_at(file + FACTS_AT) > size - HEAD)
        return false;
    size_t text = number_at(file + FACTS_AT), length = strlen(facts);
    if (text >= length && memcmp(file + HEAD, "model ", 6) == 0)
        memcpy(file + HEAD, facts, length);
    put_number(file + BYTES_AT, size);
    put_number(file + SUM_AT, vgg_checksum_of(file + HEAD + text, size - HEAD - text));
    vgg_checksum sum;
    vgg_checksum_begin(&sum);
    vgg_checksum_add(&sum, file, SUMMED);
    vgg_checksum_add(&sum, file + HEAD, text);
    put_number(file + SUMMED, vgg_checksum_end(&sum));
    return true;
}

/* Pictures of thousands of pixels take what memory there is, and a text may ask for them. */
static bool asks_for_large_pictures(const uint8_t *file, size_t size) {
    size_t digits = 0;
    for (size_t i = HEAD; i < size && i < HEAD + number_at(file + FACTS_AT); i++) {
        digits = file[i] >= '0' && file[i] <= '9' ? digits + 1 : 0;
        if (digits > 3 && i >= HEAD + strlen(facts))
            return true;
    }
    return false;
}

static bool count_group(void *user, const vgg_duplicate_group *group) {
    size_t pictures = *(size_t *)user;
    for (size_t i = 0; i < group->count; i++) {
        insist(group->pictures[i] < pictures);
    }
    return true;
}

static void use(vgg_index *index) {
    vgg_error error = {0};
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_match matches[3];
    size_t found = 0;
    insist(vgg_index_describe(index, &info, &error) == VGG_OK);
    for (size_t i = 0; i < info.pictures; i++) {
        insist(vgg_index_find(index, vgg_index_name(index, i)) < info.pictures);
    }
    if (info.pictures > 0 &&
        vgg_index_search(index, vgg_index_row(index, 0), 3, matches, &found, &error) == VGG_OK)
        insist(found > 0 && matches[0].picture < info.pictures);
    vgg_index_duplicates(index, NULL, count_group, &info.pictures, &error);
}

static void read_index(const uint8_t *data, size_t size, bool whole) {
    vgg_index *index = NULL;
    vgg_index_options options;
    vgg_index_options_init(&options, sizeof options);
    options.shared_threads = threads;
    options.batch = 1;
    vgg_error error = {0};
    write_file("in.index", data, size);
    vgg_status status = vgg_index_open(in_folder("in.index"), model, &options, &index, &error);
    insist(status == VGG_OK ? index != NULL
                            : index == NULL && error.status == status && error.message[0] != '\0');
    if (index == NULL)
        return;
    insist(whole);
    use(index);
    insist(vgg_index_save(index, in_folder("out.index"), &error) == VGG_OK);
    vgg_index_free(index);
    insist(vgg_index_open(in_folder("out.index"), model, &options, &index, &error) == VGG_OK);
    vgg_index_free(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *file = malloc(size + 1);
    insist(file != NULL);
    memcpy(file, data, size);
    if (size < HEAD || !asks_for_large_pictures(file, size)) {
        read_index(file, size, size >= HEAD);
        if (put_right(file, size))
            read_index(file, size, true);
    }
    free(file);
    return 0;
}
