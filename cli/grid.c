#include "cli/grid.h"

#include <math.h>
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

/* The sample, 0 to 255, that becomes `value` in channel c of the input. */
static unsigned char sample_of(const vgg_preprocess *shape, size_t c, float value) {
    double sample = ((double)value * shape->deviation[c] + shape->mean[c]) / shape->scale;
    return (unsigned char)fmin(fmax(rint(sample), 0), 255);
}

void vgg_cli_grid_draw(vgg_cli_grid *grid, size_t row, size_t column, const float *input) {
    const vgg_preprocess *shape = &grid->shape;
    size_t channels = shape->channels, pixels = shape->width * shape->height;
    for (size_t i = 0; i < pixels * channels; i++) {
        size_t c = i / pixels, y = i % pixels / shape->width, x = i % shape->width;
        size_t at =
            (side(row, shape->height) + y) * grid->image.width + side(column, shape->width) + x;
        size_t to = shape->bgr ? channels - 1 - c : c;
        grid->image.pixels[at * channels + to] = sample_of(shape, c, input[i]);
    }
}
