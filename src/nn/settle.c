/* Values that a device has trained come back to the network. */
#include "nn/device.h"

vgg_status vgg_network_settle(const vgg_network *network, vgg_error *error) {
    vgg_plan *plan = network->kept;
    return network->ahead ? plan->device->fetch(plan, network, error) : VGG_OK;
}
