/* LPIPS's weights: for each of its layers a row of numbers for its channels, in a file of any
 * format that holds tensors by name. DISTS's: a row of alphas and one of betas for the channels of
 * all its parts. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/format.h"
#include "inside/distance.h"

/* ---- LPIPS ---- */

/* The tensor "lin0.model.1.weight" of layer 0, whatever stands around: the package's own model has
 * such, and so has one in which the metric is a part. */
static const vgg_stored_tensor *find_tensor(const vgg_tensor_source *source, size_t layer) {
    char name[32];
    snprintf(name, sizeof name, "lin%zu.", layer);
    for (size_t i = 0; i < source->tensor_count; i++) {
        const char *at = strstr(source->tensors[i].name, name);
        if (at != NULL && (at == source->tensors[i].name || at[-1] == '.'))
            return &source->tensors[i];
    }
    return NULL;
}

static vgg_status read_part(const vgg_tensor_source *source, size_t layer, vgg_distance_part *part,
                            vgg_error *error) {
    const vgg_stored_tensor *tensor = find_tensor(source, layer);
    char found[VGG_SHAPE_TEXT];
    if (tensor == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has no tensor \"lin%zu.model.1.weight\", expected LPIPS's weights for "
                        "VGG-16",
                        source->path, layer);
    if (tensor->count != part->channels)
        return vgg_fail(error, VGG_ERROR_SHAPE,
                        "tensor \"%s\" of %s has shape %s, expected %zu values, one for each "
                        "channel of %s; LPIPS has other files for AlexNet and SqueezeNet",
                        tensor->name, source->path,
                        vgg_shape_text(found, tensor->shape, tensor->dimensions), part->channels,
                        part->name);
    if (!vgg_element_is_weight(tensor->type->element))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "tensor \"%s\" of %s has type %s",
                        tensor->name, source->path, tensor->type->name);
    vgg_elements_to_float(tensor->type->element, tensor->bytes, tensor->count, part->weights);
    return VGG_OK;
}

/* ---- DISTS ---- */

static vgg_status find_row(const vgg_tensor_source *source, const char *name, size_t count,
                           const vgg_stored_tensor **row, vgg_error *error) {
    char found[VGG_SHAPE_TEXT];
    const vgg_stored_tensor *tensor = NULL;
    for (size_t i = 0; tensor == NULL && i < source->tensor_count; i++) {
        if (strcmp(source->tensors[i].name, name) == 0)
            tensor = &source->tensors[i];
    }
    if (tensor == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has no tensor \"%s\", expected DISTS's weights", source->path, name);
    if (tensor->count != count)
        return vgg_fail(error, VGG_ERROR_SHAPE,
                        "tensor \"%s\" of %s has shape %s, expected %zu values, one for each "
                        "channel of the picture and of five layers",
                        name, source->path,
                        vgg_shape_text(found, tensor->shape, tensor->dimensions), count);
    if (!vgg_element_is_weight(tensor->type->element))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "tensor \"%s\" of %s has type %s", name,
                        source->path, tensor->type->name);
    *row = tensor;
    return VGG_OK;
}

/* A share of the whole for each channel: with these the distance is a mean. */
static vgg_status share_out(vgg_distance *distance, const char *path, const float *alphas,
                            const float *betas, size_t count, vgg_error *error) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)alphas[i] + (double)betas[i];
    }
    if (!(isfinite(sum) && sum > 0))
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: its weights add up to %g, expected above 0",
                        path, sum);
    for (size_t p = 0; p < distance->part_count; p++) {
        vgg_distance_part *part = &distance->parts[p];
        for (size_t c = 0; c < part->channels; c++) {
            part->weights[c] = (float)((double)*alphas++ / sum);
            part->weights[part->channels + c] = (float)((double)*betas++ / sum);
        }
    }
    return VGG_OK;
}

static vgg_status read_rows(const vgg_tensor_source *source, vgg_distance *distance,
                            vgg_error *error) {
    const vgg_stored_tensor *alpha = NULL, *beta = NULL;
    size_t count = 0;
    for (size_t p = 0; p < distance->part_count; p++) {
        count += distance->parts[p].channels;
    }
    vgg_status status = find_row(source, "alpha", count, &alpha, error);
    if (status == VGG_OK)
        status = find_row(source, "beta", count, &beta, error);
    if (status != VGG_OK)
        return status;
    float *values = vgg_calloc(2 * count, sizeof *values);
    if (values == NULL)
        return vgg_fail_memory(error, "DISTS's weights", 2 * count * sizeof *values);
    vgg_elements_to_float(alpha->type->element, alpha->bytes, count, values);
    vgg_elements_to_float(beta->type->element, beta->bytes, count, values + count);
    status = share_out(distance, source->path, values, values + count, count, error);
    vgg_free(values);
    return status;
}

/* ---- the file ---- */

vgg_status vgg_distance_read_weights(vgg_distance *distance, vgg_error *error) {
    const vgg_bytes input = {.kind = VGG_BYTES_FILE, .name = distance->options.weights};
    vgg_tensor_source source = {0};
    bool dists = distance->options.metric == VGG_DISTANCE_DISTS;
    vgg_status status = vgg_tensor_source_open(&input, NULL, NULL, &source, error);
    if (status == VGG_OK && dists)
        status = read_rows(&source, distance, error);
    for (size_t i = 0; status == VGG_OK && !dists && i < distance->part_count; i++) {
        status = read_part(&source, i, &distance->parts[i], error);
    }
    vgg_tensor_source_free(&source);
    return status;
}
