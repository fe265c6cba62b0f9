#include "cli/grid.h"

#include <stdlib.h>
#include <string.h>

/* White pixels around each. */
#define MARGIN 2

static size_t side(size_t count, size_t cell) {
    return count * (cell + MARGIN) + MARGIN;
}

bool vgg_cli_grid_create(vgg_cli_grid *grid, size_t rows, size_t columns,
                         const vgg_preprocess *shape) {
    *grid = (vgg_cli_grid){.rows = rows, .columns = columns, .shape = *shape};
    grid->image.width = side(columns, shape->width);
    grid->image.height = side(rows, shape->height);
    grid->image.channels = shape->channels;
    grid->image.pixels = calloc(grid->image.height, grid->image.width * shape->channels);
    if (grid->image.pixels == NULL)
        return false;
    memset(grid->image.pixels, 255, grid->image.height * grid->image.width * shape->channels);
    return true;
}

void vgg_cli_grid_free(vgg_cli_grid *grid) {
    free(grid->image.pixels);
    grid->image.pixels = NULL;
}

vgg_status vgg_cli_grid_draw(vgg_cli_grid *grid, size_t row, size_t column, const float *input,
                             vgg_error *error) {
    const vgg_preprocess *shape = &grid->shape;
    vgg_image cell;
    vgg_status status = vgg_preprocess_restore(shape, input, &cell, error);
    if (status != VGG_OK)
        return status;
    size_t line = cell.width * cell.channels;
    for (size_t y = 0; y < cell.height; y++) {
        size_t at = (side(row, shape->height) + y) * grid->image.width + side(column, shape->width);
        memcpy(grid->image.pixels + at * cell.channels, cell.pixels + y * line, line);
    }
    vgg_image_free(&cell);
    return VGG_OK;
}
