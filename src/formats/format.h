/* Weight formats behind one small interface. A format knows its files by their first bytes and
 * turns one into named tensors and metadata; what the tensors mean is read off their names and
 * shapes elsewhere (modules.h, candidates.h). A new format is a folder of
 * sources and one row in formats.c. */
#ifndef VGG_FORMATS_FORMAT_H
#define VGG_FORMATS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/elements.h"
#include "base/notes.h"
#include "base/sink.h"
#include "formats/evidence.h"
#include "formats/listed.h"
#include "formats/remarks.h"
#include "formats/storage.h"
#include "vgg/network.h"
#include "vgg/status.h"

#define VGG_SHAPE_TEXT 192 /* eight sizes of twenty digits and the crosses between them */

struct json_t;
typedef struct vgg_format vgg_format;

typedef struct vgg_stored_tensor {
    char *name;
    char *stored_as; /* its name in the file, where the reader gave it another; else NULL */
    const vgg_element_type *type;
    size_t dimensions, shape[VGG_STORED_DIMENSIONS];
    size_t count;               /* of values; 1 for a scalar */
    const unsigned char *bytes; /* row-major, little-endian, at any alignment; not owned */
} vgg_stored_tensor;

/* What a graph does with its input before the first convolution, for each channel c in the order of
 * the network's input: value * factor[c] + offset[c]. */
typedef struct vgg_graph_input {
    bool present;
    bool bgr; /* the graph turns red-green-blue round first */
    double factor[3], offset[3];
} vgg_graph_input;

/* What a file that holds its network's graph, or whose size shows it, says of the network. Start
 * with {0}. */
typedef struct vgg_graph_facts {
    vgg_evidence evidence; /* empty when the file has tensors only, in whichever order. Else those
                            * of its layers are in order: weight and bias of convolutions and linear
                            * layers; weight, bias, mean and variance of batch normalisations */
    vgg_origin origin;     /* of that: the graph, or, where the file has none, VGG_ORIGIN_SHAPES or
                            * VGG_ORIGIN_SIZE */
    size_t height, width;  /* of the input; 0 when the file does not say */
    bool size_assumed;     /* ... nor does it show it: the size that pools halve evenly */
    vgg_graph_input input;
} vgg_graph_facts;

/* What the caller says of the network, for formats whose files do not hold any shapes. {0}:
 * nothing. */
typedef struct vgg_hints {
    const char *arch; /* as vgg_network_options has it; NULL: not said */
    vgg_layout layout;
    size_t height, width; /* of the input; 0: not said */
    vgg_padding padding;
    vgg_answer batch_norm;
    const char *state_dict; /* the path of keys to it in a checkpoint, "model.encoder"; NULL */
} vgg_hints;

/* What every format comes down to. Start with {0}. */
typedef struct vgg_tensor_source {
    char *path; /* or what messages call bytes that are in no file */
    const vgg_format *format;
    const vgg_hints *told; /* NULL: nothing. Not owned */
    vgg_storage storage;
    vgg_stored_tensor *tensors;
    size_t tensor_count;
    vgg_notes metadata;
    const char *preset; /* the preprocessing that files of this kind expect by convention, such as
                         * "caffe"; NULL where there is no such convention */
    vgg_graph_facts graph;
    bool softmax; /* the file's own graph ends in a softmax, which a network here has not */
    bool sigmoid; /* it ends in a sigmoid per class */
    struct json_t *beside; /* an object of what the file holds beside its weights; NULL: nothing */
    vgg_listed listed;     /* modules that the file lists beside its tensors */
    vgg_remarks remarks;
    vgg_error refusal; /* why the file's graph is no network here, where its tensors could be read
                        * all the same, under the names that the file gives them; else VGG_OK */
} vgg_tensor_source;

/* What is written: tensors under torchvision's names, metadata, and the network that they belong
 * to, for formats that hold the graph too. */
typedef struct vgg_saving {
    const vgg_tensor_source *source;
    const vgg_network *network;
    bool softmax; /* ends the graph in a softmax */
    bool sigmoid; /* ... or in a sigmoid in place of that */
    vgg_sink *sink;
} vgg_saving;

struct vgg_format {
    const char *name;    /* as `--format` and messages say it: "safetensors" */
    const char *endings; /* of file names for writing, separated by blanks: ".pth .pt" */
    /* Whether the file's first bytes look like this format's; size is the whole file's. */
    bool (*sniff)(const unsigned char *bytes, size_t size);
    /* Fills in tensors and metadata; what it leaves there on failure the caller frees. Weights are
     * in PyTorch's layout: convolutions (out, in, height, width), linear layers (out, in) with
     * inputs in the order (channel, row, column). */
    vgg_status (*load)(vgg_tensor_source *source, vgg_error *error);
    /* Writes tensors and metadata to the sink; NULL when it is only read. */
    vgg_status (*save)(const vgg_saving *saving, vgg_error *error);
    bool int8;            /* weights of int8, with their scales, are written */
    bool graph;           /* what is written is run by other programs, as it stands */
    const char *left_out; /* the option of CMake that the library was built without: the format is
                           * neither read nor written; NULL: it is here */
};

extern const vgg_format vgg_format_safetensors;
extern const vgg_format vgg_format_pth;
extern const vgg_format vgg_format_onnx;
extern const vgg_format vgg_format_keras;
extern const vgg_format vgg_format_caffe;
extern const vgg_format vgg_format_darknet;
extern const vgg_format vgg_format_numpy;

/* The format with that name, or, for NULL, the one that the path's ending belongs to, else
 * safetensors; path may be NULL. Fails for one that does not exist or cannot be written. */
vgg_status vgg_format_to_write(const char *name, const char *path, const vgg_format **format,
                               vgg_error *error);

/* Opens the file, finds its format and loads it. `told` and the
 * meter are kept in the source, and may be NULL. A
 * file of another kind is named for what it is. The caller frees *source whatever the outcome. */
vgg_status vgg_tensor_source_open(const vgg_bytes *input, const vgg_hints *told, vgg_meter *meter,
                                  vgg_tensor_source *source, vgg_error *error);
void vgg_tensor_source_free(vgg_tensor_source *source);

/* vgg_storage_memory for the source's storage. */
vgg_status vgg_tensor_source_memory(vgg_tensor_source *source, size_t bytes, const char *what,
                                    void **memory, vgg_error *error);

/* A vector of float32 that all have one value, such as the bias of a layer that has none. */
vgg_status vgg_tensor_source_vector(vgg_tensor_source *source, size_t count, float value,
                                    const char *what, vgg_stored_tensor *vector, vgg_error *error);

/* Frees the list of tensors, not what their bytes lie in. */
void vgg_tensor_source_forget(vgg_tensor_source *source);

/* Makes room for `count` tensors, all {0}. */
vgg_status vgg_tensor_source_reserve(vgg_tensor_source *source, size_t count, vgg_error *error);

/* Writes "64x3x3x3", or "scalar" without dimensions; returns buffer. */
const char *vgg_shape_text(char buffer[VGG_SHAPE_TEXT], const size_t *shape, size_t dimensions);

#endif
