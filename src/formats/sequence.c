#include "formats/sequence.h"

#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#define FIRST_CAPACITY 64
/* Indices from one linear layer to the next: it, its ReLU and its dropout. */
#define LINEAR_STEP 3

vgg_sequence vgg_sequence_begin(vgg_tensor_source *source) {
    return (vgg_sequence){.source = source};
}

static vgg_status append(vgg_sequence *sequence, const char *module, size_t index,
                         const char *field, const vgg_stored_tensor *tensor, vgg_error *error) {
    vgg_tensor_source *source = sequence->source;
    if (source->tensor_count == sequence->capacity) {
        size_t capacity = vgg_size_max(2 * sequence->capacity, FIRST_CAPACITY);
        vgg_stored_tensor *tensors = vgg_realloc(source->tensors, capacity * sizeof *tensors);
        if (tensors == NULL)
            return vgg_fail_memory(error, "the list of tensors", capacity * sizeof *tensors);
        source->tensors = tensors;
        sequence->capacity = capacity;
    }
    char name[VGG_TENSOR_NAME];
    snprintf(name, sizeof name, "%s.%zu.%s", module, index, field);
    vgg_stored_tensor *to = &source->tensors[source->tensor_count];
    *to = *tensor;
    to->name = vgg_text_copy(name);
    bool named = tensor->name != NULL && tensor->name[0] != '\0';
    to->stored_as = named ? vgg_text_copy(tensor->name) : NULL;
    source->tensor_count++;
    if (to->name == NULL || (named && to->stored_as == NULL))
        return vgg_fail_memory(error, "a tensor's name", sizeof name);
    return VGG_OK;
}

vgg_status vgg_sequence_convolution(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                                    const vgg_stored_tensor *bias, vgg_error *error) {
    sequence->convolution = sequence->feature;
    sequence->feature += 2;
    vgg_status status =
        append(sequence, "features", sequence->convolution, "weight", weight, error);
    if (status == VGG_OK)
        status = append(sequence, "features", sequence->convolution, "bias", bias, error);
    return status;
}

vgg_status vgg_sequence_batch_norm(vgg_sequence *sequence, const vgg_stored_tensor figures[4],
                                   vgg_error *error) {
    static const char *const fields[] = {"weight", "bias", "running_mean", "running_var"};
    sequence->feature++;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < 4; i++) {
        status =
            append(sequence, "features", sequence->convolution + 1, fields[i], &figures[i], error);
    }
    return status;
}

void vgg_sequence_pool(vgg_sequence *sequence) {
    sequence->feature++;
}

void vgg_sequence_lrn(vgg_sequence *sequence) {
    sequence->feature++;
}

vgg_status vgg_sequence_linear(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                               const vgg_stored_tensor *bias, vgg_error *error) {
    size_t index = LINEAR_STEP * sequence->linears++;
    vgg_status status = append(sequence, "classifier", index, "weight", weight, error);
    if (status == VGG_OK)
        status = append(sequence, "classifier", index, "bias", bias, error);
    return status;
}
