/* Indexes: making them, and what their rows are made of. */
#include "search/index.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"

void vgg_index_options_init(vgg_index_options *options, size_t size) {
    const vgg_index_options defaults = {.struct_size = size, .pool = VGG_FEATURE_POOL_GEM};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- layers ---- */

/* What stands behind the last convolution of each block that has one, of the last two. Returns how
 * many. */
static size_t usual_layers(const vgg_network *network, size_t layers[2]) {
    size_t found = 0, count = vgg_network_layer_count(network);
    bool open = false; /* the last one found is of the block that is walked through */
    for (size_t i = 0; i < count; i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_network_layer(network, i, &info, NULL);
        bool behind = (info.type == VGG_LAYER_BATCH_NORM || info.type == VGG_LAYER_RELU) &&
                      info.dimensions == 3 && open && layers[found - 1] + 1 == i;
        if (info.type == VGG_LAYER_MAX_POOL || info.type == VGG_LAYER_AVERAGE_POOL_2X2)
            open = false;
        if (info.type != VGG_LAYER_CONVOLUTION && !behind)
            continue;
        if (!open && found == 2)
            layers[0] = layers[1];
        else if (!open)
            found++;
        layers[found - 1] = i;
        open = true;
    }
    return found;
}

/* Their names with commas between them; NULL when memory ran out. */
static char *name_usual(const vgg_network *network) {
    size_t layers[2], count = usual_layers(network, layers);
    vgg_text text = {0};
    for (size_t i = 0; i < count; i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_network_layer(network, layers[i], &info, NULL);
        const char *name = info.paper_name[0] != '\0' ? info.paper_name : info.name;
        vgg_text_add(&text, "%s%s", i > 0 ? "," : "", name);
    }
    return vgg_text_take(&text);
}

/* Cuts the text at its commas into taps. */
static vgg_status read_layers(const vgg_index *index, vgg_tap taps[VGG_INDEX_LAYERS], size_t *count,
                              vgg_error *error) {
    *count = 0;
    for (const char *at = index->layers; at != NULL; *count += 1) {
        const char *comma = strchr(at, ',');
        size_t length = comma != NULL ? (size_t)(comma - at) : strlen(at);
        if (*count == VGG_INDEX_LAYERS)
            return vgg_fail(error, VGG_ERROR_ARGUMENT, "an index of more than %d layers",
                            VGG_INDEX_LAYERS);
        char name[VGG_LAYER_NAME];
        if (length >= sizeof name)
            return vgg_fail(error, VGG_ERROR_NOT_FOUND, "no layer %.64s", at);
        memcpy(name, at, length);
        name[length] = '\0';
        vgg_status status = vgg_network_find_layer(vgg_model_network(index->model), name,
                                                   &taps[*count].layer, error);
        if (status != VGG_OK)
            return status;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return VGG_OK;
}

/* ---- making ---- */

static vgg_status make_extractor(vgg_index *index, const vgg_index_options *options,
                                 vgg_error *error) {
    vgg_tap taps[VGG_INDEX_LAYERS] = {0};
    vgg_extractor_options how;
    vgg_extractor_options_init(&how, sizeof how);
    vgg_status status = read_layers(index, taps, &how.tap_count, error);
    how.taps = taps;
    how.pool = index->pool;
    how.normalise = true;
    how.scales = index->scales;
    how.protocol = index->protocol;
    how.batch = options->batch;
    how.precision = options->precision;
    how.device = options->device;
    how.shared_threads = index->threads;
    how.thumbnail = VGG_INDEX_THUMBNAIL;
    if (status == VGG_OK)
        status = vgg_extractor_create(index->model, &how, &index->extractor, error);
    for (size_t t = 0; status == VGG_OK && t < how.tap_count; t++) {
        vgg_tap_info info = {.struct_size = sizeof info};
        status = vgg_extractor_tap(index->extractor, t, &info, error);
        index->features += info.values;
    }
    return status;
}

static vgg_status set_up(vgg_index *index, const vgg_index_options *options, vgg_error *error) {
    index->pool = options->pool;
    index->protocol = options->protocol;
    index->layers = options->layers != NULL ? vgg_text_copy(options->layers)
                                            : name_usual(vgg_model_network(index->model));
    index->scales = options->scales != NULL ? vgg_text_copy(options->scales) : NULL;
    if (index->layers == NULL || (options->scales != NULL && index->scales == NULL))
        return vgg_fail_memory(error, "an index", VGG_LAYER_NAME);
    vgg_status status = vgg_kernels_get(&index->kernels, error);
    if (status == VGG_OK)
        status = vgg_threads_obtain(options->shared_threads, options->threads, &index->threads,
                                    &index->own_threads, error);
    return status == VGG_OK ? make_extractor(index, options, error) : status;
}

vgg_status vgg_index_make(const vgg_model *model, uint64_t fingerprint,
                          const vgg_index_options *options, vgg_index **out, vgg_error *error) {
    vgg_index *index = vgg_calloc(1, sizeof *index);
    if (index == NULL)
        return vgg_fail_memory(error, "an index", sizeof *index);
    index->model = model;
    index->fingerprint = fingerprint;
    vgg_status status = set_up(index, options, error);
    if (status != VGG_OK) {
        vgg_index_free(index);
        return status;
    }
    *out = index;
    return VGG_OK;
}

vgg_status vgg_index_create(const vgg_model *model, const vgg_index_options *given, vgg_index **out,
                            vgg_error *error) {
    vgg_index_options options;
    vgg_index_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_index_options", error);
    uint64_t fingerprint = 0;
    if (status == VGG_OK)
        status = vgg_model_fingerprint(model, &fingerprint, error);
    return status == VGG_OK ? vgg_index_make(model, fingerprint, &options, out, error) : status;
}

void vgg_index_free(vgg_index *index) {
    if (index == NULL)
        return;
    vgg_extractor_free(index->extractor);
    vgg_threads_free(index->own_threads);
    vgg_index_table_free(&index->table);
    vgg_free(index->layers);
    vgg_free(index->scales);
    vgg_free(index->by_name);
    vgg_free(index->zeros);
    vgg_free(index->similarities);
    vgg_free(index);
}

vgg_status vgg_index_describe(const vgg_index *index, vgg_index_info *info, vgg_error *error) {
    const vgg_index_info own = {.struct_size = sizeof own,
                                .pictures = index->table.count,
                                .features = index->features,
                                .layers = index->layers,
                                .pool = index->pool,
                                .scales = index->scales,
                                .protocol = index->protocol,
                                .fingerprint = index->fingerprint};
    return vgg_result_write(info, &own, sizeof own, "vgg_index_info", error);
}

size_t vgg_index_memory(const vgg_index *index) {
    const vgg_index_table *table = &index->table;
    size_t bytes = vgg_extractor_memory(index->extractor);
    size_t picture = index->features * sizeof *table->rows + VGG_INDEX_SAMPLES +
                     sizeof *table->entries + sizeof *index->by_name;
    bytes += table->capacity * picture;
    for (size_t i = 0; i < table->count; i++) {
        bytes += strlen(table->entries[i].name) + 1;
    }
    /* A row, its similarities and a bias of zeros. */
    return bytes + index->features * sizeof(float) + 2 * table->count * sizeof(float);
}

const char *vgg_index_name(const vgg_index *index, size_t picture) {
    return index->table.entries[picture].name;
}

const float *vgg_index_row(const vgg_index *index, size_t picture) {
    return index->table.rows + picture * index->features;
}

/* ---- rows ---- */

void vgg_index_join(const vgg_index *index, const float *const *values, float *row) {
    size_t taps = vgg_extractor_taps(index->extractor), at = 0;
    for (size_t t = 0; t < taps; t++) {
        vgg_tap_info info = {.struct_size = sizeof info};
        vgg_extractor_tap(index->extractor, t, &info, NULL);
        memcpy(row + at, values[t], info.values * sizeof *row);
        at += info.values;
    }
    double sum = 0;
    for (size_t i = 0; i < at; i++) {
        sum += (double)row[i] * (double)row[i];
    }
    for (size_t i = 0; sum > 0 && i < at; i++) {
        row[i] = (float)((double)row[i] / sqrt(sum));
    }
}
