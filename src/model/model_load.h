/* A model file on its way to a model or to an inspection, step by step. */
#ifndef VGG_MODEL_MODEL_LOAD_H
#define VGG_MODEL_MODEL_LOAD_H

#include "formats/format.h"
#include "model/beside.h"
#include "model/candidates.h"
#include "model/description.h"
#include "model/names.h"
#include "vgg/model.h"

/* One thing that is known of the network, and how. */
typedef struct vgg_fact {
    const char *what; /* "input" */
    char *value;      /* "3x224x224" */
    vgg_origin origin;
} vgg_fact;

#define VGG_MOST_FACTS 16

typedef struct vgg_loading {
    vgg_bytes input;
    const char *path; /* the input's name, for messages */
    vgg_model_options options;
    vgg_hints hints; /* of the options, for the readers */
    vgg_meter meter;
    vgg_tensor_source source;
    vgg_description description;
    vgg_beside beside; /* looked for where there is no description */
    vgg_named_tensors names;
    vgg_modules modules;
    vgg_evidence own_evidence; /* of the modules, where the source has none */
    vgg_chosen chosen;         /* empty where the file describes its network */
    bool headless;             /* there is no classifier; the network's is one of zeros */
    bool one_output;           /* whose sigmoid is the probability of a class; there are two now */
    vgg_network_options network_options; /* of the network */
    vgg_origin origin;                   /* of the architecture */
    vgg_fact facts[VGG_MOST_FACTS];
    size_t fact_count;
    vgg_preprocess preprocess;
    vgg_origin preprocess_origin; /* unknown: there is none */
    bool scale_assumed; /* the graph does the rest of the preprocessing, and not what comes first */
    vgg_labels labels;
    vgg_origin labels_origin;
    vgg_output output;
    vgg_network *network; /* until the model owns it */
} vgg_loading;

/* Takes what the caller says; options may be NULL. What the input refers to must outlive the
 * loading. The caller frees it whatever the outcome of this and all others, which are called in
 * this order. */
vgg_status vgg_loading_begin(vgg_loading *loading, const vgg_bytes *input,
                             const vgg_model_options *options, vgg_error *error);
void vgg_loading_free(vgg_loading *loading);

/* The file's tensors under torchvision's names. */
vgg_status vgg_loading_open(vgg_loading *loading, vgg_error *error);

/* What the file says of itself. */
vgg_status vgg_loading_description(vgg_loading *loading, vgg_error *error);

/* The network that it holds, whose tensors have no values yet. */
vgg_status vgg_loading_network(vgg_loading *loading, vgg_error *error);

/* What is known of it, and how (facts.c). */
vgg_status vgg_loading_facts(vgg_loading *loading, vgg_error *error);

/* The line about what was assumed; *line is NULL when nothing was. The caller frees it. */
vgg_status vgg_loading_assumed(const vgg_loading *loading, char **line, vgg_error *error);

/* Both need the network. */
vgg_status vgg_loading_preprocess(vgg_loading *loading, vgg_error *error);
vgg_status vgg_loading_labels(vgg_loading *loading, vgg_error *error);

/* Remarks in the source what was taken from beside the weights. */
vgg_status vgg_loading_remarks(vgg_loading *loading, vgg_error *error);

#endif
