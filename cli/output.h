/* Files that commands write: whether they may, and texts that appear whole or not at all. */
#ifndef VGG_CLI_OUTPUT_H
#define VGG_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

/* Whether the name has something before this ending, in capitals or not. */
bool vgg_cli_ends_in(const char *path, const char *ending);
/* Asked before anything is computed. False, which is complained about, when the file is there and
 * may not be replaced, when a folder is, and, as far as looking shows, when it cannot be written:
 * its own folder is not there or may not be written. A device is not replaced in any case. */
bool vgg_cli_may_write(const char *command, const char *path, bool overwrite);
/* Whether both paths name the same file, which need not be there. */
bool vgg_cli_same_file(const char *left, const char *right);
/* Whether the ending of a model's file is of a format that is written; a name without any is
 * safetensors'. False is complained about, `more` being what else is expected. */
bool vgg_cli_model_ending_check(const char *command, const char *path, const char *more);

typedef struct vgg_cli_output {
    const char *command; /* in messages */
    FILE *stream;        /* what is written to it is in memory until the end */
    char *path, *text;
    size_t size;
} vgg_cli_output;

/* The file `name` in the folder, or with NULL for the folder the file of that path. False when that
 * was complained about. */
bool vgg_cli_output_open(vgg_cli_output *output, const char *command, const char *folder,
                         const char *name);
/* Ends it without a file: what it would have had found no memory. Complains about that; false. */
bool vgg_cli_output_fail(vgg_cli_output *output);
/* Writes the file in place of the one that is there. False when that was complained about. */
bool vgg_cli_output_close(vgg_cli_output *output);

#endif
