/* The order of modules. */
#ifndef VGG_MODEL_MODULE_ORDER_H
#define VGG_MODEL_MODULE_ORDER_H

#include "model/modules.h"

/* Brings the modules into the order in which data flows, and makes linear layers of those that are
 * stored as convolutions. Numbers in names say their own order; beyond that it is that of the file,
 * or of the names where files of the format do not keep an order. chained: the layers must be a
 * chain. */
vgg_status vgg_modules_sort(const vgg_tensor_source *source, size_t convolutions, bool chained,
                            vgg_modules *modules, vgg_error *error);

/* Marks the tensors that stand beside the network: outside of the prefix that the names of all its
 * modules have. */
void vgg_modules_pass_over(const vgg_tensor_source *source, vgg_modules *modules);

#endif
