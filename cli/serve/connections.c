#include "cli/serve/connections.h"

#include <stdlib.h>
#include <sys/socket.h>

void vgg_serve_connections_create(vgg_serve_connections *connections) {
    *connections = (vgg_serve_connections){0};
    pthread_mutex_init(&connections->lock, NULL);
}

void vgg_serve_connections_destroy(vgg_serve_connections *connections) {
    pthread_mutex_destroy(&connections->lock);
}

vgg_serve_connection *vgg_serve_connections_add(vgg_serve_connections *connections, int socket,
                                                double until) {
    vgg_serve_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->socket = socket;
    connection->until = until;
    pthread_mutex_lock(&connections->lock);
    connection->next = connections->first;
    if (connections->first != NULL)
        connections->first->previous = connection;
    connections->first = connection;
    connections->count++;
    pthread_mutex_unlock(&connections->lock);
    return connection;
}

void vgg_serve_connections_remove(vgg_serve_connections *connections,
                                  vgg_serve_connection *connection) {
    if (connection == NULL)
        return;
    pthread_mutex_lock(&connections->lock);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        connections->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    connections->count--;
    pthread_mutex_unlock(&connections->lock);
    free(connection);
}

void vgg_serve_connections_expect(vgg_serve_connections *connections,
                                  vgg_serve_connection *connection, double until) {
    if (connection == NULL)
        return;
    pthread_mutex_lock(&connections->lock);
    connection->until = until;
    pthread_mutex_unlock(&connections->lock);
}

void vgg_serve_connections_look(vgg_serve_connections *connections, double now) {
    pthread_mutex_lock(&connections->lock);
    for (vgg_serve_connection *one = connections->first; one != NULL; one = one->next) {
        if (one->until > 0 && one->until < now) {
            shutdown(one->socket, SHUT_RDWR);
            one->until = 0;
        }
    }
    pthread_mutex_unlock(&connections->lock);
}

size_t vgg_serve_connections_count(vgg_serve_connections *connections) {
    pthread_mutex_lock(&connections->lock);
    size_t count = connections->count;
    pthread_mutex_unlock(&connections->lock);
    return count;
}
