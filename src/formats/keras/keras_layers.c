/* From layers in order, with Keras's layout of values, to tensors under torchvision's names.
 *
 * Keras keeps pictures as (row, column, channel): kernels of convolutions are (row, column, input,
 * output), those of dense layers (input, output), and the inputs of the first dense layer come in
 * the order (row, column, channel). All of them are (positions, channels, outputs) and become
 * (outputs, channels, positions); for other dense layers there is one position. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/keras/keras.h"
#include "formats/norm_fold.h"
#include "formats/sequence.h"
#include "formats/transpose.h"

vgg_status vgg_keras_add_step(vgg_keras *k, vgg_keras_step step, const char *name,
                              vgg_error *error) {
    if (k->step_count == k->step_capacity) {
        size_t capacity = vgg_size_max(2 * k->step_capacity, 64);
        vgg_keras_step *steps = vgg_realloc(k->steps, capacity * sizeof *steps);
        if (steps == NULL)
            return vgg_fail_memory(error, "the list of layers", capacity * sizeof *steps);
        k->steps = steps;
        k->step_capacity = capacity;
    }
    step.name = vgg_text_copy(name);
    if (step.name == NULL)
        return vgg_fail_memory(error, "the name of a layer", strlen(name));
    k->steps[k->step_count++] = step;
    return VGG_OK;
}

/* ---- placing ---- */

/* What has been placed so far. */
typedef struct placing {
    vgg_keras *k;
    vgg_sequence sequence;
    size_t channels; /* of the last convolution; 0 before the first */
    size_t features; /* of the last dense layer; 0 before the first */
    bool flat;       /* a Flatten was passed, and not a pool of all of the picture */
} placing;

static vgg_status fail_layer(const placing *p, const vgg_keras_step *step, size_t inputs,
                             const char *expected, size_t number, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "%s: its layer \"%.80s\" has %zu inputs, expected %s%zu", p->k->source->path,
                    step->name, inputs, expected, number);
}

/* A tensor as it lies in the file. */
static vgg_stored_tensor stored(const vgg_keras_tensor *tensor) {
    const vgg_hdf5_array *array = &tensor->array;
    vgg_stored_tensor as_is = {.name = tensor->name,
                               .type = array->type,
                               .dimensions = array->dimensions,
                               .count = array->count,
                               .bytes = array->bytes};
    memcpy(as_is.shape, array->shape, sizeof as_is.shape);
    return as_is;
}

static vgg_status take_kernel(const placing *p, const vgg_keras_step *step, size_t positions,
                              size_t channels, size_t outputs, vgg_stored_tensor *tensor,
                              vgg_error *error) {
    const vgg_hdf5_array *array = &step->layer->tensors[VGG_KERAS_KERNEL]->array;
    const vgg_kernel_sizes sizes = {positions, channels, outputs, array->item};
    *tensor = stored(step->layer->tensors[VGG_KERAS_KERNEL]);
    return vgg_transpose(p->k->source, &sizes, array->bytes, &tensor->bytes, error);
}

/* The bias, or zeros for a layer without. */
static vgg_status take_bias(const placing *p, const vgg_keras_step *step, size_t outputs,
                            vgg_stored_tensor *tensor, vgg_error *error) {
    const vgg_keras_tensor *bias = step->layer->tensors[VGG_KERAS_BIAS];
    if (bias == NULL)
        return vgg_tensor_source_vector(p->k->source, outputs, 0, "a bias of zeros", tensor, error);
    *tensor = stored(bias);
    return VGG_OK;
}

static vgg_status place_convolution(placing *p, const vgg_keras_step *step, vgg_error *error) {
    const size_t *shape = step->layer->tensors[VGG_KERAS_KERNEL]->array.shape;
    vgg_stored_tensor weight, bias;
    if (shape[0] != shape[1] || (shape[0] != 3 && shape[0] != 1))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its layer \"%.80s\" has a kernel of %zux%zu, expected 3x3 or 1x1, and "
                        "its channels last",
                        p->k->source->path, step->name, shape[0], shape[1]);
    if (p->channels > 0 && shape[2] != p->channels)
        return fail_layer(p, step, shape[2], "", p->channels, error);
    if (p->features > 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its convolution \"%.80s\" follows a dense layer", p->k->source->path,
                        step->name);
    vgg_status status =
        take_kernel(p, step, shape[0] * shape[1], shape[2], shape[3], &weight, error);
    if (status == VGG_OK)
        status = take_bias(p, step, shape[3], &bias, error);
    if (status != VGG_OK)
        return status;
    memcpy(weight.shape, (size_t[]){shape[3], shape[2], shape[0], shape[1]}, 4 * sizeof *shape);
    p->channels = shape[3];
    return vgg_sequence_convolution(&p->sequence, &weight, &bias, step->edges, error);
}

/* A figure of batch normalisation, or ones or zeros for a layer without gamma or beta. */
static vgg_status take_figure(const placing *p, const vgg_keras_step *step, size_t number,
                              size_t count, vgg_stored_tensor *figure, vgg_error *error) {
    const vgg_keras_tensor *found = step->layer->tensors[VGG_KERAS_GAMMA + number];
    if (found == NULL)
        return vgg_tensor_source_vector(p->k->source, count, number == 0 ? 1 : 0,
                                        "figures of batch normalisation", figure, error);
    *figure = stored(found);
    if (figure->dimensions == 1 && figure->count == count)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE, "tensor \"%.160s\" of %s has %zu values, expected %zu",
                    figure->name, p->k->source->path, figure->count, count);
}

