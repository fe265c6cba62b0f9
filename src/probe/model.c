/* A probe as a model: a network that ends in it. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/network.h"
#include "nn/structure.h"
#include "vgg/probe.h"

/* The layers up to number `last`, what pools their maps, and the classifier. False when memory ran
 * out. */
static bool build(const vgg_network *from, size_t last, vgg_feature_pool pool, size_t classes,
                  vgg_structure *structure) {
    if (!vgg_network_copy_layers(from, 0, last, structure))
        return false;
    const vgg_layer *end = &from->layers[last];
    bool pooled = end->flattens || end->type == VGG_LAYER_GLOBAL_AVERAGE_POOL ||
                  end->type == VGG_LAYER_GLOBAL_MAX_POOL || pool == VGG_FEATURE_POOL_NONE;
    vgg_layer_type global =
        pool == VGG_FEATURE_POOL_MAX ? VGG_LAYER_GLOBAL_MAX_POOL : VGG_LAYER_GLOBAL_AVERAGE_POOL;
    if (!pooled && !vgg_structure_add(structure, (vgg_structure_layer){.type = global}))
        return false;
    return vgg_structure_add(
        structure,
        (vgg_structure_layer){.type = VGG_LAYER_LINEAR, .flat = true, .outputs = classes});
}

/* The values of the layers that both have, and the classifier's. */
static vgg_status fill(const vgg_network *from, vgg_network *to, const float *weights,
                       const float *biases, vgg_error *error) {
    size_t classifier = to->tensor_count - 2;
    vgg_status status = VGG_OK;
    for (size_t t = 0; status == VGG_OK && t < classifier; t++) {
        status = vgg_network_take_values(to, t, from, t, error);
    }
    if (status == VGG_OK)
        status = vgg_network_set_values(to, classifier, weights, to->tensors[classifier].info.count,
                                        error);
    return status == VGG_OK ? vgg_network_set_values(to, classifier + 1, biases,
                                                     to->tensors[classifier + 1].info.count, error)
                            : status;
}

/* Behind a pool to 7x7 stands no other. */
static vgg_status fail_pool(const vgg_network *from, size_t layer, vgg_error *error) {
    vgg_layer_info own = {.struct_size = sizeof own}, before = own;
    vgg_network_layer(from, layer, &own, NULL);
    if (layer == 0 || vgg_network_layer(from, layer - 1, &before, NULL) != VGG_OK)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "no network has a pool behind %s; expected the pool none", own.name);
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "no network has a pool behind %s; expected the pool none, or the layer %s",
                    own.name, before.paper_name[0] != '\0' ? before.paper_name : before.name);
}

/* The structure of the model. The caller frees it whatever the outcome. */
static vgg_status make_structure(const vgg_network *from, size_t layer, vgg_feature_pool pool,
                                 size_t classes, vgg_structure *structure, vgg_error *error) {
    if (layer >= from->layer_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "layer %zu of a network of %zu", layer,
                        from->layer_count);
    if ((size_t)pool > VGG_FEATURE_POOL_GEM)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "there is no pool %d", (int)pool);
    if (pool == VGG_FEATURE_POOL_GEM && !from->layers[layer].flattens)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "no network has the pool gem; a probe as a model is of avg, max or none");
    if (pool != VGG_FEATURE_POOL_NONE && from->layers[layer].type == VGG_LAYER_AVERAGE_POOL)
        return fail_pool(from, layer, error);
    if (!build(from, layer, pool, classes, structure))
        return vgg_fail_memory(error, "a network", structure->count * sizeof *structure->layers);
    return vgg_structure_check(structure, error);
}

vgg_status vgg_probe_model_check(const vgg_model *model, size_t layer, vgg_feature_pool pool,
                                 size_t class_count, vgg_error *error) {
    vgg_structure structure = {0};
    vgg_status status =
        make_structure(vgg_model_network(model), layer, pool, class_count, &structure, error);
    vgg_structure_free(&structure);
    return status;
}

vgg_status vgg_probe_model(const vgg_model *model, size_t layer, vgg_feature_pool pool,
                           const float *weights, const float *biases,
                           const char *const *class_names, size_t class_count, vgg_model **probe,
                           vgg_error *error) {
    const vgg_network *from = vgg_model_network(model);
    const vgg_network_options *options = &from->options;
    vgg_structure structure = {0};
    vgg_network *network = NULL;
    vgg_status status = make_structure(from, layer, pool, class_count, &structure, error);
    if (status == VGG_OK)
        status = vgg_network_create_from(&structure, options->channels, options->height,
                                         options->width, &network, error);
    vgg_structure_free(&structure);
    if (status == VGG_OK)
        status = fill(from, network, weights, biases, error);
    if (status == VGG_OK)
        status = vgg_model_create(network, vgg_model_preprocess(model), class_names, probe, error);
    if (status != VGG_OK)
        vgg_network_free(network);
    return status;
}
