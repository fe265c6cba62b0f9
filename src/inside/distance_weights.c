/* LPIPS's weights: for each of its layers a row of numbers for its channels, in a file of any
 * format that holds tensors by name. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/format.h"
#include "inside/distance.h"

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
    part->weights = vgg_calloc(part->channels, sizeof *part->weights);
    if (part->weights == NULL)
        return vgg_fail_memory(error, "LPIPS's weights", part->channels * sizeof *part->weights);
    vgg_elements_to_float(tensor->type->element, tensor->bytes, tensor->count, part->weights);
    return VGG_OK;
}

vgg_status vgg_distance_read_weights(vgg_distance *distance, vgg_error *error) {
    const vgg_bytes input = {.kind = VGG_BYTES_FILE, .name = distance->options.weights};
    vgg_tensor_source source = {0};
    vgg_status status = vgg_tensor_source_open(&input, NULL, NULL, &source, error);
    for (size_t i = 0; status == VGG_OK && i < distance->part_count; i++) {
        status = read_part(&source, i, &distance->parts[i], error);
    }
    vgg_tensor_source_free(&source);
    return status;
}
