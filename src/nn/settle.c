/* Values that a device has trained come back to the network. */
#include "base/error.h"
#include "nn/device.h"

vgg_status vgg_network_settle(const vgg_network *network, vgg_error *error) {
    vgg_plan *plan = network->kept;
    if (network->lost)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "the values that were trained are lost: they could not be fetched from the "
                        "device when the plan was freed");
    return network->ahead ? plan->device->fetch(plan, network, error) : VGG_OK;
}

vgg_status vgg_plan_settle(const vgg_plan *plan, vgg_error *error) {
    return plan->training != NULL ? vgg_network_settle(plan->training, error) : VGG_OK;
}
