/* How each tensor is trained: what the options say of kinds of tensors. */
#include "train/optimiser.h"

static size_t last_layer(const vgg_network *network) {
    size_t last = 0;
    for (size_t l = 0; l < network->layer_count; l++) {
        last = network->layers[l].tensors > 0 ? l : last;
    }
    return last;
}

/* Weights that are s times larger, with the gradient of logits that are s times larger, make the
 * step that s times the logits would make: the gradient lacks a factor of s, and so does the step,
 * unless the optimiser takes no notice of the gradient's size. The decay is part of the step. */
static void scale_head(const vgg_optimiser_row *row, double s, vgg_tensor_rule *rule) {
    double rate = row->normalises ? s : s * s;
    rule->rate *= rate;
    rule->decay /= rate;
}

static vgg_tensor_rule rule_of(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                               const vgg_network *network, size_t l, size_t which) {
    bool norm = network->layers[l].type == VGG_LAYER_BATCH_NORM, bias = which == VGG_TENSOR_BIAS;
    vgg_tensor_rule rule = {.rate = 1, .decay = 1};
    if (bias && (norm || !network->options.batch_norm)) {
        rule.rate *= options->bias_rate;
        rule.decay /= options->bias_rate;
    }
    if (l == last_layer(network)) {
        rule.rate *= options->head_rate;
        scale_head(row, options->logit_scale, &rule);
    }
    if (options->no_decay_norm && (norm || bias))
        rule.decay = 0;
    rule.fixed = options->fix_norm_scale && norm && which == VGG_TENSOR_WEIGHT;
    return rule;
}

void vgg_rules_fill(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                    const vgg_network *network, vgg_tensor_rule *rules) {
    for (size_t l = 0; l < network->layer_count; l++) {
        const vgg_layer *layer = &network->layers[l];
        for (size_t i = 0; i < layer->tensors; i++) {
            rules[layer->first_tensor + i] = rule_of(row, options, network, l, i);
        }
    }
}

bool vgg_rules_defer(const vgg_optimiser_row *row, const vgg_optimiser_options *options,
                     const vgg_network *network) {
    bool defer = row->update_deferred != NULL && options->clip == 0;
    for (size_t l = 0; l < network->layer_count && defer; l++) {
        if (network->layers[l].type != VGG_LAYER_LINEAR)
            continue;
        for (size_t i = 0; i < network->layers[l].tensors; i++) {
            vgg_tensor_rule rule = rule_of(row, options, network, l, i);
            defer = defer && rule.rate == 1 && rule.decay == 1;
        }
    }
    return defer;
}
