/* Some layers of a network as a network of its own. */
#include "base/error.h"
#include "nn/network.h"
#include "nn/structure.h"

bool vgg_network_copy_layers(const vgg_network *from, size_t first, size_t last,
                             vgg_structure *structure) {
    for (size_t i = first; i <= last; i++) {
        const vgg_layer *layer = &from->layers[i];
        const vgg_structure_layer copy = {.type = layer->type,
                                          .flat = layer->flattens,
                                          .outputs = layer->output.channels,
                                          .kernel = layer->kernel,
                                          .valid = layer->valid,
                                          .dropout = layer->dropout};
        if (!vgg_structure_add(structure, copy))
            return false;
    }
    return true;
}

/* The layers, and what stands for a classifier. False when memory ran out. */
static bool build(const vgg_network *from, size_t first, size_t last, vgg_structure *structure) {
    static const vgg_structure_layer pool = {.type = VGG_LAYER_GLOBAL_AVERAGE_POOL};
    static const vgg_structure_layer classifier = {
        .type = VGG_LAYER_LINEAR, .flat = true, .outputs = 1};
    return vgg_network_copy_layers(from, first, last, structure) &&
           vgg_structure_add(structure, pool) && vgg_structure_add(structure, classifier);
}

/* The values of all layers; those of the classifier are 0. */
static vgg_status fill(const vgg_network *from, size_t first, vgg_network *part, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t t = 0; status == VGG_OK && t < part->tensor_count; t++) {
        if (t + 2 < part->tensor_count)
            status = vgg_network_take_values(part, t, from, first + t, error);
        else if (vgg_network_own(part, t) == NULL)
            status =
                vgg_fail_memory(error, "a tensor", part->tensors[t].info.count * sizeof(float));
    }
    return status;
}

vgg_status vgg_network_create_part(const vgg_network *from, size_t first, size_t last,
                                   size_t height, size_t width, vgg_network **out,
                                   vgg_error *error) {
    vgg_structure structure = {0};
    vgg_network *part = NULL;
    const vgg_layer *begin = &from->layers[first];
    vgg_status status = VGG_OK;
    if (!build(from, first, last, &structure))
        status = vgg_fail_memory(error, "a network", structure.count * sizeof *structure.layers);
    if (status == VGG_OK)
        status = vgg_network_create_inner(&structure, begin->input.channels, height, width, &part,
                                          error);
    vgg_structure_free(&structure);
    if (status == VGG_OK)
        status = fill(from, begin->first_tensor, part, error);
    if (status != VGG_OK) {
        vgg_network_free(part);
        return status;
    }
    part->headless = true;
    *out = part;
    return VGG_OK;
}
