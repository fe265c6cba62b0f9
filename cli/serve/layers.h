/* What layers give for pictures. */
#ifndef VGG_SERVE_LAYERS_H
#define VGG_SERVE_LAYERS_H

#include "cli/serve/queues.h"

/* Computes what the layers of their jobs give for pictures that go together. */
void vgg_serve_layers_compute(const vgg_serve_computing *computing, vgg_serve_batch *together);

/* Bytes that this takes at most, whatever layers are asked for; `most` bytes of a picture's values
 * are answered. */
size_t vgg_serve_layers_memory(const vgg_serve_computing *computing,
                               const vgg_serve_version *version, size_t most);

#endif
