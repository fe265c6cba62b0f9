/* The modules that the tensors of a state dict belong to, whatever they are called: which tensor is
 * a weight, a bias or a running statistic, what kind of layer they make, and in which order these
 * layers are a chain in which each takes what the one before gives. */
#ifndef VGG_MODEL_MODULES_H
#define VGG_MODEL_MODULES_H

#include "formats/evidence.h"
#include "formats/format.h"
#include "nn/network.h"

#define VGG_NO_TENSOR ((size_t)-1)
#define VGG_MODULE_TENSORS 4

typedef struct vgg_module {
    vgg_layer_type type;                /* a convolution, a batch normalisation or a linear layer */
    size_t tensors[VGG_MODULE_TENSORS]; /* numbers in the source, by VGG_TENSOR_WEIGHT and so on;
                                         * VGG_NO_TENSOR for one that it lacks */
    size_t outputs, inputs, kernel;     /* kernel: of a convolution, or of a linear layer that is
                                         * stored as one */
    const char *name;                   /* of the module: the beginning of a tensor's name */
    size_t name_length;
    size_t parent_length; /* of the name of what it is a part of: 8 for "features.3" */
    size_t index;         /* 3 for "features.3"; VGG_ANY_MODULES where the name ends in none */
    size_t first;         /* the lowest number of its tensors */
} vgg_module;

/* Start with {0}. */
typedef struct vgg_modules {
    vgg_module *items; /* in the order in which data flows */
    size_t count;
    bool *passed_over; /* for each tensor of the source: it stands beside the network, and is not
                        * needed */
    size_t convolutions, norms, linears;
    bool ordered_by_words; /* the file keeps no order, and layers of one shape follow each other as
                            * words do, not as numbers: another order would fit too */
} vgg_modules;

/* Sorts the tensors of the source. Biases that no layer of a kind has become zeros, and a batch
 * normalisation without weights gets ones and zeros: these are appended to the source's tensors. A
 * source without convolutions, or whose layers are no chain, is VGG_ERROR_UNSUPPORTED or
 * VGG_ERROR_SHAPE with the tensor that does not fit. convolutions: how many layers of four
 * dimensions are convolutions, where the caller says so, else VGG_ANY_MODULES. described: the file
 * says itself what it holds, so that layers need not be a chain. */
vgg_status vgg_modules_read(vgg_tensor_source *source, size_t convolutions, bool described,
                            vgg_modules *modules, vgg_error *error);

/* The same for a source whose reader has brought its tensors into the order of its evidence. */
vgg_status vgg_modules_of_evidence(const vgg_tensor_source *source, vgg_modules *modules,
                                   vgg_error *error);
void vgg_modules_free(vgg_modules *modules);

/* Adds a linear layer of one output that has no weights but zeros, for layers that end in none: a
 * network here ends in one. */
vgg_status vgg_modules_add_classifier(vgg_tensor_source *source, vgg_modules *modules,
                                      vgg_error *error);

/* The module of that type with that rank among those of its type; NULL beyond the last. */
const vgg_module *vgg_modules_nth(const vgg_modules *modules, vgg_layer_type type, size_t rank);

/* What the modules show of the network, and what the file lists beside their tensors. */
void vgg_modules_evidence(const vgg_modules *modules, const vgg_listed *listed,
                          vgg_evidence *evidence);

/* Whether the names are torchvision's or timm's: "features.3" and "classifier.0" or "head.fc". */
bool vgg_modules_named_as_torchvision(const vgg_modules *modules);

#endif
