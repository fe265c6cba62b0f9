/* Asks a server what is in a picture, without any library.
 *
 *   cc -std=c11 classify.c -o classify
 *   ./classify 127.0.0.1 8080 photo.jpg
 */
#define _POSIX_C_SOURCE 200809L
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int made = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *one = found; one != NULL && made < 0; one = one->ai_next) {
        made = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
        if (made >= 0 && connect(made, one->ai_addr, one->ai_addrlen) != 0) {
            close(made);
            made = -1;
        }
    }
    freeaddrinfo(found);
    return made;
}

/* Sends the picture as the body of a request. */
static int send_picture(FILE *to, const char *host, FILE *picture) {
    char piece[1 << 14];
    size_t size;
    if (fseek(picture, 0, SEEK_END) != 0)
        return -1;
    fprintf(to,
            "POST /predict?top=3 HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n"
            "Content-Length: %ld\r\nConnection: close\r\n\r\n",
            host, ftell(picture));
    rewind(picture);
    while ((size = fread(piece, 1, sizeof piece, picture)) > 0) {
        fwrite(piece, 1, size, to);
    }
    return ferror(picture) || fflush(to) != 0 ? -1 : 0;
}

/* Prints the answer behind its header; 0 for one of status 200. */
static int print_answer(FILE *from) {
    char line[1 << 12];
    int status = 0, body = 0;
    while (fgets(line, sizeof line, from) != NULL) {
        if (status == 0 && sscanf(line, "HTTP/1.1 %d", &status) != 1)
            return -1;
        if (body)
            fputs(line, stdout);
        body = body || strcmp(line, "\r\n") == 0;
    }
    return status == 200 ? 0 : -1;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: classify HOST PORT PICTURE\n");
        return 2;
    }
    FILE *picture = fopen(argv[3], "rb");
    int connected = connect_to(argv[1], argv[2]);
    FILE *stream = connected >= 0 ? fdopen(connected, "r+") : NULL;
    if (picture == NULL || stream == NULL) {
        perror(picture == NULL ? argv[3] : argv[1]);
        return 1;
    }
    return send_picture(stream, argv[1], picture) == 0 && print_answer(stream) == 0 ? 0 : 1;
}
