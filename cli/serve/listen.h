/* Where a server listens: HOST:PORT, unix:PATH, or a socket that systemd hands over. */
#ifndef VGG_SERVE_LISTEN_H
#define VGG_SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define VGG_SERVE_ADDRESS_SIZE 512
#define VGG_SERVE_LISTEN "127.0.0.1:8080"

typedef struct vgg_serve_listener {
    int socket;        /* -1: none */
    const char *place; /* file of a socket that is removed in the end; NULL: none */
    dev_t device;      /* of that file, which is not removed when another is in its place */
    ino_t inode;
    char address[VGG_SERVE_ADDRESS_SIZE]; /* "http://127.0.0.1:8080", with the port that it is */
} vgg_serve_listener;

/* Whether it is one of these by its form, or NULL; false is complained about. */
bool vgg_serve_listen_check(const char *address);
/* Takes the address, which has that form, NULL being the socket that is handed over, or else
 * VGG_SERVE_LISTEN; `secure` is how it is written. Until vgg_serve_listen_begin connections are
 * refused, those to a file wait. False when it cannot be had, which is complained about. */
bool vgg_serve_listen_take(vgg_serve_listener *listener, const char *address, bool secure);
bool vgg_serve_listen_begin(vgg_serve_listener *listener);
/* Removes what vgg_serve_listen_take has made; the socket itself is whoever's took it over. */
void vgg_serve_listen_end(vgg_serve_listener *listener);

#endif
