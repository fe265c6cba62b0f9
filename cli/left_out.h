/* Files that are no pictures, counted by the endings of their names. */
#ifndef VGG_CLI_LEFT_OUT_H
#define VGG_CLI_LEFT_OUT_H

#include <stddef.h>

#define VGG_CLI_ENDINGS 16

/* Start with {0}. */
typedef struct vgg_cli_left_out {
    struct {
        char ending[16];
        size_t count;
    } endings[VGG_CLI_ENDINGS];
    size_t count, others; /* endings, and files without one of them */
} vgg_cli_left_out;

void vgg_cli_left_out_add(vgg_cli_left_out *left_out, const char *path);

/* Says "vgg <command>: note: left out: 4 .txt, 1 other file", when there are any. */
void vgg_cli_left_out_note(const vgg_cli_left_out *left_out, const char *command);

#endif
