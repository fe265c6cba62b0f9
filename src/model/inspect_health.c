/* Whether measured values can be those of a trained network. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/elements.h"
#include "model/inspect.h"
#include "nn/definition.h"
#include "nn/network.h"

/* Bounds of rms * sqrt(inputs per output), which Kaiming's initialisation makes 1.4 and training
 * leaves between a hundredth and ten, and of all other values. */
#define GAIN_MOST 1e3
#define GAIN_LEAST 1e-6
#define VALUE_MOST 1e8

static void check_finite(vgg_inspection *in, const vgg_inspected_tensor *t) {
    if (t->nans + t->infinities == 0)
        return;
    char nans[40] = "", infinities[40] = "";
    if (t->nans > 0)
        snprintf(nans, sizeof nans, "%zu NaN", t->nans);
    if (t->infinities > 0)
        snprintf(infinities, sizeof infinities, "%zu infinite", t->infinities);
    vgg_inspection_add(in, VGG_PROBLEM_NOT_FINITE, t->stored_name, t->nans + t->infinities,
                       "\"%.80s\" has %s%s%s of %zu values, the first at index %zu", t->stored_name,
                       nans, t->nans > 0 && t->infinities > 0 ? " and " : "", infinities, t->count,
                       t->first_not_finite);
}

static bool is_field(const vgg_inspection *in, size_t tensor, const char *field) {
    const char *dot = strrchr(in->loading.names.items[tensor].name, '.');
    return dot != NULL && strcmp(dot + 1, field) == 0;
}

static void check_scale(vgg_inspection *in, size_t tensor) {
    const vgg_inspected_tensor *t = &in->tensors[tensor];
    double size = fmax(fabs(t->least), fabs(t->most)); /* NaN when no value is finite */
    double gain = t->dimensions >= 2 ? t->rms * sqrt((double)t->count / (double)t->shape[0]) : 0;
    if (gain > GAIN_MOST || (gain > 0 && gain < GAIN_LEAST))
        vgg_inspection_add(in, VGG_PROBLEM_SCALE, t->stored_name, 0,
                           "\"%.80s\" has weights of root mean square %.3g, which makes what flows "
                           "through the layer %.1g times as large",
                           t->stored_name, t->rms, gain);
    else if (size > VALUE_MOST)
        vgg_inspection_add(in, VGG_PROBLEM_SCALE, t->stored_name, 0,
                           "\"%.80s\" has values from %.3g to %.3g", t->stored_name, t->least,
                           t->most);
    bool variance = is_field(in, tensor, "running_var");
    if (t->least < 0 && (variance || is_field(in, tensor, "weight_scale")))
        vgg_inspection_add(in, VGG_PROBLEM_SCALE, t->stored_name, 0,
                           "\"%.80s\" has negative %s, the least is %.3g", t->stored_name,
                           variance ? "variances" : "scales", t->least);
}

/* Weights of which none is left. */
static bool is_empty(const vgg_inspected_tensor *t) {
    return t->measured && t->dimensions >= 2 && t->count > 0 && t->zeros == t->count;
}

static void check_tensor(vgg_inspection *in, size_t tensor) {
    const vgg_inspected_tensor *t = &in->tensors[tensor];
    if (!t->measured || t->count == 0)
        return;
    check_finite(in, t);
    if (is_empty(t))
        vgg_inspection_add(in, VGG_PROBLEM_DEAD, t->stored_name, t->shape[0],
                           "\"%.80s\" is dead: all of its %zu weights are zero", t->stored_name,
                           t->count);
    else
        check_scale(in, tensor);
}

/* ---- layers ---- */

/* The stored tensor of a tensor of the network; NULL when the file has none that fits. */
static const vgg_stored_tensor *stored_of(const vgg_inspection *in, size_t tensor) {
    size_t match = in->matches[tensor];
    return match == VGG_NOT_STORED ? NULL : &in->loading.source.tensors[match];
}

