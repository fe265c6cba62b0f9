/* Pictures that vgg predict copies or links into a folder for each class. */
#ifndef VGG_CLI_PREDICT_SORT_H
#define VGG_CLI_PREDICT_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "vgg/model.h"

/* What is said of a picture whose likeliest class is not likely enough. */
#define VGG_CLI_NONE "none of these"

/* Start with the folder, NULL for none, and whether to link. */
typedef struct vgg_cli_sorting {
    const char *folder;
    bool link;
    size_t classes;
    char **names;   /* of the folders in it: one for each class, and one for none of them */
    size_t *counts; /* pictures that each has got */
    size_t done;    /* all of them together */
    size_t already; /* of those, the ones that were there before */
    size_t failed;  /* pictures that could not be put */
} vgg_cli_sorting;

/* Makes the names. False, which is complained about, for operands that cannot be sorted there. */
bool vgg_cli_sorting_begin(vgg_cli_sorting *sorting, const vgg_model *model, char **operands,
                           size_t count);

/* Puts the picture where it belongs; index is a class, or sorting->classes for none. What cannot be
 * put is counted, and the first are complained about. */
void vgg_cli_sorting_put(vgg_cli_sorting *sorting, const char *path, size_t index);

/* Says how many went where, and of how many that failed. */
void vgg_cli_sorting_print(const vgg_cli_sorting *sorting, FILE *stream);

void vgg_cli_sorting_end(vgg_cli_sorting *sorting);

#endif
