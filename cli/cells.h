/* A picture of many small ones of one size in rows and columns, each with a line below it. */
#ifndef VGG_CLI_CELLS_H
#define VGG_CLI_CELLS_H

#include <stddef.h>

#include "cli/heat_picture.h"

#define VGG_CLI_CELL_LABEL 128

/* Start with {0}. */
typedef struct vgg_cli_cells {
    size_t count, columns, width, height; /* of a picture, without what is around it */
    vgg_image image;                      /* these are the cells' own */
    char (*labels)[VGG_CLI_CELL_LABEL];
    vgg_cli_heat_text *texts;
} vgg_cli_cells;

/* White. VGG_ERROR_MEMORY, and nothing to be freed, when there is no memory for it. */
vgg_status vgg_cli_cells_create(vgg_cli_cells *cells, size_t count, size_t width, size_t height,
                                vgg_error *error);
void vgg_cli_cells_free(vgg_cli_cells *cells);

/* Where the first sample of cell i lies; a row is image.width pixels of three samples. */
uint8_t *vgg_cli_cell(vgg_cli_cells *cells, size_t i);

/* Puts a picture of a cell's size and three channels into it. */
void vgg_cli_cells_put(vgg_cli_cells *cells, size_t i, const vgg_image *picture);

/* What stands below cell i; cut off where it is longer than the cell is wide. A program that was
 * built without Cairo writes none. */
void vgg_cli_cells_label(vgg_cli_cells *cells, size_t i, const char *label);

/* Writes the labels, once, and the file. */
vgg_status vgg_cli_cells_save(vgg_cli_cells *cells, const char *path, vgg_error *error);

#endif
