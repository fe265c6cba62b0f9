/* Reading a network off the names and shapes of its tensors. */
#ifndef VGG_MODEL_RECOGNISE_H
#define VGG_MODEL_RECOGNISE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/names.h"
#include "vgg/network.h"

/* A convolution or linear layer as its weight shows it. */
typedef struct vgg_seen_layer {
    const vgg_stored_tensor *weight;
    size_t index; /* of the module: 3 for "classifier.3" */
    size_t outputs, inputs, kernel;
} vgg_seen_layer;

/* What can be read off without knowing the architecture. Start with {0}. */
typedef struct vgg_sighting {
    vgg_seen_layer *convolutions, *linears; /* in the order of their indices */
    size_t convolution_count, linear_count;
    bool batch_norm;
} vgg_sighting;

/* Fails when there is no convolution or no linear layer: the file is no VGG network. */
vgg_status vgg_sighting_read(const vgg_named_tensors *names, const char *path,
                             vgg_sighting *sighting, vgg_error *error);
void vgg_sighting_free(vgg_sighting *sighting);

/* The architecture that fits, as for `--arch`: a name of the table, or written. *arch is freed by
 * the caller. options holds all else that is known: layout, batch_norm, classes, channels, height,
 * width.
 *
 * In torchvision's Sequential a convolution and its ReLU (and batch normalisation) take two (three)
 * indices, and what stands before the next convolution takes one each: one more is a max-pool. Two
 * more are LRN and max-pool when that gives a row of the table, and an error otherwise. What stands
 * after the last convolution leaves no gap. It is a max-pool, as in every VGG, unless the first
 * linear layer has the wrong number of inputs with one and the right number without. */
vgg_status vgg_recognise_arch(const vgg_sighting *sighting, const char *path,
                              const vgg_network_options *options, char **arch, vgg_error *error);

#endif
