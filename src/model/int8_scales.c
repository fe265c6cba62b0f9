#include "model/int8_scales.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* The tensors of a layer: per point what a number of its transformed input is worth; (K, points),
 * what one of its transformed filters is; and its error and cost. */
enum { INPUT_SCALE, WEIGHT_SCALE, FIGURES, PARTS };
static const char *const parts[PARTS] = {"int8_input_scale", "int8_weight_scale", "int8_figures"};
#define FIGURE_COUNT 2

static void name_of(const vgg_layer *layer, size_t part, char name[VGG_TENSOR_NAME]) {
    snprintf(name, VGG_TENSOR_NAME, "%.28s.%.18s", layer->name, parts[part]);
}

const char *vgg_int8_scales_first(const vgg_network *network) {
    for (size_t i = 0; i < network->layer_count; i++) {
        if (network->layers[i].int8 != NULL)
            return network->layers[i].name;
    }
    return NULL;
}

/* ---- saving ---- */

static bool add(const vgg_layer *layer, size_t part, size_t dimensions, size_t first, size_t second,
                const float *values, vgg_tensor_source *source) {
    char name[VGG_TENSOR_NAME];
    name_of(layer, part, name);
    vgg_stored_tensor *tensor = &source->tensors[source->tensor_count++];
    *tensor = (vgg_stored_tensor){.name = vgg_text_copy(name),
                                  .type = vgg_element_type_named("F32"),
                                  .shape = {first, second},
                                  .dimensions = dimensions,
                                  .count = first * (dimensions == 2 ? second : 1),
                                  .bytes = (const unsigned char *)values};
    return tensor->name != NULL;
}

vgg_status vgg_int8_scales_add(const vgg_network *network, vgg_tensor_source *source,
                               vgg_error *error) {
    for (size_t i = 0; i < network->layer_count; i++) {
        const vgg_layer *layer = &network->layers[i];
        const vgg_int8 *int8 = layer->int8;
        if (int8 == NULL)
            continue;
        size_t points = vgg_int8_points(int8->tile);
        if (!add(layer, INPUT_SCALE, 1, points, 0, int8->inputs, source) ||
            !add(layer, WEIGHT_SCALE, 2, layer->output.channels, points, int8->weights, source) ||
            !add(layer, FIGURES, 1, FIGURE_COUNT, 0, int8->figures, source))
            return vgg_fail_memory(error, "a tensor's name", VGG_TENSOR_NAME);
    }
    return VGG_OK;
}

/* ---- loading ---- */

static vgg_named_tensor *find(const vgg_network *network, size_t layer, size_t part,
                              const vgg_named_tensors *names) {
    char name[VGG_TENSOR_NAME];
    name_of(&network->layers[layer], part, name);
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].name, name) == 0)
            return &names->items[i];
    }
    return NULL;
}

void vgg_int8_scales_mark(const vgg_network *network, vgg_named_tensors *names,
                          vgg_bind_int8 told) {
    for (size_t i = 0; told.convolutions && i < network->layer_count; i++) {
        for (size_t part = 0; vgg_network_can_int8(network, i) && part < PARTS; part++) {
            vgg_named_tensor *found = find(network, i, part, names);
            if (found != NULL)
                found->used = true;
        }
    }
}

/* The tile size that has so many points; 0 when none has. */
static size_t tile_of(size_t points) {
    return points == 36 ? 4 : points == 16 ? 2 : points == 1 ? 1 : 0;
}

static vgg_status check_part(const vgg_stored_tensor *part, const char *path, size_t dimensions,
                             size_t first, size_t second, vgg_error *error) {
    const size_t expected[] = {first, second};
    char found[VGG_SHAPE_TEXT], wanted[VGG_SHAPE_TEXT];
    if (part->type->element != VGG_ELEMENT_FLOAT32)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" of %s has type %s, expected F32", part->name, path,
                        part->type->name);
    if (part->dimensions == dimensions &&
        memcmp(part->shape, expected, dimensions * sizeof *expected) == 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE, "tensor \"%s\" of %s has shape %s, expected %s",
                    part->name, path, vgg_shape_text(found, part->shape, part->dimensions),
                    vgg_shape_text(wanted, expected, dimensions));
}

