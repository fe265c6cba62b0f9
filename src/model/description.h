/* What a model file says of itself in its metadata. */
#ifndef VGG_MODEL_DESCRIPTION_H
#define VGG_MODEL_DESCRIPTION_H

#include <stdbool.h>
#include <string.h>

#include "base/notes.h"
#include "model/labels.h"
#include "vgg/image.h"
#include "vgg/model.h"
#include "vgg/network.h"

/* The newest version of model files that is read. A file is written in the lowest version that
 * suffices for it: what a reader must know to read it right asks for the version that brought it,
 * and what a reader may pass over asks for none. 2: a fit other than crop in the preprocessing,
 * a temperature, scales of convolutions for int8.
 * Everything else is of version 1. */
#define VGG_MODEL_FORMAT_NEWEST 2

/* The key that a file with weights of int8 has, and what it says: there is a scale for each output
 * of a linear layer. */
#define VGG_MODEL_INT8 "vgg.int8"
#define VGG_MODEL_INT8_SCALES "per-output"

/* The key of a file with convolutions for int8, and what it says: their scales are tensors. */
#define VGG_MODEL_INT8_CONVOLUTIONS "vgg.int8_convolutions"
#define VGG_MODEL_INT8_POINTS "per-point"

/* Start with {0}. */
typedef struct vgg_description {
    bool present;     /* false: the file is from elsewhere, and the rest is unknown */
    const char *arch; /* belongs to the metadata */
    vgg_layout layout;
    bool batch_norm;
    vgg_padding padding;
    vgg_output output;
    double dropout;
    double temperature; /* 1 unless it says otherwise */
    size_t channels, height, width;
    bool int8_convolutions; /* there are scales of convolutions */
    bool int8;              /* weights of int8 are such as are written here */
    bool has_preprocess;
    vgg_preprocess preprocess;
    vgg_labels labels; /* empty when the file names no classes */
} vgg_description;

/* metadata must outlive the description. The caller frees *description whatever the outcome. */
vgg_status vgg_description_read(const vgg_notes *metadata, const char *path,
                                vgg_description *description, vgg_error *error);
void vgg_description_free(vgg_description *description);

/* True for the keys that a model file uses itself: "format" and those that begin with "vgg.". */
static inline bool vgg_description_reserves(const char *key) {
    return strcmp(key, "format") == 0 || strncmp(key, "vgg.", 4) == 0;
}

/* Whether a key of metadata is one of those that a description has, or none of libvgg's. */
bool vgg_description_knows(const char *key);

/* Adds the keys that vgg_description_read reads; preprocess may be NULL, labels empty. False when
 * memory ran out. */
bool vgg_description_write(const vgg_network_options *network, vgg_output output,
                           double temperature, const vgg_preprocess *preprocess,
                           const vgg_labels *labels, vgg_notes *metadata);

#endif
