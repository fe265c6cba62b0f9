/* The server, from its options until a signal ends it. */
#ifndef VGG_SERVE_H
#define VGG_SERVE_H

#include "cli/model_source.h"
#include "vgg/predict.h"

typedef struct vgg_serve_options {
    vgg_cli_texts models;        /* [NAME=]FILE; none: the model in the box */
    vgg_cli_model_source source; /* what every file is told */
    const char *listen;          /* NULL: a socket that is handed over, or VGG_SERVE_LISTEN */
    const char *keys, *certificate, *private_key; /* files; NULL: none */
    const char *index;                            /* of pictures that are searched in; NULL: none */
    const char *run;       /* the folder of a training that the page shows; NULL: none */
    vgg_cli_texts origins; /* of pages elsewhere that may ask */
    bool log, watch;       /* each request; files that change */
    size_t top, threads, workers, max_batch, queue;
    double max_delay; /* milliseconds */
    bool exact;
    vgg_precision precision;
    vgg_device_kind device;
    vgg_protocol protocol;
    double max_body, max_bodies; /* megabytes */
    size_t max_pictures;
    double max_pixels; /* megapixels */
    size_t connections, connections_per_client;
    double timeout, idle_timeout, header_timeout, grace; /* seconds */
} vgg_serve_options;

/* Serves until a signal ends it. Returns the exit status; what is wrong was complained about. */
int vgg_serve_run(const vgg_serve_options *options);

#endif
