/* The pictures that the operands of vgg predict stand for, one after another. */
#ifndef VGG_CLI_PREDICT_WALK_H
#define VGG_CLI_PREDICT_WALK_H

#include <fts.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/visited.h"

/* Start with the operands and zeros. */
typedef struct vgg_cli_predict_walk {
    char **operands;
    size_t count, next;      /* operands, and those that were begun */
    FTS *folder;             /* the folder that is being walked; NULL: none */
    vgg_cli_visited visited; /* folders in it */
    size_t pictures;         /* found in it so far, readable or not */

    /* What comes next when vgg_cli_predict_walk_next has returned NULL; all NULL at the end: */
    const char *alone;      /* a picture that may keep one waiting: standard input, a pipe */
    const FTSENT *entry;    /* of a folder, behind which nothing can be read */
    const char *unreadable; /* a folder that cannot be read, for the reason in `why` */
    int why;
    const char *empty; /* a folder without pictures */
} vgg_cli_predict_walk;

/* The name of the next picture file, valid until the next call; NULL at the end, and where
 * something else comes first (above), which is passed with the next call. The pictures of a folder
 * and of those beneath come in the order of their names. A folder that links
 * lead to as well comes once, under the first of its names. */
const char *vgg_cli_predict_walk_next(vgg_cli_predict_walk *walk);

/* Whether there is something left, be it a picture or something else. */
bool vgg_cli_predict_walk_paused(const vgg_cli_predict_walk *walk);

void vgg_cli_predict_walk_end(vgg_cli_predict_walk *walk);

#endif
