/* The pictures that the operands of vgg predict and vgg features stand for, one after another. */
#ifndef VGG_CLI_PREDICT_WALK_H
#define VGG_CLI_PREDICT_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/folder_walk.h"
#include "cli/left_out.h"

/* Start with the operands and zeros. */
typedef struct vgg_cli_predict_walk {
    char **operands;
    size_t count, next;               /* operands, and those that were begun */
    const char *passed;               /* a folder that is not gone into, or NULL */
    bool inside;                      /* a folder */
    vgg_cli_folder_walk folder;       /* the one that is being walked */
    size_t pictures;                  /* found in it so far, readable or not */
    bool marks;                       /* files that have come before under another name */
    vgg_cli_visited files;            /* that have come, for that */
    vgg_cli_left_out left_out;        /* of all folders that have pictures */
    vgg_cli_left_out left_out_before; /* this one */

    bool again; /* the picture that vgg_cli_predict_walk_next returned has come before */

    /* What comes next when vgg_cli_predict_walk_next has returned NULL; all NULL at the end: */
    const char *alone;      /* a picture that may keep one waiting: standard input, a pipe */
    const char *unreadable; /* what cannot be read: */
    vgg_cli_found kind;     /* what it is */
    int why;                /* errno */
    const char *empty;      /* a folder without pictures */
} vgg_cli_predict_walk;

/* The name of the next picture file, valid until the next call; NULL at the end, and where
 * something else comes first (above), which is passed with the next call. The pictures of a folder
 * and of those beneath come as vgg_cli_folder_walk says. */
const char *vgg_cli_predict_walk_next(vgg_cli_predict_walk *walk);

/* Whether there is something left, be it a picture or something else. */
bool vgg_cli_predict_walk_paused(const vgg_cli_predict_walk *walk);

/* Says what is unreadable or empty. */
void vgg_cli_predict_walk_complain(const vgg_cli_predict_walk *walk, const char *command);

void vgg_cli_predict_walk_end(vgg_cli_predict_walk *walk);

/* How many pictures such operands stand for; notes what lies beside them in the folders. */
size_t vgg_cli_predict_walk_count(char **operands, size_t count, const char *command);

#endif
