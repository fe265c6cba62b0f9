#include "cli/serve/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The first of the sockets that are handed over (sd_listen_fds). */
#define FIRST_SOCKET 3

void vgg_serve_notify(const char *state) {
    const char *place = getenv("NOTIFY_SOCKET");
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    size_t length = place != NULL ? strlen(place) : 0;
    if (length < 2 || length >= sizeof where.sun_path)
        return;
    memcpy(where.sun_path, place, length);
    if (where.sun_path[0] == '@') /* a name in place of a file */
        where.sun_path[0] = '\0';
    int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (to < 0)
        return;
    (void)!sendto(to, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&where,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    close(to);
}

int vgg_serve_given_socket(void) {
    const char *process = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (process == NULL || count == NULL || strtol(process, NULL, 10) != (long)getpid() ||
        strtol(count, NULL, 10) < 1)
        return -1;
    fcntl(FIRST_SOCKET, F_SETFD, FD_CLOEXEC);
    int flags = fcntl(FIRST_SOCKET, F_GETFL);
    if (flags < 0 || fcntl(FIRST_SOCKET, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    return FIRST_SOCKET;
}
