#include "cli/serve/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/serve/notify.h"

static const char unix_prefix[] = "unix:";

static bool complain(const char *address, const char *why) {
    vgg_cli_complain("serve", "--listen %s: %s", address, why);
    return false;
}

/* ---- files ---- */

/* Whether a file that is there already is a socket that nobody listens at any more. */
static bool is_left_behind(const struct sockaddr_un *where) {
    struct stat file;
    if (lstat(where->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return false;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    int connected = connect(probe, (const struct sockaddr *)where, sizeof *where);
    bool refused = connected != 0 && errno == ECONNREFUSED;
    close(probe);
    return refused;
}

static bool take_file(vgg_serve_listener *listener, const char *address) {
    const char *path = address + strlen(unix_prefix);
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof where.sun_path, "%s", path);
    if (is_left_behind(&where))
        unlink(path);
    listener->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->socket < 0 ||
        bind(listener->socket, (const struct sockaddr *)&where, sizeof where) != 0)
        return complain(address, strerror(errno));
    /* At once, so that nobody who starts meanwhile takes the file for one that is left behind. */
    struct stat file;
    if (listen(listener->socket, SOMAXCONN) != 0 || lstat(path, &file) != 0)
        return complain(address, strerror(errno));
    listener->place = path;
    listener->device = file.st_dev;
    listener->inode = file.st_ino;
    snprintf(listener->address, sizeof listener->address, "%s", address);
    return true;
}

/* ---- hosts ---- */

/* Cuts "127.0.0.1:8080" or "[::1]:8080" in two. */
static bool split(const char *address, char host[256], const char **port) {
    const char *colon = strrchr(address, ':'), *begin = address, *end = colon;
    if (colon == NULL || colon == address)
        return false;
    if (address[0] == '[') {
        begin++;
        end--;
        if (*end != ']')
            return false;
    } else if (memchr(address, ':', (size_t)(colon - address)) != NULL) {
        return false;
    }
    size_t length = (size_t)(end - begin);
    *port = colon + 1;
    size_t digits = strspn(*port, "0123456789");
    if (length == 0 || length >= 256 || digits == 0 || digits > 5 || (*port)[digits] != '\0' ||
        strtoul(*port, NULL, 10) > UINT16_MAX)
        return false;
    memcpy(host, begin, length);
    host[length] = '\0';
    return true;
}

/* With the port that the system has chosen, where that was 0. */
static void say_address(vgg_serve_listener *listener, bool secure) {
    struct sockaddr_storage where;
    socklen_t size = sizeof where;
    char host[256], port[16];
    if (getsockname(listener->socket, (struct sockaddr *)&where, &size) == 0 &&
        where.ss_family != AF_UNIX &&
        getnameinfo((struct sockaddr *)&where, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(listener->address, sizeof listener->address,
                 strchr(host, ':') != NULL ? "http%s://[%s]:%s" : "http%s://%s:%s",
                 secure ? "s" : "", host, port);
}

static int bind_one(const struct addrinfo *found) {
    int one = 1;
    int made = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return -1;
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(made, found->ai_addr, found->ai_addrlen) == 0)
        return made;
    int why = errno;
    close(made);
    errno = why;
    return -1;
}

static bool take_host(vgg_serve_listener *listener, const char *address, bool secure) {
    char host[256];
    const char *port;
    if (!split(address, host, &port))
        return false;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0)
        return complain(address, gai_strerror(failed));
    for (struct addrinfo *one = found; one != NULL && listener->socket < 0; one = one->ai_next) {
        listener->socket = bind_one(one);
    }
    int why = errno;
    freeaddrinfo(found);
    if (listener->socket < 0)
        return complain(address, strerror(why));
    say_address(listener, secure);
    return true;
}

static bool is_file(const char *address) {
    return strncmp(address, unix_prefix, strlen(unix_prefix)) == 0;
}

bool vgg_serve_listen_check(const char *address) {
    char host[256];
    const char *port;
    if (address == NULL)
        return true;
    if (!is_file(address))
        return split(address, host, &port) ||
               complain(address, "expected HOST:PORT, such as 127.0.0.1:8080, or unix:PATH");
    size_t length = strlen(address) - strlen(unix_prefix);
    return (length > 0 && length < sizeof((struct sockaddr_un *)0)->sun_path) ||
           complain(address, "expected unix: and a path of up to 107 bytes");
}

bool vgg_serve_listen_take(vgg_serve_listener *listener, const char *address, bool secure) {
    *listener = (vgg_serve_listener){.socket = address == NULL ? vgg_serve_given_socket() : -1};
    if (listener->socket >= 0) {
        snprintf(listener->address, sizeof listener->address, "the socket that was handed over");
        say_address(listener, secure);
        return true;
    }
    if (address == NULL)
        address = VGG_SERVE_LISTEN;
    if (is_file(address) ? take_file(listener, address) : take_host(listener, address, secure))
        return true;
    if (listener->socket >= 0)
        close(listener->socket);
    listener->socket = -1;
    return false;
}

bool vgg_serve_listen_begin(vgg_serve_listener *listener) {
    return listen(listener->socket, SOMAXCONN) == 0 || complain(listener->address, strerror(errno));
}

void vgg_serve_listen_end(vgg_serve_listener *listener) {
    struct stat file;
    if (listener->place != NULL && lstat(listener->place, &file) == 0 &&
        file.st_dev == listener->device && file.st_ino == listener->inode)
        unlink(listener->place);
    listener->place = NULL;
}
