#include "model/cool.h"

#include "base/error.h"
#include "base/memory.h"

void vgg_cooled_free(vgg_cooled *cooled) {
    vgg_free(cooled->values[0]);
    vgg_free(cooled->values[1]);
    *cooled = (vgg_cooled){0};
}

/* The stored tensor that has the numbers; NULL when none has. */
static vgg_stored_tensor *find(vgg_tensor_source *source, const void *numbers) {
    for (size_t i = 0; i < source->tensor_count; i++) {
        if (source->tensors[i].bytes == numbers)
            return &source->tensors[i];
    }
    return NULL;
}

static vgg_status cool_tensor(const vgg_tensor *tensor, double temperature,
                              vgg_tensor_source *source, void **values, vgg_error *error) {
    vgg_numbers numbers = vgg_tensor_numbers(tensor);
    vgg_stored_tensor *stored = find(source, numbers.at);
    size_t count = tensor->info.count;
    if (stored == NULL || numbers.scales != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" cannot be divided by the model's temperature, %g; set it to "
                        "1 or write safetensors",
                        tensor->info.name, temperature);
    float *floats = vgg_calloc(count, sizeof *floats);
    if (floats == NULL)
        return vgg_fail_memory(error, tensor->info.name, count * sizeof *floats);
    vgg_tensor_widen(tensor, floats);
    for (size_t i = 0; i < count; i++) {
        floats[i] = (float)((double)floats[i] / temperature);
    }
    /* Narrow numbers are written over the floats that they are made of, which come first. */
    if (numbers.element != VGG_ELEMENT_FLOAT32)
        vgg_elements_from_float(numbers.element, floats, count, (unsigned char *)floats);
    *values = floats;
    stored->bytes = (const unsigned char *)floats;
    return VGG_OK;
}

vgg_status vgg_cool(const vgg_network *network, double temperature, vgg_tensor_source *source,
                    vgg_cooled *cooled, vgg_error *error) {
    vgg_status status = VGG_OK;
    if (temperature >= 1 && temperature <= 1)
        return VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < 2; i++) {
        status = cool_tensor(&network->tensors[network->tensor_count - 2 + i], temperature, source,
                             &cooled->values[i], error);
    }
    return status;
}
