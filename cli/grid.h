/* A picture of many small ones of the same size, in rows and columns. */
#ifndef VGG_CLI_GRID_H
#define VGG_CLI_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/image.h"

typedef struct vgg_cli_grid {
    size_t rows, columns;
    vgg_preprocess shape; /* of the inputs that are drawn */
    vgg_image image;      /* its pixels are the grid's own */
} vgg_cli_grid;

/* White; false when there is no memory for it. */
bool vgg_cli_grid_create(vgg_cli_grid *grid, size_t rows, size_t columns,
                         const vgg_preprocess *shape);
void vgg_cli_grid_free(vgg_cli_grid *grid);

/* Draws an input of the network as the picture that it was before its preprocessing. */
vgg_status vgg_cli_grid_draw(vgg_cli_grid *grid, size_t row, size_t column, const float *input,
                             vgg_error *error);

#endif