static double value_of(const vgg_stored_tensor *stored, size_t index) {
    float value;
    vgg_elements_to_float(stored->type->element, stored->bytes + index * stored->type->bytes, 1,
                          &value);
    return (double)value;
}

/* A convolution or linear layer with the batch normalisation behind it. */
typedef struct outputs {
    const vgg_stored_tensor *weight, *bias, *norm[4];
    const bool *zero_rows;
    bool normalised, rectified; /* a ReLU follows */
} outputs;

/* False when the file lacks a tensor of them. */
static bool find_outputs(const vgg_inspection *in, size_t layer, size_t last, outputs *out) {
    const vgg_network *network = in->loading.network;
    const vgg_layer *own = &network->layers[layer];
    *out = (outputs){.weight = stored_of(in, own->first_tensor + VGG_TENSOR_WEIGHT),
                     .bias = stored_of(in, own->first_tensor + VGG_TENSOR_BIAS),
                     .rectified = layer != last};
    if (out->weight == NULL || out->bias == NULL)
        return false;
    out->zero_rows = in->zero_rows[in->matches[own->first_tensor + VGG_TENSOR_WEIGHT]];
    const vgg_layer *next = layer + 1 < network->layer_count ? own + 1 : NULL;
    out->normalised = next != NULL && next->type == VGG_LAYER_BATCH_NORM;
    for (size_t i = 0; out->normalised && i < 4; i++) {
        out->norm[i] = stored_of(in, next->first_tensor + i);
        if (out->norm[i] == NULL)
            return false;
    }
    return true;
}

/* Whether an output is the same for every input and, where a ReLU follows, 0 behind it. */
static bool is_dead(const outputs *out, size_t k) {
    bool constant = out->zero_rows[k];
    double value = value_of(out->bias, k);
    if (out->normalised) {
        double gamma = value_of(out->norm[VGG_TENSOR_WEIGHT], k);
        double variance = value_of(out->norm[VGG_TENSOR_VARIANCE], k);
        value = gamma * (value - value_of(out->norm[VGG_TENSOR_MEAN], k)) /
                    sqrt(variance + VGG_BATCH_NORM_EPSILON) +
                value_of(out->norm[VGG_TENSOR_BIAS], k);
        if (gamma == 0) {
            constant = true;
            value = value_of(out->norm[VGG_TENSOR_BIAS], k);
        }
    }
    return constant && (value <= 0 || !out->rectified);
}

static void check_outputs(vgg_inspection *in, size_t layer, size_t last) {
    outputs out;
    if (!find_outputs(in, layer, last, &out))
        return;
    const vgg_inspected_tensor *weight = &in->tensors[out.weight - in->loading.source.tensors];
    size_t dead = 0, first = 0;
    for (size_t k = weight->shape[0]; k-- > 0;) {
        if (is_dead(&out, k)) {
            dead++;
            first = k;
        }
    }
    if (dead > 0 && !is_empty(weight))
        vgg_inspection_add(
            in, VGG_PROBLEM_DEAD, weight->stored_name, dead,
            "\"%.80s\" has %zu of %zu outputs that are %s for every input, the first "
            "is %zu",
            weight->stored_name, dead, weight->shape[0], out.rectified ? "zero" : "the same",
            first);
}

static bool has_weights(const vgg_layer *layer) {
    return layer->type == VGG_LAYER_CONVOLUTION || layer->type == VGG_LAYER_LINEAR;
}

void vgg_inspect_health(vgg_inspection *in) {
    for (size_t i = 0; i < in->loading.source.tensor_count; i++) {
        check_tensor(in, i);
    }
    const vgg_network *network = in->loading.network;
    if (network == NULL)
        return;
    size_t last = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        if (has_weights(&network->layers[i]))
            last = i;
    }
    for (size_t i = 0; i < network->layer_count; i++) {
        if (has_weights(&network->layers[i]))
            check_outputs(in, i, last);
    }
}
