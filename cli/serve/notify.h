/* What systemd is told, where it has started the server (sd_notify). */
#ifndef VGG_SERVE_NOTIFY_H
#define VGG_SERVE_NOTIFY_H

/* Sends "READY=1", "STOPPING=1" or the like to whoever asked for it in NOTIFY_SOCKET. */
void vgg_serve_notify(const char *state);

/* The socket that systemd has listened at for this process; -1: there is none. */
int vgg_serve_given_socket(void);

#endif
