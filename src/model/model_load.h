/* A model file on its way to a model or to an inspection, step by step. */
#ifndef VGG_MODEL_MODEL_LOAD_H
#define VGG_MODEL_MODEL_LOAD_H

#include "formats/format.h"
#include "model/beside.h"
#include "model/description.h"
#include "model/recognise.h"
#include "vgg/model.h"

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
    vgg_sighting sighting;
    vgg_network_options network_options;
    vgg_origin origin; /* of the architecture */
    char *arch;        /* read off the shapes; NULL when it was told */
    vgg_preprocess preprocess;
    vgg_origin preprocess_origin; /* unknown: there is none */
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

/* Both need the network. */
vgg_status vgg_loading_preprocess(vgg_loading *loading, vgg_error *error);
vgg_status vgg_loading_labels(vgg_loading *loading, vgg_error *error);

/* Remarks in the source what was taken from beside the weights. */
vgg_status vgg_loading_remarks(vgg_loading *loading, vgg_error *error);

#endif
