/* The summary of a network as torchsummary's text. */
#include "nn/summary.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

#define MB (1024.0 * 1024.0)

static void add_parameters(vgg_estimate *totals, const vgg_tensor *tensor) {
    vgg_numbers numbers = vgg_tensor_numbers(tensor);
    size_t bytes = tensor->info.count * vgg_element_bytes(numbers.element);
    if (numbers.scales != NULL)
        bytes += tensor->info.shape[0] * sizeof(float);
    totals->of_type[numbers.element] += tensor->info.count;
    totals->parameters_mb += (double)bytes / MB;
}

vgg_estimate vgg_network_estimate(const vgg_network *network, size_t batch) {
    double images = batch == 0 ? 1 : (double)batch;
    const vgg_network_options *options = &network->options;
    double outputs = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        vgg_extent out = network->layers[i].output;
        outputs += (double)(out.channels * out.height * out.width);
    }
    vgg_estimate totals = {.parameters = vgg_network_parameters(network),
                           .multiply_adds = vgg_network_multiply_adds(network)};
    totals.input_mb =
        (double)(options->channels * options->height * options->width) * images * 4 / MB;
    totals.forward_backward_mb = 2 * outputs * images * 4 / MB;
    for (size_t i = 0; i < network->tensor_count; i++) {
        if (network->tensors[i].info.learnable)
            add_parameters(&totals, &network->tensors[i]);
    }
    return totals;
}

double vgg_estimate_mb(const vgg_estimate *totals) {
    return totals->input_mb + totals->forward_backward_mb + totals->parameters_mb;
}

const char *vgg_layer_class(const vgg_layer_info *info) {
    bool rows = info->type == VGG_LAYER_BATCH_NORM && info->dimensions == 1;
    return rows ? "BatchNorm1d" : vgg_layer_type_name(info->type);
}

/* 138357544 -> "138,357,544" */
static const char *with_commas(size_t value, char buffer[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%zu", value);
    char *to = buffer;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return buffer;
}

static void add_row(vgg_text *text, const vgg_layer_info *info, size_t row, size_t batch) {
    char name[48], images[24] = "-1", shape[96], parameters[32];
    snprintf(name, sizeof name, "%s-%zu", vgg_layer_class(info), row);
    if (batch > 0)
        snprintf(images, sizeof images, "%zu", batch);
    if (info->dimensions == 1)
        snprintf(shape, sizeof shape, "[%s, %zu]", images, info->output[0]);
    else
        snprintf(shape, sizeof shape, "[%s, %zu, %zu, %zu]", images, info->output[0],
                 info->output[1], info->output[2]);
    vgg_text_add(text, "%20s  %25s %15s\n", name, shape, with_commas(info->parameters, parameters));
}

/* " (2,258 F32, 1,920 I8)" where not all are float32, which torchsummary takes for granted. */
static void add_types(vgg_text *text, const vgg_estimate *totals) {
    char number[32];
    const char *before = " (";
    if (totals->of_type[VGG_ELEMENT_FLOAT32] == totals->parameters)
        return;
    for (vgg_element element = 0; element < VGG_ELEMENT_OTHER; element++) {
        if (totals->of_type[element] == 0)
            continue;
        vgg_text_add(text, "%s%s %s", before, with_commas(totals->of_type[element], number),
                     vgg_element_name(element));
        before = ", ";
    }
    vgg_text_add(text, ")");
}

vgg_status vgg_network_summary(const vgg_network *network, size_t batch, char **out,
                               vgg_error *error) {
    static const char thin[] = "----------------------------------------------------------------\n";
    static const char thick[] =
        "================================================================\n";
    vgg_text text = {0};
    char number[32];
    vgg_text_add(&text, "%s%20s  %25s %15s\n%s", thin, "Layer (type)", "Output Shape", "Param #",
                 thick);
    for (size_t i = 0; i < network->layer_count; i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_network_layer(network, i, &info, NULL);
        add_row(&text, &info, i + 1, batch);
    }
    vgg_estimate totals = vgg_network_estimate(network, batch);
    with_commas(totals.parameters, number);
    vgg_text_add(&text, "%sTotal params: %s\nTrainable params: %s\nNon-trainable params: 0\n%s",
                 thick, number, number, thin);
    vgg_text_add(&text, "Input size (MB): %0.2f\n", totals.input_mb);
    vgg_text_add(&text, "Forward/backward pass size (MB): %0.2f\n", totals.forward_backward_mb);
    vgg_text_add(&text, "Params size (MB): %0.2f", totals.parameters_mb);
    add_types(&text, &totals);
    vgg_text_add(&text, "\nEstimated Total Size (MB): %0.2f\n%s", vgg_estimate_mb(&totals), thin);
    char *result = vgg_text_take(&text);
    if (result == NULL)
        return vgg_fail_memory(error, "the summary", network->layer_count * 64);
    *out = result;
    return VGG_OK;
}
