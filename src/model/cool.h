/* A temperature in the weights of the last layer, for files that do not keep it beside them. */
#ifndef VGG_MODEL_COOL_H
#define VGG_MODEL_COOL_H

#include "formats/format.h"
#include "nn/network.h"

/* The last layer's weights and biases, divided. Start with {0}. */
typedef struct vgg_cooled {
    void *values[2];
} vgg_cooled;

void vgg_cooled_free(vgg_cooled *cooled);

/* Puts divided copies in the place of the last layer's tensors among those that are saved, unless
 * the temperature is 1. They have the types of the tensors, to which they are rounded. */
vgg_status vgg_cool(const vgg_network *network, double temperature, vgg_tensor_source *source,
                    vgg_cooled *cooled, vgg_error *error);

#endif
