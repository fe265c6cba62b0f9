#include "formats/array_tensor.h"

#include <string.h>

#include "base/error.h"

/* Row-major copy of values whose first index runs fastest. */
static void turn(const vgg_pickle_array *array, const unsigned char *from, unsigned char *to) {
    size_t width = array->type->bytes, at[VGG_STORED_DIMENSIONS] = {0};
    for (size_t done = 0; done < array->count; done++) {
        size_t place = 0;
        for (size_t i = array->dimensions; i-- > 0;) {
            place = place * array->shape[i] + at[i];
        }
        memcpy(to + done * width, from + place * width, width);
        for (size_t i = array->dimensions; i-- > 0 && ++at[i] == array->shape[i];) {
            at[i] = 0;
        }
    }
}

vgg_status vgg_array_take(vgg_tensor_source *source, const vgg_pickle_array *array,
                          vgg_stored_tensor *tensor, vgg_error *error) {
    size_t bytes = array->count * array->type->bytes;
    void *memory;
    tensor->type = array->type;
    tensor->dimensions = array->dimensions;
    memcpy(tensor->shape, array->shape, sizeof tensor->shape);
    tensor->count = array->count;
    tensor->bytes = array->bytes;
    if (array->letters) {
        vgg_status status = vgg_tensor_source_memory(source, bytes, tensor->name, &memory, error);
        if (status != VGG_OK)
            return status;
        if (!vgg_pickle_array_spell(array, memory))
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "tensor \"%s\" of %s: its bytes are not as many as its values",
                            tensor->name, source->path);
        tensor->bytes = memory;
    }
    if (!array->columns || array->dimensions < 2 || array->count == 0)
        return VGG_OK;
    vgg_status status = vgg_tensor_source_memory(source, bytes, tensor->name, &memory, error);
    if (status != VGG_OK)
        return status;
    turn(array, tensor->bytes, memory);
    tensor->bytes = memory;
    return VGG_OK;
}
