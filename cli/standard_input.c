#include "cli/standard_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/message.h"

#define MOST ((size_t)2 << 30)
#define FIRST ((size_t)1 << 16)

/* What is read so far; room is at most MOST, so that doubling it does not overflow. */
typedef struct input {
    unsigned char *bytes;
    size_t used, room;
} input;

static vgg_status fail(vgg_error *error, vgg_status status, const char *what, const char *detail) {
    error->status = status;
    snprintf(error->message, sizeof error->message, "%s: %s%s", VGG_CLI_STANDARD_INPUT, what,
             detail);
    return status;
}

static vgg_status grow(input *in, vgg_error *error) {
    char text[VGG_CLI_TEXT_SIZE];
    if (in->room >= MOST)
        return fail(error, VGG_ERROR_UNSUPPORTED, "reaches the limit of ",
                    vgg_cli_bytes_text(text, MOST));
    size_t room = in->room == 0 ? FIRST : 2 * in->room;
    unsigned char *moved = realloc(in->bytes, room);
    if (moved == NULL)
        return fail(error, VGG_ERROR_MEMORY, "out of memory for ", vgg_cli_bytes_text(text, room));
    in->bytes = moved;
    in->room = room;
    return VGG_OK;
}

static vgg_status read_all(input *in, vgg_error *error) {
    for (;;) {
        if (in->used == in->room) {
            vgg_status status = grow(in, error);
            if (status != VGG_OK)
                return status;
        }
        ssize_t got = read(STDIN_FILENO, in->bytes + in->used, in->room - in->used);
        if (got == 0)
            return VGG_OK;
        if (got > 0)
            in->used += (size_t)got;
        else if (errno != EINTR)
            return fail(error, VGG_ERROR_IO, "cannot read: ", strerror(errno));
    }
}

/* Reads standard input to its end into *bytes, which the caller frees, and *size. One of
 * 2 GiB or more, the limit of vgg_image_load, is VGG_ERROR_UNSUPPORTED. */
static vgg_status read_standard_input(unsigned char **bytes, size_t *size, vgg_error *error) {
    input in = {0};
    vgg_status status = read_all(&in, error);
    if (status != VGG_OK) {
        free(in.bytes);
        return status;
    }
    *bytes = in.bytes;
    *size = in.used;
    return VGG_OK;
}

vgg_status vgg_cli_load_image(const char *path, vgg_image *image, vgg_error *error) {
    if (strcmp(path, "-") != 0)
        return vgg_image_load(path, image, error);
    unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = read_standard_input(&bytes, &size, error);
    if (status == VGG_OK)
        status = vgg_image_decode(bytes, size, VGG_CLI_STANDARD_INPUT, image, error);
    free(bytes);
    return status;
}
