/* The model as this folder sees it. */
#ifndef VGG_MODEL_MODEL_H
#define VGG_MODEL_MODEL_H

#include "formats/format.h"
#include "model/labels.h"
#include "vgg/model.h"

struct vgg_model {
    vgg_network *network;
    vgg_preprocess preprocess;
    vgg_origin preprocess_origin; /* unknown: there is none */
    vgg_labels labels;            /* empty, or as many as there are classes */
    vgg_notes notes;
    vgg_remarks remarks;
    const vgg_format *format; /* that it was loaded from; NULL */
    char *assumed;            /* of that file's network; NULL */
    bool softmax;             /* ends the graph of that file */
    vgg_output output;        /* not unsaid */
    double temperature;
    vgg_storage storage; /* what values of the network lie in */
};

#endif
