#include "cli/summary_trunk.h"

#include <stdio.h>
#include <string.h>

#include "vgg/inspect.h"

/* A layer with weights: tensors that follow each other under one name. */
typedef struct trunk_layer {
    const char *type;
    size_t outputs, parameters;
} trunk_layer;

/* The length of the name of what the tensor belongs to. */
static size_t owner_length(const char *name) {
    size_t length = strlen(name);
    while (length > 0 && name[length - 1] != '.' && name[length - 1] != '/') {
        length--;
    }
    return length;
}

static bool same_owner(const vgg_inspected_tensor *a, const vgg_inspected_tensor *b) {
    size_t length = owner_length(a->stored_name);
    return length == owner_length(b->stored_name) &&
           strncmp(a->stored_name, b->stored_name, length) == 0;
}

/* outputs_last: as Keras has them. */
static void add_tensor(trunk_layer *layer, const vgg_inspected_tensor *tensor, bool outputs_last) {
    const char *field = tensor->stored_name + owner_length(tensor->stored_name);
    bool counter = strcmp(field, "num_batches_tracked") == 0;
    bool running = strstr(field, "running_") != NULL || strstr(field, "moving_") != NULL;
    if (tensor->dimensions == 4) {
        layer->type = "Conv2d";
        layer->outputs = tensor->shape[outputs_last ? 3 : 0];
    } else if (running) {
        layer->type = "BatchNorm2d";
        layer->outputs = tensor->count;
    }
    if (!counter && !running)
        layer->parameters += tensor->count;
}

static void print_row(const trunk_layer *layer, size_t number) {
    char name[64], shape[64];
    snprintf(name, sizeof name, "%s-%zu", layer->type, number);
    snprintf(shape, sizeof shape, "[-1, %zu, -1, -1]", layer->outputs);
    printf("%20s  %24s %15zu\n", name, shape, layer->parameters);
}

static void print_table(const vgg_inspection *inspection) {
    static const char line[] = "----------------------------------------------------------------";
    bool outputs_last = strcmp(vgg_inspection_file(inspection)->format, "keras") == 0;
    size_t number = 0, total = 0;
    const vgg_inspected_tensor *tensor, *first = NULL;
    trunk_layer layer = {0};
    printf("%s\n%20s  %24s %15s\n", line, "Layer (type)", "Output Shape", "Param #");
    puts("================================================================");
    for (size_t i = 0;; i++) {
        tensor = vgg_inspection_tensor(inspection, i);
        if (first != NULL && (tensor == NULL || !same_owner(first, tensor))) {
            if (layer.type != NULL)
                print_row(&layer, ++number);
            total += layer.type != NULL ? layer.parameters : 0;
            layer = (trunk_layer){0};
            first = NULL;
        }
        if (tensor == NULL)
            break;
        first = first != NULL ? first : tensor;
        add_tensor(&layer, tensor, outputs_last);
    }
    puts("================================================================");
    printf("Total params: %zu\n%s\n", total, line);
}

bool vgg_cli_summary_trunk(const vgg_cli_network_source *source) {
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.state_dict = source->state_dict;
    vgg_inspection *inspection;
    if (vgg_inspect_file(source->path, &options, &inspection, NULL) != VGG_OK)
        return false;
    const char *reason = vgg_inspection_file(inspection)->network_reason;
    bool trunk = reason != NULL && strncmp(reason, "has no classifier", 17) == 0;
    if (trunk)
        print_table(inspection);
    vgg_inspection_free(inspection);
    return trunk;
}