/* A copy of a tensor's values, which may lie at any address. */
static float *values_of(const vgg_stored_tensor *part) {
    float *values = vgg_aligned_alloc(part->count * sizeof *values);
    if (values != NULL)
        memcpy(values, part->bytes, part->count * sizeof *values);
    return values;
}

static vgg_status take_figures(vgg_layer *layer, const vgg_stored_tensor *stored, const char *path,
                               vgg_error *error) {
    float figures[FIGURE_COUNT];
    memcpy(figures, stored->bytes, sizeof figures);
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        if (!isfinite(figures[i]) || figures[i] < 0)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "tensor \"%s\" of %s has value %zu of %g, expected a finite number of "
                            "0 or more",
                            stored->name, path, i, (double)figures[i]);
    }
    memcpy(layer->int8->figures, figures, sizeof figures);
    return VGG_OK;
}

static vgg_status take(vgg_network *network, size_t layer, size_t tile,
                       const vgg_stored_tensor *const stored[PARTS], const char *path,
                       vgg_error *error) {
    float *inputs = values_of(stored[INPUT_SCALE]), *weights = values_of(stored[WEIGHT_SCALE]);
    vgg_error own;
    vgg_status status = VGG_OK;
    if (inputs == NULL || weights == NULL)
        status = vgg_fail_memory(&own, stored[WEIGHT_SCALE]->name,
                                 stored[WEIGHT_SCALE]->count * sizeof *weights);
    else
        status = vgg_network_take_int8(network, layer, tile, inputs, weights, &own);
    vgg_free(inputs);
    vgg_free(weights);
    if (status == VGG_ERROR_NUMERIC)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: %s", path, own.message);
    return status == VGG_OK ? take_figures(&network->layers[layer], stored[FIGURES], path, error)
                            : vgg_fail(error, status, "%s", own.message);
}

static vgg_status take_layer(vgg_network *network, size_t layer, const vgg_named_tensors *names,
                             const char *path, vgg_error *error) {
    const vgg_stored_tensor *stored[PARTS];
    size_t there = 0, missing = PARTS;
    for (size_t part = 0; part < PARTS; part++) {
        const vgg_named_tensor *found = find(network, layer, part, names);
        stored[part] = found != NULL ? found->stored : NULL;
        there += found != NULL;
        missing = found == NULL ? part : missing;
    }
    if (there == 0)
        return VGG_OK;
    char name[VGG_TENSOR_NAME];
    if (missing < PARTS) {
        name_of(&network->layers[layer], missing, name);
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s lacks tensor \"%s\" of a layer in int8", path,
                        name);
    }
    const vgg_stored_tensor *inputs = stored[INPUT_SCALE];
    size_t tile = inputs->dimensions == 1 ? tile_of(inputs->shape[0]) : 0;
    size_t points = vgg_int8_points(tile), outputs = network->layers[layer].output.channels;
    vgg_status status = check_part(inputs, path, 1, tile == 0 ? 36 : points, 0, error);
    if (status == VGG_OK)
        status = check_part(stored[WEIGHT_SCALE], path, 2, outputs, points, error);
    if (status == VGG_OK)
        status = check_part(stored[FIGURES], path, 1, FIGURE_COUNT, 0, error);
    return status == VGG_OK ? take(network, layer, tile, stored, path, error) : status;
}

vgg_status vgg_int8_scales_take(vgg_network *network, const vgg_named_tensors *names,
                                const char *path, vgg_bind_int8 told, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && told.convolutions && i < network->layer_count; i++) {
        if (vgg_network_can_int8(network, i))
            status = take_layer(network, i, names, path, error);
    }
    return status;
}
