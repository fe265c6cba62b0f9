#include "cli/memory_stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct sink {
    char **text;
    size_t *size, room;
    bool failed; /* memory ran out once: the text is not whole */
} sink;

/* Whether there is room for so many bytes and the '\0' behind them. */
static bool reserve(sink *s, size_t bytes) {
    size_t room = s->room;
    if (bytes >= SIZE_MAX / 2 - *s->size)
        return false;
    while (room <= *s->size + bytes) {
        room *= 2;
    }
    char *grown = room == s->room ? *s->text : realloc(*s->text, room);
    if (grown == NULL)
        return false;
    *s->text = grown;
    s->room = room;
    return true;
}

/* 0 is what stdio takes for a failure. */
static ssize_t put(void *cookie, const char *bytes, size_t count) {
    sink *s = cookie;
    s->failed = s->failed || !reserve(s, count);
    if (s->failed) {
        errno = ENOMEM;
        return 0;
    }
    memcpy(*s->text + *s->size, bytes, count);
    *s->size += count;
    (*s->text)[*s->size] = '\0';
    return (ssize_t)count;
}

/* For ftell only: where the text ends is the one place that there is. */
static int tell(void *cookie, off64_t *offset, int whence) {
    if (*offset != 0 || whence == SEEK_SET)
        return -1;
    *offset = (off64_t) * ((sink *)cookie)->size;
    return 0;
}

static int end(void *cookie) {
    bool failed = ((sink *)cookie)->failed;
    free(cookie);
    errno = failed ? ENOMEM : errno;
    return failed ? -1 : 0;
}

FILE *vgg_cli_memory_stream(char **text, size_t *size) {
    sink *s = malloc(sizeof *s);
    *text = calloc(1, 1);
    *size = 0;
    FILE *stream = NULL;
    if (s != NULL && *text != NULL) {
        *s = (sink){.text = text, .size = size, .room = 1};
        stream =
            fopencookie(s, "w", (cookie_io_functions_t){.write = put, .seek = tell, .close = end});
    }
    if (stream != NULL)
        return stream;
    free(s);
    free(*text);
    *text = NULL;
    return NULL;
}

/* Reading fails where there is only writing, and leaves the mark that a failed write leaves. */
void vgg_cli_memory_stream_fail(FILE *stream) {
    fgetc(stream);
}
