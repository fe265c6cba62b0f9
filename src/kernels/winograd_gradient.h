/* Tiles of the gradient of a convolution's output, for the gradient of its weights: where the rows
 * of one lie, and its transform in columns. */
#ifndef VGG_KERNELS_WINOGRAD_GRADIENT_H
#define VGG_KERNELS_WINOGRAD_GRADIENT_H

#include "kernels/choice.h"
#include "kernels/winograd_maps.h"
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

/* The TILE rows of a tile of the gradient of one channel block, of a map of floats or of numbers of
 * bfloat16, of which only the first columns lie in the picture; or, with a max-pool behind it, half
 * as many rows of gradients of windows, and which they chose. */
typedef struct gradient_rows {
    const void *rows[TILE];
    const vgg_choice *chosen[TILE / 2];
    bool numbers;
    int columns;
} gradient_rows;

/* half: vector `part` of the block with its columns transformed; adds its values to *sum. */
VGG_INLINE void gradient_columns(const gradient_rows *tile, bool numbers, bool spread, int columns,
                                 int part, vf half[LINE][TILE], vf *sum) {
    int window = spread ? 2 : 1;
    VGG_UNROLL
    for (int column = 0; column < TILE; column++) {
        vf values[TILE], out[LINE] = {{0}};
        if (column < columns) {
            VGG_UNROLL
            for (int row = 0; row < TILE; row++) {
                int at = column / window;
                values[row] =
                    load_at(tile->rows[row / window], numbers, at * VGG_BLOCK + part * VGG_LANES);
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

VGG_INLINE void gradient_half_of(const gradient_rows *tile, bool numbers, bool spread, int part,
                                 vf half[LINE][TILE], vf *sum) {
    if (tile->columns == TILE)
        gradient_columns(tile, numbers, spread, TILE, part, half, sum);
    else
        gradient_columns(tile, numbers, spread, tile->columns, part, half, sum);
}

VGG_INLINE void gradient_half(const gradient_rows *tile, bool spread, int part, vf half[LINE][TILE],
                              vf *sum) {
    if (tile->numbers)
        gradient_half_of(tile, true, spread, part, half, sum);
    else
        gradient_half_of(tile, false, spread, part, half, sum);
}

/* The rows of a tile are streams too short for the processor to foresee. */
VGG_INLINE void fetch_gradient_ahead(const void *row, bool numbers) {
    for (ptrdiff_t pixel = 0; pixel < TILE; pixel++) {
        __builtin_prefetch(map_at(row, numbers, (GRADIENT_TILES_AHEAD * TILE + pixel) * VGG_BLOCK));
    }
}

/* The map that the gradient is. */
VGG_INLINE const void *gradient_map(const vgg_winograd_weights_task *task) {
    return HAS_NUMBERS(task->dy_bf16) ? (const void *)task->dy_bf16 : task->dy;
}

VGG_INLINE gradient_rows gradient_at(const vgg_winograd_weights_task *task, tile_place place,
                                     size_t block) {
    const vgg_conv_shape *shape = &task->shape;
    size_t top = place.row * TILE, left = place.column * TILE;
    size_t plane = place.image * vgg_blocks(shape->outputs) + block;
    static const float zeros[TILE * VGG_BLOCK];
    bool numbers = HAS_NUMBERS(task->dy_bf16);
    const void *map = gradient_map(task);
    gradient_rows tile = {.numbers = numbers,
                          .columns = (int)vgg_size_min(TILE, shape->width - left)};
    for (size_t row = 0; row < TILE; row++) {
        size_t y = top + row, at = ((plane * shape->height + y) * shape->width + left) * VGG_BLOCK;
        tile.rows[row] = y < shape->height ? map_at(map, numbers, (ptrdiff_t)at) : zeros;
        fetch_gradient_ahead(tile.rows[row], numbers);
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
    bool numbers = HAS_NUMBERS(task->dy_bf16);
    const void *map = gradient_map(task);
    gradient_rows tile = {.numbers = numbers,
                          .columns = (int)vgg_size_min(TILE, 2 * (width - left))};
    for (size_t row = 0; row < TILE / 2; row++) {
        bool inside = top + row < height;
        size_t at = inside ? plane + (top + row) * width + left : 0;
        tile.rows[row] = inside ? map_at(map, numbers, (ptrdiff_t)(at * VGG_BLOCK)) : zeros;
        tile.chosen[row] = inside ? task->spread + at : none;
    }
    return tile;
}

#endif
