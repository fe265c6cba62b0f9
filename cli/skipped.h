/* Pictures that could not be read: the first are named on standard error, all are counted. */
#ifndef VGG_CLI_SKIPPED_H
#define VGG_CLI_SKIPPED_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/terminal.h"
#include "vgg/status.h"

typedef struct vgg_cli_skipped {
    const char *command;
    bool strict;                /* an unreadable picture ends the work */
    vgg_cli_progress *progress; /* a line that has to make way; may be NULL */
    size_t count;
    size_t noted; /* pictures that were read with a warning */
} vgg_cli_skipped;

/* Notes one, as vgg_skip_callback does; user is a vgg_cli_skipped. */
bool vgg_cli_skip(void *user, const char *name, const vgg_error *why);

/* Notes a warning of a picture that was read; a vgg_warning_callback. */
void vgg_cli_picture_note(void *user, const char *message);

/* Says how many there were in all, when any were. */
void vgg_cli_skipped_sum(const vgg_cli_skipped *skipped);

#endif
