/* Saving an optimisation, and going on from there. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/format.h"
#include "inside/style.h"

/* Keys of the file's metadata. */
#define KEY_TARGETS "style.targets"
#define KEY_ITERATION "style.iteration"
#define KEY_HISTORY "style.history"
#define KEY_FINISHED "style.finished"

/* Tensors of the file: the picture, the gradient before the last move, that move, and for each
 * pair, the oldest first, a move and the change of the gradient. Of one that makes no more moves,
 * or has made none, the picture is all. */
#define FIXED 3

/* The name of tensor `number` and where its values are. */
static float *array_of(const vgg_style *style, size_t number, char name[VGG_TENSOR_NAME]) {
    static const char *const names[FIXED] = {"picture", "gradient", "move"};
    const vgg_lbfgs *l = &style->lbfgs;
    float *const arrays[FIXED] = {style->picture, l->before, l->move};
    if (number < FIXED) {
        snprintf(name, VGG_TENSOR_NAME, "%s", names[number]);
        return arrays[number];
    }
    size_t age = (number - FIXED) / 2, pair = vgg_lbfgs_pair(l, age);
    bool change = (number - FIXED) % 2 > 0;
    snprintf(name, VGG_TENSOR_NAME, "%s.%zu", change ? "change" : "move", age);
    return change ? l->changes[pair] : l->moves[pair];
}

/* ---- saving ---- */

static vgg_status add_metadata(const vgg_style *style, vgg_notes *notes, vgg_error *error) {
    char targets[32], iteration[32], history[32];
    snprintf(targets, sizeof targets, "%016" PRIx64, style->targets);
    snprintf(iteration, sizeof iteration, "%zu", style->state.iteration);
    snprintf(history, sizeof history, "%zu", style->lbfgs.history);
    bool good = vgg_notes_set(notes, KEY_TARGETS, targets) &&
                vgg_notes_set(notes, KEY_ITERATION, iteration) &&
                vgg_notes_set(notes, KEY_HISTORY, history) &&
                vgg_notes_set(notes, KEY_FINISHED, style->state.finished ? "yes" : "no");
    return good ? VGG_OK : vgg_fail_memory(error, "the metadata", sizeof targets);
}

static vgg_status fill_source(const vgg_style *style, vgg_tensor_source *source, vgg_error *error) {
    bool moves = style->state.iteration > 0 && !style->state.finished;
    size_t count = moves ? FIXED + 2 * style->lbfgs.count : 1;
    vgg_status status = vgg_tensor_source_reserve(source, count, error);
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        char name[VGG_TENSOR_NAME];
        const float *values = array_of(style, i, name);
        source->tensors[i] = (vgg_stored_tensor){
            .name = vgg_text_copy(name),
            .type = vgg_element_type_named("F32"),
            .dimensions = 3,
            .shape = {style->channels, style->options.height, style->options.width},
            .count = style->samples,
            .bytes = (const unsigned char *)values};
        source->tensor_count = i + 1;
        if (source->tensors[i].name == NULL)
            status = vgg_fail_memory(error, "a tensor's name", sizeof name);
    }
    return status == VGG_OK ? add_metadata(style, &source->metadata, error) : status;
}

vgg_status vgg_style_save(const vgg_style *style, const char *path, vgg_error *error) {
    vgg_tensor_source source = {0};
    vgg_sink sink;
    const vgg_saving saving = {
        .source = &source, .network = vgg_model_network(style->model), .sink = &sink};
    vgg_status status = fill_source(style, &source, error);
    if (status == VGG_OK)
        status = vgg_sink_open_file(&sink, path, error);
    if (status == VGG_OK)
        status = vgg_sink_close(&sink, vgg_format_safetensors.save(&saving, error), error);
    vgg_tensor_source_free(&source);
    return status;
}

/* ---- going on ---- */

/* A count of the metadata; SIZE_MAX where there is none. */
static size_t read_count(const vgg_notes *notes, const char *key) {
    const char *text = vgg_notes_find(notes, key);
    char *end = NULL;
    unsigned long long value =
        text != NULL && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : SIZE_MAX;
    return end != NULL && *end == '\0' ? (size_t)value : SIZE_MAX;
}

/* The iteration of a file that is a style's. */
static vgg_status find_iteration(const vgg_tensor_source *source, size_t *iteration,
                                 vgg_error *error) {
    *iteration = read_count(&source->metadata, KEY_ITERATION);
    if (*iteration == SIZE_MAX || read_count(&source->metadata, KEY_HISTORY) == SIZE_MAX ||
        vgg_notes_find(&source->metadata, KEY_TARGETS) == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is not the state of a style", source->path);
    return VGG_OK;
}

static bool is_finished(const vgg_tensor_source *source) {
    const char *finished = vgg_notes_find(&source->metadata, KEY_FINISHED);
    return finished != NULL && strcmp(finished, "yes") == 0;
}

static size_t count_pairs(const vgg_tensor_source *source) {
    return source->tensor_count > FIXED ? (source->tensor_count - FIXED) / 2 : 0;
}

/* Another length is right as long as no pair has been forgotten with either. */
static vgg_status check_history(const vgg_style *style, const vgg_tensor_source *source,
                                size_t iteration, vgg_error *error) {
    size_t history = read_count(&source->metadata, KEY_HISTORY), own = style->lbfgs.history;
    if (history == own || iteration <= vgg_size_min(history, own))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_CHANGED,
                    "%s: is the state of a style with a history of %zu, expected %zu", source->path,
                    history, own);
}

