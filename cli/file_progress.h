/* A bar for a model file that takes a while to read or write. */
#ifndef VGG_CLI_FILE_PROGRESS_H
#define VGG_CLI_FILE_PROGRESS_H

#include "cli/terminal.h"

typedef struct vgg_cli_file_progress {
    const char *what; /* "reading" */
    double started;
    vgg_cli_progress line;
} vgg_cli_file_progress;

/* On standard error, where that is a terminal, and only from the second second on. */
vgg_cli_file_progress vgg_cli_file_progress_begin(const char *what);

/* A vgg_progress_callback; user is the bar. */
bool vgg_cli_file_progress_tell(void *user, size_t done, size_t total);

void vgg_cli_file_progress_end(vgg_cli_file_progress *progress);

#endif
