/* The bar of what computes pictures one after the other. */
#ifndef VGG_CLI_PICTURE_PROGRESS_H
#define VGG_CLI_PICTURE_PROGRESS_H

#include "cli/terminal.h"

/* Draws, when it is due, that `done` of `total` pictures are, of which those from `begun` on were
 * computed since the time `started` (vgg_cli_now): how many a second, and the time that is left.
 * `done` may be more than `total` where pictures have come since they were counted. */
void vgg_cli_picture_progress(vgg_cli_progress *progress, const char *left, size_t done,
                              size_t begun, size_t total, double started);

#endif