/* Whether there are as many tensors as were written: the picture alone before the first move, and
 * no more pairs than moves and than are remembered. */
static vgg_status check_count(const vgg_tensor_source *source, size_t iteration, vgg_error *error) {
    size_t count = source->tensor_count, pairs = count_pairs(source);
    bool whole = iteration == 0 ? count == 1
                                : count >= FIXED && (count - FIXED) % 2 == 0 &&
                                      pairs <= read_count(&source->metadata, KEY_HISTORY) &&
                                      pairs <= iteration;
    if (whole || (count == 1 && is_finished(source)))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has %zu tensors in iteration %zu", source->path,
                    count, iteration);
}

static vgg_status check_source(const vgg_style *style, const vgg_tensor_source *source,
                               size_t *iteration, vgg_error *error) {
    vgg_status status = find_iteration(source, iteration, error);
    if (status != VGG_OK)
        return status;
    char targets[32];
    snprintf(targets, sizeof targets, "%016" PRIx64, style->targets);
    if (strcmp(vgg_notes_find(&source->metadata, KEY_TARGETS), targets) != 0)
        return vgg_fail(error, VGG_ERROR_CHANGED,
                        "%s: is the state of another style: of another model, other pictures, "
                        "options or instructions of the processor",
                        source->path);
    status = check_count(source, *iteration, error);
    return status == VGG_OK ? check_history(style, source, *iteration, error) : status;
}

/* Those of the file, in the order of `number`. */
static vgg_status find_tensor(const vgg_style *style, const vgg_tensor_source *source,
                              size_t number, const vgg_stored_tensor **found, vgg_error *error) {
    char name[VGG_TENSOR_NAME];
    array_of(style, number, name);
    for (size_t i = 0; i < source->tensor_count; i++) {
        const vgg_stored_tensor *tensor = &source->tensors[i];
        if (strcmp(tensor->name, name) == 0 && tensor->count == style->samples &&
            tensor->type->element == VGG_ELEMENT_FLOAT32) {
            *found = tensor;
            return VGG_OK;
        }
    }
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has no tensor \"%s\" of %zu float32 values",
                    source->path, name, style->samples);
}

/* Whether all values are finite and each pair's curvature is above 0. Looks at them where an
 * iteration keeps what it needs for itself. */
static vgg_status check_values(vgg_style *style, const vgg_tensor_source *source,
                               vgg_error *error) {
    size_t bytes = style->samples * sizeof(float);
    const vgg_stored_tensor *tensor = NULL;
    for (size_t i = 0; i < source->tensor_count; i++) {
        bool change = i >= FIXED && (i - FIXED) % 2 > 0; /* a pair's move is before it */
        vgg_status status = find_tensor(style, source, i, &tensor, error);
        if (status != VGG_OK)
            return status;
        if (change)
            memcpy(style->input, style->kept, bytes);
        memcpy(style->kept, tensor->bytes, bytes);
        if (!isfinite(vgg_lbfgs_largest(&style->lbfgs, style->kept)))
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: tensor \"%s\" has values that are not finite", source->path,
                            tensor->name);
        if (change && !(vgg_lbfgs_curvature(&style->lbfgs, style->kept, style->input) > 0))
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: tensor \"%s\" has no curvature above 0 along its move",
                            source->path, tensor->name);
    }
    return VGG_OK;
}

static vgg_status take_source(vgg_style *style, const vgg_tensor_source *source, vgg_error *error) {
    size_t count = source->tensor_count, iteration;
    vgg_status status = check_source(style, source, &iteration, error);
    if (status == VGG_OK)
        status = check_values(style, source, error);
    if (status != VGG_OK)
        return status;
    const vgg_stored_tensor *tensor = NULL;
    style->lbfgs.oldest = 0; /* the oldest first */
    for (size_t i = 0; i < count; i++) {
        char name[VGG_TENSOR_NAME];
        find_tensor(style, source, i, &tensor, error);
        memcpy(array_of(style, i, name), tensor->bytes, style->samples * sizeof(float));
    }
    vgg_lbfgs_restore(&style->lbfgs, count_pairs(source), iteration);
    style->state.iteration = iteration;
    style->state.finished = is_finished(source);
    status = vgg_style_evaluate(style, error);
    return status == VGG_OK ? vgg_style_check_loss(style, error) : status;
}

static vgg_status open_source(const char *path, vgg_tensor_source *source, vgg_error *error) {
    const vgg_bytes input = {.kind = VGG_BYTES_FILE, .name = path};
    return vgg_tensor_source_open(&input, NULL, NULL, source, error);
}

vgg_status vgg_style_resume(vgg_style *style, const char *path, vgg_error *error) {
    vgg_tensor_source source = {0};
    vgg_status status = open_source(path, &source, error);
    if (status == VGG_OK)
        status = take_source(style, &source, error);
    vgg_tensor_source_free(&source);
    return status;
}

vgg_status vgg_style_saved(const char *path, size_t *iteration, vgg_error *error) {
    vgg_tensor_source source = {0};
    vgg_status status = open_source(path, &source, error);
    if (status == VGG_OK)
        status = find_iteration(&source, iteration, error);
    vgg_tensor_source_free(&source);
    return status;
}
