#include "formats/sequence.h"

#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#define FIRST_CAPACITY 64

vgg_sequence vgg_sequence_begin(vgg_tensor_source *source) {
    vgg_evidence_free(&source->graph.evidence);
    return (vgg_sequence){.source = source};
}

static vgg_status append(vgg_sequence *sequence, const char *field, const vgg_stored_tensor *tensor,
                         vgg_error *error) {
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
    bool flat = sequence->features > 0;
    snprintf(name, sizeof name, "%s.%zu.%s", flat ? "classifier" : "features",
             flat ? sequence->classifier : sequence->feature, field);
    vgg_stored_tensor *to = &source->tensors[source->tensor_count];
    bool named = tensor->name != NULL && tensor->name[0] != '\0';
    *to = *tensor;
    to->stored_as = named ? vgg_text_copy(tensor->name) : NULL;
    to->name = vgg_text_copy(name);
    source->tensor_count++;
    if (to->name == NULL || (named && to->stored_as == NULL))
        return vgg_fail_memory(error, "a tensor's name", sizeof name);
    return VGG_OK;
}

/* A layer takes a number of torchvision's features or classifier. */
static void count(vgg_sequence *sequence) {
    if (sequence->features > 0)
        sequence->classifier++;
    else
        sequence->feature++;
}

static vgg_status append_both(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                              const vgg_stored_tensor *bias, vgg_error *error) {
    vgg_status status = append(sequence, "weight", weight, error);
    return status == VGG_OK ? append(sequence, "bias", bias, error) : status;
}

vgg_status vgg_sequence_convolution(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                                    const vgg_stored_tensor *bias, vgg_edges edges,
                                    vgg_error *error) {
    sequence->channels = weight->shape[0];
    vgg_evidence_convolution(&sequence->source->graph.evidence, weight->shape[0], weight->shape[2],
                             edges == VGG_EDGES_VALID, edges != VGG_EDGES_UNKNOWN);
    vgg_status status = append_both(sequence, weight, bias, error);
    count(sequence);
    return status;
}

vgg_status vgg_sequence_batch_norm(vgg_sequence *sequence, const vgg_stored_tensor figures[4],
                                   vgg_error *error) {
    static const char *const fields[] = {"weight", "bias", "running_mean", "running_var"};
    vgg_evidence_layer(&sequence->source->graph.evidence,
                       (vgg_structure_layer){.type = VGG_LAYER_BATCH_NORM});
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < 4; i++) {
        status = append(sequence, fields[i], &figures[i], error);
    }
    count(sequence);
    return status;
}

vgg_status vgg_sequence_linear(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                               const vgg_stored_tensor *bias, vgg_error *error) {
    sequence->features = weight->shape[0];
    vgg_evidence_layer(
        &sequence->source->graph.evidence,
        (vgg_structure_layer){.type = VGG_LAYER_LINEAR, .outputs = weight->shape[0]});
    vgg_status status = append_both(sequence, weight, bias, error);
    count(sequence);
    return status;
}

void vgg_sequence_layer(vgg_sequence *sequence, vgg_layer_type type) {
    vgg_evidence_layer(&sequence->source->graph.evidence, (vgg_structure_layer){.type = type});
    count(sequence);
}

void vgg_sequence_dropout(vgg_sequence *sequence, double probability) {
    vgg_evidence_layer(&sequence->source->graph.evidence,
                       (vgg_structure_layer){.type = VGG_LAYER_DROPOUT, .dropout = probability});
    count(sequence);
}

void vgg_sequence_flatten(vgg_sequence *sequence) {
    vgg_evidence_flatten(&sequence->source->graph.evidence);
}

vgg_status vgg_sequence_end(const vgg_sequence *sequence, vgg_error *error) {
    vgg_evidence *evidence = &sequence->source->graph.evidence;
    evidence->whole = true;
    for (size_t i = 0; i < evidence->count; i++) {
        evidence->whole = evidence->whole && !evidence->clues[i].gap;
    }
    if (!evidence->failed)
        return VGG_OK;
    return vgg_fail_memory(error, "the list of layers", evidence->count * sizeof(vgg_clue));
}
