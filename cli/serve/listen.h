/* Where a server listens: HOST:PORT or unix:PATH. */
#ifndef VGG_SERVE_LISTEN_H
#define VGG_SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#define VGG_SERVE_ADDRESS_SIZE 512

typedef struct vgg_serve_listener {
    int socket;        /* -1: none */
    const char *place; /* file of a socket that is removed in the end; NULL: none */
    char address[VGG_SERVE_ADDRESS_SIZE]; /* "http://127.0.0.1:8080", with the port that it is */
} vgg_serve_listener;

/* Takes the address; connections are refused until vgg_serve_listen_begin. False when it cannot be
 * had, which is complained about. */
bool vgg_serve_listen_take(vgg_serve_listener *listener, const char *address);
bool vgg_serve_listen_begin(vgg_serve_listener *listener);
/* Removes what vgg_serve_listen_take has made; the socket itself is whoever's took it over. */
void vgg_serve_listen_end(vgg_serve_listener *listener);

#endif
