#include "cli/summary_trunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "vgg/inspect.h"

/* A layer with weights: tensors that follow each other under one name. */
typedef struct trunk_layer {
    const char *type;
    const char *name; /* of its first tensor, of which the layer's is the beginning */
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

typedef bool layer_callback(void *user, const trunk_layer *layer);

/* Calls back for each layer with weights, until that returns false. */
static bool each_layer(const vgg_inspection *inspection, layer_callback *tell, void *user) {
    bool outputs_last = strcmp(vgg_inspection_file(inspection)->format, "keras") == 0, fine = true;
    const vgg_inspected_tensor *tensor, *first = NULL;
    trunk_layer layer = {0};
    for (size_t i = 0; fine; i++) {
        tensor = vgg_inspection_tensor(inspection, i);
        if (first != NULL && (tensor == NULL || !same_owner(first, tensor))) {
            fine = layer.type == NULL || tell(user, &layer);
            layer = (trunk_layer){0};
            first = NULL;
        }
        if (tensor == NULL)
            break;
        if (first == NULL) {
            first = tensor;
            layer.name = tensor->stored_name;
        }
        add_tensor(&layer, tensor, outputs_last);
    }
    return fine;
}

/* ---- the table ---- */

/* What was printed so far. */
typedef struct trunk_table {
    size_t layers, parameters;
} trunk_table;

static bool print_row(void *user, const trunk_layer *layer) {
    trunk_table *table = user;
    char name[64], shape[64];
    snprintf(name, sizeof name, "%s-%zu", layer->type, ++table->layers);
    snprintf(shape, sizeof shape, "[-1, %zu, -1, -1]", layer->outputs);
    printf("%20s  %24s %15zu\n", name, shape, layer->parameters);
    table->parameters += layer->parameters;
    return true;
}

static bool print_table(const vgg_inspection *inspection) {
    static const char line[] = "----------------------------------------------------------------";
    trunk_table table = {0};
    printf("%s\n%20s  %24s %15s\n", line, "Layer (type)", "Output Shape", "Param #");
    puts("================================================================");
    each_layer(inspection, print_row, &table);
    puts("================================================================");
    printf("Total params: %zu\n%s\n", table.parameters, line);
    return true;
}

/* ---- JSON ---- */

typedef struct trunk_json {
    json_t *layers;
    size_t parameters;
} trunk_json;

static bool add_layer(void *user, const trunk_layer *layer) {
    trunk_json *json = user;
    size_t length = owner_length(layer->name);
    char *name = strndup(layer->name, length > 0 ? length - 1 : 0);
    json_t *text = name != NULL ? vgg_cli_json_text(name) : NULL;
    free(name);
    json->parameters += layer->parameters;
    json->layers = vgg_cli_json_appended(
        json->layers, json_pack("{s:o, s:s, s:[i,I,i,i], s:I}", "name", text, "type", layer->type,
                                "output_shape", -1, (json_int_t)layer->outputs, -1, -1,
                                "parameters", (json_int_t)layer->parameters));
    return json->layers != NULL;
}

static bool print_json(const vgg_inspection *inspection) {
    trunk_json json = {.layers = json_array()};
    if (!each_layer(inspection, add_layer, &json))
        return false;
    if (!vgg_cli_json_print(json_pack("{s:b, s:o, s:I}", "classifier", 0, "layers", json.layers,
                                      "parameters", (json_int_t)json.parameters),
                            true, 0))
        return false;
    putchar('\n');
    return true;
}

int vgg_cli_summary_trunk(const vgg_cli_network_source *source, bool json) {
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.state_dict = source->state_dict;
    vgg_inspection *inspection;
    vgg_error error;
    if (vgg_inspect_file(source->path, &options, &inspection, &error) != VGG_OK) {
        vgg_cli_complain("summary", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    bool done = json ? print_json(inspection) : print_table(inspection);
    vgg_inspection_free(inspection);
    if (!done)
        vgg_cli_complain("summary", "out of memory for the summary");
    return done ? VGG_CLI_OK : VGG_CLI_FAILURE;
}
