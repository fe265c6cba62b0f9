/* Features of inputs that somebody else has preprocessed. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/extractor.h"

/* Hands out the features of input `number`, which is in this row of its batch. */
static vgg_status hand_out(vgg_extractor *extractor, size_t number, size_t row,
                           vgg_extract_callback *callback, void *user, vgg_error *error) {
    vgg_error why;
    vgg_extract_result result = {.struct_size = sizeof result, .number = number};
    if (vgg_extractor_find_row(extractor, row, &why) == VGG_OK)
        result.values = extractor->rows;
    else
        result.error = &why;
    if (callback(user, &result))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_STOPPED, "stopped after %zu inputs", number + 1);
}

vgg_status vgg_extract_inputs(vgg_extractor *extractor, const float *const *inputs, size_t count,
                              vgg_extract_callback *result, void *user, vgg_error *error) {
    if (extractor->scale_count > 1 || extractor->resized)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "inputs have one size, and this extractor has scales of its own");
    vgg_status status =
        vgg_extractor_reserve(extractor, vgg_size_min(count, extractor->batch), error);
    for (size_t done = 0; status == VGG_OK && done < count;) {
        size_t batch = vgg_size_min(count - done, extractor->batch);
        for (size_t i = 0; i < batch; i++) {
            memcpy(extractor->inputs + i * extractor->input, inputs[done + i],
                   extractor->input * sizeof(float));
        }
        status = vgg_extractor_compute(extractor, extractor->inputs, batch, error);
        for (size_t i = 0; status == VGG_OK && i < batch; i++) {
            status = hand_out(extractor, done + i, i, result, user, error);
        }
        done += batch;
    }
    return status;
}
