/* The summary of a network as JSON. */
#include <jansson.h>

#include "base/error.h"
#include "base/json_text.h"
#include "nn/summary.h"

static json_t *layer_json(const vgg_layer_info *info, size_t batch) {
    json_t *shape = json_array();
    shape = vgg_json_appended(shape, json_integer(batch == 0 ? -1 : (json_int_t)batch));
    for (size_t i = 0; i < info->dimensions; i++) {
        shape = vgg_json_appended(shape, json_integer((json_int_t)info->output[i]));
    }
    return json_pack("{s:s, s:s, s:o, s:I, s:I}", "name", info->name, "type", vgg_layer_class(info),
                     "output_shape", shape, "parameters", (json_int_t)info->parameters,
                     "multiply_adds", (json_int_t)info->multiply_adds);
}

static json_t *types_json(const vgg_estimate *totals) {
    json_t *types = json_object();
    for (vgg_element element = 0; element < VGG_ELEMENT_OTHER; element++) {
        if (totals->of_type[element] > 0)
            types = vgg_json_with(types, vgg_element_name(element),
                                  json_integer((json_int_t)totals->of_type[element]));
    }
    return types;
}

vgg_status vgg_network_summary_json(const vgg_network *network, size_t batch, char **out,
                                    vgg_error *error) {
    const vgg_network_options *options = &network->options;
    vgg_estimate totals = vgg_network_estimate(network, batch);
    json_t *layers = json_array();
    for (size_t i = 0; i < network->layer_count; i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_network_layer(network, i, &info, NULL);
        layers = vgg_json_appended(layers, layer_json(&info, batch));
    }
    json_t *root = json_pack(
        "{s:s, s:s, s:b, s:s, s:[I,I,I], s:I, s:I, s:o, s:I, s:I, s:I, s:o, s:f, s:f, s:f, s:f}",
        "arch", options->arch, "layout", vgg_layout_name(options->layout), "batch_norm",
        (int)options->batch_norm, "padding", vgg_padding_name(options->padding), "input",
        (json_int_t)options->channels, (json_int_t)options->height, (json_int_t)options->width,
        "classes", (json_int_t)options->classes, "batch",
        batch == 0 ? (json_int_t)-1 : (json_int_t)batch, "layers", layers, "parameters",
        (json_int_t)totals.parameters, "trainable_parameters", (json_int_t)totals.parameters,
        "multiply_adds", (json_int_t)totals.multiply_adds, "parameters_by_type",
        types_json(&totals), "input_mb", totals.input_mb, "forward_backward_mb",
        totals.forward_backward_mb, "parameters_mb", totals.parameters_mb, "total_mb",
        vgg_estimate_mb(&totals));
    char *result =
        root == NULL ? NULL : vgg_json_text(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(root);
    if (result == NULL)
        return vgg_fail_memory(error, "the summary", network->layer_count * 64);
    *out = result;
    return VGG_OK;
}
