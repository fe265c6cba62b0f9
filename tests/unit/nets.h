/* Small networks for the tests of src/nn and of what stands above it. */
#ifndef NETS_H
#define NETS_H

#include "vgg_test.h"

#include "vgg/calibrate.h"
#include "vgg/network.h"
#include "vgg/plan.h"

static inline vgg_network_options net_options(const char *arch, size_t classes, size_t channels,
                                              size_t side) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = arch;
    options.classes = classes;
    options.channels = channels;
    options.height = side;
    options.width = side;
    return options;
}

static inline vgg_network *make_net(const vgg_network_options *options) {
    vgg_network *network = NULL;
    vgg_error error;
    assert_ok(vgg_network_create(options, &network, &error), error);
    return network;
}

/* In the paper's layout and without batch normalisation. */
static inline vgg_network *small_net(const char *arch, size_t classes, size_t channels,
                                     size_t side) {
    vgg_network_options options = net_options(arch, classes, channels, side);
    return make_net(&options);
}

static inline vgg_tensor_info tensor_info(const vgg_network *network, size_t tensor) {
    vgg_tensor_info info = {.struct_size = sizeof info};
    vgg_error error;
    assert_ok(vgg_network_tensor(network, tensor, &info, &error), error);
    return info;
}

static inline vgg_layer_info layer_info(const vgg_network *network, size_t layer) {
    vgg_layer_info info = {.struct_size = sizeof info};
    vgg_error error;
    assert_ok(vgg_network_layer(network, layer, &info, &error), error);
    return info;
}

static inline void initialise(vgg_network *network, const char *scheme, uint64_t seed) {
    vgg_error error;
    assert_ok(vgg_network_initialise(network, scheme, seed, &error), error);
}

/* Whether a convolution is done in tiles: by Winograd's transforms, or with operands of bfloat16.
 */
static inline bool is_tiled(const char *algorithm) {
    return algorithm != NULL &&
           (strncmp(algorithm, "winograd", 8) == 0 || strncmp(algorithm, "direct-bf16", 11) == 0);
}

/* Whether a plan with gradients has a convolution in tiles, forward and in both gradients. */
static inline bool uses_tiles(const vgg_plan *plan) {
    bool found = false;
    for (size_t s = 0; s < vgg_plan_op_count(plan); s++) {
        vgg_op_info info = {.struct_size = sizeof info};
        vgg_error error;
        assert_ok(vgg_plan_op(plan, s, &info, &error), error);
        found = found || (is_tiled(info.algorithm) && is_tiled(info.backward_data) &&
                          is_tiled(info.backward_weights));
    }
    return found;
}

/* Calibrates a small network on one picture; its result may be NULL. */
static inline vgg_status calibrate_small(const void *given, void *result, vgg_error *error) {
    static const float inputs[3 * 8 * 8] = {1, 2, 3};
    vgg_network_options options = net_options("16,16/8", 3, 3, 8);
    vgg_network *network = make_net(&options);
    initialise(network, "kaiming", 1);
    vgg_status status = vgg_network_calibrate(network, inputs, 1, given, result, error);
    vgg_network_free(network);
    return status;
}

static inline vgg_status use_calibration(const void *options, vgg_error *error) {
    return calibrate_small(options, NULL, error);
}

#endif