static vgg_status place_batch_norm(placing *p, const vgg_keras_step *step, vgg_error *error) {
    const vgg_norm_rule rule = {.scale = 1, .inside = step->number};
    vgg_stored_tensor figures[4];
    if (p->channels == 0 || (p->flat && p->features == 0))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its batch normalisation \"%.80s\" does not follow a convolution or a "
                        "dense layer",
                        p->k->source->path, step->name);
    size_t count = p->features > 0 ? p->features : p->channels;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < 4; i++) {
        status = take_figure(p, step, i, count, &figures[i], error);
    }
    if (status == VGG_OK)
        status = vgg_norm_fold(p->k->source, step->name, &rule, figures, error);
    return status == VGG_OK ? vgg_sequence_batch_norm(&p->sequence, figures, error) : status;
}

static vgg_status place_linear(placing *p, const vgg_keras_step *step, vgg_error *error) {
    const size_t *shape = step->layer->tensors[VGG_KERAS_KERNEL]->array.shape;
    size_t inputs = shape[0], outputs = shape[1], positions = 1;
    vgg_stored_tensor weight, bias;
    if (p->features > 0 && inputs != p->features)
        return fail_layer(p, step, inputs, "", p->features, error);
    if (p->features == 0) {
        if (p->channels == 0)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: its dense layer \"%.80s\" stands before any convolution",
                            p->k->source->path, step->name);
        if (inputs % p->channels != 0)
            return fail_layer(p, step, inputs, "a multiple of the last convolution's outputs, ",
                              p->channels, error);
        positions = inputs / p->channels;
    }
    vgg_status status =
        take_kernel(p, step, positions, inputs / positions, outputs, &weight, error);
    if (status == VGG_OK)
        status = take_bias(p, step, outputs, &bias, error);
    if (status != VGG_OK)
        return status;
    weight.shape[0] = outputs;
    weight.shape[1] = inputs;
    p->features = outputs;
    return vgg_sequence_linear(&p->sequence, &weight, &bias, error);
}

/* ---- the network ---- */

static void place_plain(placing *p, const vgg_keras_step *step) {
    if (step->type == VGG_LAYER_DROPOUT)
        vgg_sequence_dropout(&p->sequence, step->number);
    else
        vgg_sequence_layer(&p->sequence, step->type);
}

static vgg_status check_complete(const placing *p, vgg_error *error) {
    const vgg_keras *k = p->k;
    size_t convolutions = 0;
    for (size_t i = 0; i < k->layer_count; i++) {
        convolutions += k->layers[i].kind == VGG_KERAS_CONVOLUTION;
        if (!k->layers[i].used)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: has a layer \"%.80s\" that has no place in the order of its "
                            "layers",
                            k->source->path, k->layers[i].place);
    }
    if (convolutions > 0 && p->features == 0)
        return vgg_fail(
            error, VGG_ERROR_UNSUPPORTED,
            "%s: has no classifier: %zu convolutions but no dense layer, as it was saved "
            "with include_top=False",
            k->source->path, convolutions);
    if (convolutions == 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has no convolutions, which a VGG network begins with",
                        k->source->path);
    return VGG_OK;
}

static vgg_status place(placing *p, const vgg_keras_step *step, vgg_error *error) {
    switch (step->kind) {
    case VGG_KERAS_CONVOLUTION:
        return place_convolution(p, step, error);
    case VGG_KERAS_BATCH_NORM:
        return place_batch_norm(p, step, error);
    case VGG_KERAS_LINEAR:
        return place_linear(p, step, error);
    case VGG_KERAS_NORMALISATION:
        return vgg_keras_normalise(p->k, step->layer, error);
    case VGG_KERAS_FLATTEN:
        p->flat = true;
        vgg_sequence_flatten(&p->sequence);
        return VGG_OK;
    case VGG_KERAS_GAP:
        vgg_evidence_gap(&p->k->source->graph.evidence, step->modules, step->block_ends);
        return VGG_OK;
    default:
        place_plain(p, step);
        return VGG_OK;
    }
}

/* What is known of the order of layers besides them. */
static void take_facts(vgg_keras *k) {
    const vgg_keras_plain *plain = &k->plain;
    vgg_graph_facts *facts = &k->source->graph;
    facts->evidence.dropouts_known = facts->origin == VGG_ORIGIN_GRAPH;
    facts->evidence.relus_assumed = k->inner_relus;
    facts->height = k->height;
    facts->width = k->width;
    facts->evidence.blocks = k->has_blocks;
    facts->evidence.pools_counted = k->numbered && plain->max_pools + plain->average_pools > 0;
    facts->evidence.pools = plain->max_pools + plain->average_pools;
    facts->evidence.averages = k->numbered && plain->average_pools > 0 && plain->max_pools == 0;
}

vgg_status vgg_keras_place(vgg_keras *k, vgg_error *error) {
    placing p = {.k = k, .sequence = vgg_sequence_begin(k->source)};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < k->step_count; i++) {
        status = place(&p, &k->steps[i], error);
    }
    if (status == VGG_OK)
        status = check_complete(&p, error);
    take_facts(k);
    return status == VGG_OK ? vgg_sequence_end(&p.sequence, error) : status;
}

vgg_status vgg_keras_list(vgg_keras *k, vgg_error *error) {
    vgg_tensor_source *source = k->source;
    vgg_status status = vgg_tensor_source_reserve(source, k->tensor_count, error);
    source->tensor_count = 0;
    for (size_t i = 0; status == VGG_OK && i < k->tensor_count; i++) {
        if (k->tensors[i].array.type == NULL)
            continue;
        vgg_stored_tensor *tensor = &source->tensors[source->tensor_count];
        *tensor = stored(&k->tensors[i]);
        tensor->name = vgg_text_copy(k->tensors[i].name);
        if (tensor->name == NULL)
            return vgg_fail_memory(error, "a tensor's name", strlen(k->tensors[i].name));
        source->tensor_count++;
    }
    return status;
}
