/* What all parts of the server know of it. */
#ifndef VGG_SERVE_SERVER_H
#define VGG_SERVE_SERVER_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdint.h>

#include "cli/serve/connections.h"
#include "cli/serve/index.h"
#include "cli/serve/keys.h"
#include "cli/serve/metrics.h"
#include "cli/serve/work.h"

typedef struct vgg_serve_limits {
    size_t max_body;     /* bytes of a request */
    size_t max_bodies;   /* bytes of all requests that are there */
    size_t max_pictures; /* of a request */
    size_t max_pixels;   /* of a picture */
    size_t connections, connections_per_client;
    double timeout;        /* seconds until a request is answered, or given up */
    double idle_timeout;   /* seconds that a connection may be silent */
    double header_timeout; /* seconds that the header of a request may take */
} vgg_serve_limits;

typedef struct vgg_serve_server {
    vgg_serve_models models;
    vgg_serve_catalogue catalogue;
    vgg_serve_work *work;
    struct MHD_Daemon *daemon;
    vgg_serve_limits limits;
    size_t top;               /* classes that are answered unless the client says how many */
    atomic_size_t body_bytes; /* of all requests that are there */
    atomic_size_t open;       /* requests that are there */
    atomic_size_t requests;   /* so far */
    uint64_t first_id;        /* that requests are numbered from */
    atomic_bool draining;     /* nothing new is taken */
    double started;           /* seconds since 1970 */
    vgg_serve_metrics metrics;
    vgg_serve_connections connections;
    vgg_serve_keys keys;
    vgg_cli_texts origins;           /* of pages elsewhere that may ask; "*": all */
    const char *run;                 /* the folder of a training that is shown; NULL: none */
    bool log;                        /* each request */
    char *certificate, *private_key; /* for TLS; NULL: none */
} vgg_serve_server;

#endif
