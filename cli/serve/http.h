/* The thread that talks to clients. */
#ifndef VGG_SERVE_HTTP_H
#define VGG_SERVE_HTTP_H

#include "cli/serve/server.h"

/* Bytes of a connection: its header must fit, and bodies come in pieces of about as much. */
#define VGG_SERVE_CONNECTION_MEMORY ((size_t)64 << 10)

/* Serves what comes in at a socket that listens, which is the server's from now on. False when that
 * cannot be, which is complained about. */
bool vgg_serve_http_start(vgg_serve_server *server, int listening);

/* Takes no more connections, and closes each after its answer. */
void vgg_serve_http_drain(vgg_serve_server *server);

/* Ends the thread and all connections; there must be no jobs. */
void vgg_serve_http_stop(vgg_serve_server *server);

#endif
