/* The connections that are open, so that none stays that never says what it wants. */
#ifndef VGG_SERVE_CONNECTIONS_H
#define VGG_SERVE_CONNECTIONS_H

#include <pthread.h>
#include <stddef.h>

/* A connection; `until` is when it must have sent the header of a request, 0 while one is there. */
typedef struct vgg_serve_connection {
    struct vgg_serve_connection *next, *previous;
    int socket;
    double until;
} vgg_serve_connection;

typedef struct vgg_serve_connections {
    pthread_mutex_t lock;
    vgg_serve_connection *first;
    size_t count;
} vgg_serve_connections;

void vgg_serve_connections_create(vgg_serve_connections *connections);
void vgg_serve_connections_destroy(vgg_serve_connections *connections);

/* NULL when memory ran out: the connection is not watched. */
vgg_serve_connection *vgg_serve_connections_add(vgg_serve_connections *connections, int socket,
                                                double until);
/* Before its socket is closed. NULL is fine, here and below. */
void vgg_serve_connections_remove(vgg_serve_connections *connections,
                                  vgg_serve_connection *connection);
void vgg_serve_connections_expect(vgg_serve_connections *connections,
                                  vgg_serve_connection *connection, double until);

/* Shuts those down whose time is over. */
void vgg_serve_connections_look(vgg_serve_connections *connections, double now);

size_t vgg_serve_connections_count(vgg_serve_connections *connections);

#endif
