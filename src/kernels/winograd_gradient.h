/* Tiles of the gradient of a convolution's output, for the gradient of its weights: where the rows
 * of one lie, and its transform in columns. */
#ifndef VGG_KERNELS_WINOGRAD_GRADIENT_H
#define VGG_KERNELS_WINOGRAD_GRADIENT_H

#include "kernels/choice.h"
#include "kernels/winograd_transforms.h"

/* Tiles of the gradient that are fetched before they are needed. */
#define GRADIENT_TILES_AHEAD 3

/* A place in a batch. */
typedef struct tile_place {
    size_t image, row, column;
} tile_place;

static inline tile_place place_of(const vgg_winograd_weights_partition *cut, size_t tile) {
    size_t row = tile / cut->tile_columns;
    return (tile_place){row / cut->tile_rows, row % cut->tile_rows, tile % cut->tile_columns};
}

/* The TILE rows of a tile of the gradient of one channel block, of which only the first columns lie
 * in the picture; or, with a max-pool behind it, half as many rows of gradients of windows, and
 * which they chose. */
typedef struct gradient_rows {
    const float *rows[TILE];
    const vgg_choice *chosen[TILE / 2];
    int columns;
} gradient_rows;

/* half: vector `part` of the block with its columns transformed; adds its values to *sum. */
VGG_INLINE void gradient_columns(const gradient_rows *tile, bool spread, int columns, int part,
                                 vf half[LINE][TILE], vf *sum) {
    int window = spread ? 2 : 1;
    VGG_UNROLL
    for (int column = 0; column < TILE; column++) {
        vf values[TILE], out[LINE] = {{0}};
        if (column < columns) {
            VGG_UNROLL
            for (int row = 0; row < TILE; row++) {
                int at = column / window;
                values[row] = vf_load(tile->rows[row / window] + at * VGG_BLOCK + part * VGG_LANES);
                if (spread)
                    values[row] = unpool(values[row], &tile->chosen[row / window][at], part,
                                         row % 2, column % 2);
            }
            *sum += sum_values(values);
            transform_gradient(values, out);
        }
        VGG_UNROLL
        for (int row = 0; row < LINE; row++) {
            half[row][column] = out[row];
        }
    }
}

VGG_INLINE void gradient_half(const gradient_rows *tile, bool spread, int part, vf half[LINE][TILE],
                              vf *sum) {
    if (tile->columns == TILE)
        gradient_columns(tile, spread, TILE, part, half, sum);
    else
        gradient_columns(tile, spread, tile->columns, part, half, sum);
}

/* The rows of a tile are streams too short for the processor to foresee. */
VGG_INLINE void fetch_gradient_ahead(const float *row) {
    for (size_t pixel = 0; pixel < TILE; pixel++) {
        __builtin_prefetch(row + (GRADIENT_TILES_AHEAD * TILE + pixel) * VGG_BLOCK);
    }
}

VGG_INLINE gradient_rows gradient_at(const vgg_winograd_weights_task *task, tile_place place,
                                     size_t block) {
    const vgg_conv_shape *shape = &task->shape;
    size_t top = place.row * TILE, left = place.column * TILE;
    size_t plane = place.image * vgg_blocks(shape->outputs) + block;
    static const float zeros[TILE * VGG_BLOCK];
    gradient_rows tile = {.columns = (int)vgg_size_min(TILE, shape->width - left)};
    for (size_t row = 0; row < TILE; row++) {
        size_t y = top + row;
        tile.rows[row] =
            y < shape->height
                ? task->dy + ((plane * shape->height + y) * shape->width + left) * VGG_BLOCK
                : zeros;
        fetch_gradient_ahead(tile.rows[row]);
    }
    return tile;
}

/* The same for a task with `spread`. */
VGG_INLINE gradient_rows windows_at(const vgg_winograd_weights_task *task, tile_place place,
                                    size_t block) {
    static const float zeros[TILE / 2 * VGG_BLOCK];
    static const vgg_choice none[TILE / 2];
    size_t height = task->shape.height / 2, width = task->shape.width / 2; /* in windows */
    size_t plane = (place.image * vgg_blocks(task->shape.outputs) + block) * height * width;
    size_t top = place.row * (TILE / 2), left = place.column * (TILE / 2);
    gradient_rows tile = {.columns = (int)vgg_size_min(TILE, 2 * (width - left))};
    for (size_t row = 0; row < TILE / 2; row++) {
        bool inside = top + row < height;
        size_t at = inside ? plane + (top + row) * width + left : 0;
        tile.rows[row] = inside ? task->dy + at * VGG_BLOCK : zeros;
        tile.chosen[row] = inside ? task->spread + at : none;
    }
    return tile;
}

#endif
