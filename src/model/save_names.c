#include "model/save_names.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/bytes.h"
#include "model/modules.h"
#include "nn/network.h"

typedef struct naming {
    const vgg_network *network;
    vgg_tensor_source *theirs, *to;
    vgg_modules modules;
    size_t stored; /* tensors of their file: behind them are those that it leaves out */
} naming;

static vgg_status fail_layer(const naming *n, const vgg_layer *layer, const char *what,
                             vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "%s: its layers are not those of the model: for \"%s\" it has %s",
                    n->theirs->path, layer->name, what);
}

/* The values of a tensor in its own type; for the last layer of a model that was made of one with
 * one output, the difference of its two rows, which is that output. */
static vgg_status take_values(naming *n, const vgg_tensor *tensor, size_t number,
                              vgg_stored_tensor *stored, vgg_error *error) {
    vgg_numbers numbers = vgg_tensor_numbers(tensor);
    if (numbers.at == NULL || numbers.scales != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" %s, expected floating-point values to be written under "
                        "other names",
                        tensor->info.name, numbers.at == NULL ? "has no values" : "is of int8");
    if (stored->count == tensor->info.count) {
        stored->type = vgg_element_type_named(vgg_element_name(numbers.element));
        stored->bytes = numbers.at;
        return VGG_OK;
    }
    bool last = number + 2 >= n->network->tensor_count;
    if (!last || 2 * stored->count != tensor->info.count || stored->shape[0] != 1)
        return VGG_ERROR_SHAPE;
    void *memory;
    vgg_status status = vgg_tensor_source_memory(n->theirs, 3 * stored->count * sizeof(float),
                                                 "the row of one output", &memory, error);
    if (status != VGG_OK)
        return status;
    float *rows = memory, *difference = rows + 2 * stored->count;
    vgg_tensor_widen(tensor, rows);
    for (size_t i = 0; i < stored->count; i++) {
        difference[i] = rows[stored->count + i] - rows[i];
    }
    stored->type = vgg_element_type_named("F32");
    stored->bytes = (const unsigned char *)difference;
    return VGG_OK;
}

static bool is_zero(const vgg_tensor *tensor, float value) {
    vgg_numbers numbers = vgg_tensor_numbers(tensor);
    const float *values = numbers.element == VGG_ELEMENT_FLOAT32 ? numbers.at : NULL;
    for (size_t i = 0; values != NULL && i < tensor->info.count; i++) {
        if (values[i] < value || values[i] > value)
            return false;
    }
    return values != NULL;
}

/* A tensor that their layer has not must do nothing in ours. */
static vgg_status check_left_out(const naming *n, const vgg_layer *layer, size_t role,
                                 vgg_error *error) {
    const vgg_tensor *tensor = &n->network->tensors[layer->first_tensor + role];
    float nothing = role == VGG_TENSOR_WEIGHT ? 1 : 0;
    if (is_zero(tensor, nothing))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "%s: has no tensor for \"%s\", whose values in the model are not all %g",
                    n->theirs->path, tensor->info.name, (double)nothing);
}

static vgg_status fill_layer(naming *n, const vgg_layer *layer, const vgg_module *module,
                             vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t role = 0; status == VGG_OK && role < layer->tensors; role++) {
        size_t tensor = module->tensors[role], number = layer->first_tensor + role;
        if (tensor == VGG_NO_TENSOR)
            return fail_layer(n, layer, "not all tensors", error);
        if (tensor >= n->stored) {
            status = check_left_out(n, layer, role, error);
            continue;
        }
        status =
            take_values(n, &n->network->tensors[number], number, &n->to->tensors[tensor], error);
        if (status == VGG_ERROR_SHAPE)
            return fail_layer(n, layer, "a tensor of another size", error);
    }
    return status;
}

static vgg_status fill(naming *n, vgg_error *error) {
    size_t ranks[VGG_LAYER_GLOBAL_MAX_POOL + 1] = {0}, used = 0;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < n->network->layer_count; i++) {
        const vgg_layer *layer = &n->network->layers[i];
        if (layer->tensors == 0)
            continue;
        const vgg_module *module = vgg_modules_nth(&n->modules, layer->type, ranks[layer->type]++);
        if (module == NULL)
            return fail_layer(n, layer, "nothing", error);
        used++;
        status = fill_layer(n, layer, module, error);
    }
    if (status == VGG_OK && used != n->modules.count)
        status = vgg_fail(error, VGG_ERROR_SHAPE, "%s: has %zu layers, expected %zu, as the model",
                          n->theirs->path, n->modules.count, used);
    return status;
}

static vgg_status copy_list(naming *n, vgg_error *error) {
    vgg_status status = vgg_tensor_source_reserve(n->to, n->stored, error);
    for (size_t i = 0; status == VGG_OK && i < n->stored; i++) {
        n->to->tensors[i] = n->theirs->tensors[i];
        n->to->tensors[i].stored_as = NULL;
        n->to->tensors[i].name = vgg_text_copy(n->theirs->tensors[i].name);
        if (n->to->tensors[i].name == NULL)
            status = vgg_fail_memory(error, "a tensor's name", VGG_TENSOR_NAME);
    }
    return status;
}

/* How many of their layers of four dimensions are convolutions. */
static size_t count_convolutions(const vgg_network *network) {
    size_t count = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        count += network->layers[i].type == VGG_LAYER_CONVOLUTION;
    }
    return count;
}

vgg_status vgg_save_names(const vgg_network *network, const char *path, vgg_tensor_source *theirs,
                          vgg_tensor_source *to, vgg_error *error) {
    naming n = {.network = network, .theirs = theirs, .to = to};
    vgg_bytes input = vgg_bytes_of_file(path);
    vgg_status status = vgg_tensor_source_open(&input, NULL, NULL, theirs, error);
    if (status == VGG_OK && theirs->graph.evidence.count > 0)
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "%s: is a %s file, expected one of PyTorch's or safetensors, whose names "
                          "a state dict has",
                          path, theirs->format->name);
    n.stored = theirs->tensor_count;
    if (status == VGG_OK)
        status = vgg_modules_read(theirs, count_convolutions(network), false, &n.modules, error);
    if (status == VGG_OK)
        status = copy_list(&n, error);
    if (status == VGG_OK)
        status = fill(&n, error);
    vgg_modules_free(&n.modules);
    return status;
}
