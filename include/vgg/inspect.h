/* Looking into a weight file: what it holds, what is known of it, and everything that is wrong with
 * it. Unlike vgg_model_load, which stops at the first thing that is wrong, an inspection reads
 * every value and goes on, also for a file that holds no VGG network. */
#ifndef VGG_INSPECT_H
#define VGG_INSPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/image.h"
#include "vgg/model.h"
#include "vgg/network.h"
#include "vgg/status.h"
#include "vgg/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vgg_inspection vgg_inspection;

/* Reads the file once from beginning to end, without a copy of its values in memory. options, which
 * may be NULL, are those of vgg_model_load and say the same things. Fails for a file that cannot be
 * read as a weight file at all; whatever is wrong with one that can is in the list of problems.
 * The caller frees *inspection, which may be read from any number of threads. */
VGG_API vgg_status vgg_inspect_file(const char *path, const vgg_model_options *options,
                                    vgg_inspection **inspection, vgg_error *error);
/* The same of bytes in memory, which must outlive the inspection and stay as they are, and of what
 * is read through a function; see vgg_model_load_memory and vgg_model_load_from. */
VGG_API vgg_status vgg_inspect_memory(const void *bytes, size_t size, const char *name,
                                      const vgg_model_options *options, vgg_inspection **inspection,
                                      vgg_error *error);
VGG_API vgg_status vgg_inspect_from(const vgg_reader *reader, const vgg_model_options *options,
                                    vgg_inspection **inspection, vgg_error *error);
VGG_API void vgg_inspection_free(vgg_inspection *inspection);

/* All that follows belongs to the inspection. */

/* The file as a whole. */
typedef struct vgg_inspected_file {
    size_t struct_size;     /* set by the library */
    const char *format;     /* "safetensors", "pth", ... */
    size_t bytes;           /* of the file and those that it refers to */
    size_t tensors, values; /* values of all tensors together */
    const vgg_network_options
        *network;                     /* the VGG network that it holds; NULL: none was recognised */
    vgg_origin network_origin;        /* where its architecture comes from */
    const char *network_reason;       /* one line: why none was recognised; NULL: one was */
    const vgg_preprocess *preprocess; /* NULL: not known */
    vgg_origin preprocess_origin;
    const char *const *class_names; /* NULL: not known */
    size_t class_count;             /* of the names */
    vgg_origin class_names_origin;
    bool graph;   /* the file says how its tensors are used */
    bool softmax; /* ... and this ends in a softmax. A network here ends in logits, before it */
    size_t notes; /* keys of its metadata */
    bool graph_refused; /* the graph is none of a network here: whether it ends in a softmax is not
                         * known, and softmax false */
    vgg_output output;  /* of the model; unsaid without a network */
} vgg_inspected_file;

VGG_API const vgg_inspected_file *vgg_inspection_file(const vgg_inspection *inspection);

/* An entry of the file's metadata, in the order of the keys; false beyond the last. */
VGG_API bool vgg_inspection_note(const vgg_inspection *inspection, size_t note, const char **key,
                                 const char **value);

/* A line about what was taken from beside the weights, chosen or passed over, such as which of
 * several state dicts; NULL beyond the last. */
VGG_API const char *vgg_inspection_remark(const vgg_inspection *inspection, size_t remark);

/* One thing that is known of the network, and how: "architecture", "layout", "padding", "input" and
 * so on. What is VGG_ORIGIN_ASSUMED was taken although nothing shows it. */
typedef struct vgg_inspected_fact {
    size_t struct_size; /* set by the library */
    const char *fact, *value;
    vgg_origin origin;
} vgg_inspected_fact;

/* NULL beyond the last; there are none where no network was recognised. */
VGG_API const vgg_inspected_fact *vgg_inspection_fact(const vgg_inspection *inspection,
                                                      size_t fact);

/* The network that was recognised, without values, for its layers and how they are in int8
 * (vgg_network_int8); NULL when there is none. */
VGG_API const vgg_network *vgg_inspection_network(const vgg_inspection *inspection);

#define VGG_INSPECTED_DIMENSIONS 8

/* A tensor of the file, in its order. */
typedef struct vgg_inspected_tensor {
    size_t struct_size;      /* set by the library */
    const char *stored_name; /* in the file */
    const char *name;        /* torchvision's; NULL: not a tensor of a recognised network */
    const char *dtype;       /* "F32", "F16", "BF16", "F64", "I64", ... */
    size_t dimensions, shape[VGG_INSPECTED_DIMENSIONS]; /* of what a network would be given: weights
                                                         * of Keras are turned already */
    size_t count;                                       /* of values */
    bool measured;           /* false for integers and the like: what follows is 0 then */
    size_t nans, infinities; /* F64 beyond the range of float32 is infinite */
    size_t first_not_finite; /* index of the first of those in row-major order */
    size_t zeros;            /* values that are exactly 0 */
    double least, most;      /* of the finite values; NaN without any */
    double mean, rms;        /* the root of the mean square */
} vgg_inspected_tensor;

/* NULL beyond the last. */
VGG_API const vgg_inspected_tensor *vgg_inspection_tensor(const vgg_inspection *inspection,
                                                          size_t tensor);

/* What can be wrong. The values are pinned. */
typedef enum vgg_problem_kind {
    VGG_PROBLEM_NETWORK = 0,    /* no network was recognised, or its input cannot be prepared */
    VGG_PROBLEM_METADATA = 1,   /* what the file says of itself contradicts itself */
    VGG_PROBLEM_MISSING = 2,    /* the network has a tensor that the file lacks */
    VGG_PROBLEM_UNUSED = 3,     /* the file has a tensor that the network lacks */
    VGG_PROBLEM_SHAPE = 4,      /* a tensor has another shape than in the network */
    VGG_PROBLEM_TYPE = 5,       /* ... or a type that no weight has */
    VGG_PROBLEM_NOT_FINITE = 6, /* NaN or infinite values */
    VGG_PROBLEM_DEAD = 7,       /* outputs that do not depend on the input, whatever it is */
    VGG_PROBLEM_SCALE = 8,      /* values so large or small that no training gives them */
} vgg_problem_kind;

/* "network", "metadata", "missing", "unused", "shape", "type", "not-finite", "dead" or "scale". */
VGG_API const char *vgg_problem_name(vgg_problem_kind kind);

/* One thing that is wrong. Dead outputs are found exactly, not by a threshold: all weights of the
 * layer are 0, or those of an output are 0 and its bias and batch normalisation leave nothing that
 * its ReLU lets through. The scale of weights is absurd when rms * sqrt(inputs per output) is above
 * 1e3 or below 1e-6, and that of other tensors when a value is beyond +-1e8 or a variance is
 * negative. */
typedef struct vgg_problem {
    size_t struct_size; /* set by the library */
    vgg_problem_kind kind;
    const char *tensor;  /* stored name, or torchvision's for a missing one; NULL: of the file */
    size_t count;        /* of values, for VGG_PROBLEM_DEAD of outputs; else 0 */
    const char *message; /* one line */
} vgg_problem;

VGG_API size_t vgg_inspection_problem_count(const vgg_inspection *inspection);
/* NULL beyond the last. */
VGG_API const vgg_problem *vgg_inspection_problem(const vgg_inspection *inspection, size_t problem);

#ifdef __cplusplus
}
#endif
#endif
