/* Tiles of the input of Winograd's convolutions: where the rows of one lie, and its transform in
 * columns, of which each pass makes the rows in words of its own. */
#ifndef VGG_KERNELS_WINOGRAD_INPUT_H
#define VGG_KERNELS_WINOGRAD_INPUT_H

#include "kernels/winograd_maps.h"
#include "kernels/winograd_transforms.h"

/* Tiles of input that are fetched before they are needed. */
#define INPUT_TILES_AHEAD 3

/* The rows of a tile of one channel block, from the second column on, of a map of floats or of
 * numbers of bfloat16; only the columns begin .. end-1 lie in the picture. */
typedef struct input_tile {
    const void *rows[SIDE];
    bool numbers;
    int begin, end;
} input_tile;

/* The rows of a tile are streams too short for the processor to foresee. */
VGG_INLINE void fetch_input_ahead(const void *row, bool numbers) {
    for (ptrdiff_t pixel = 1; pixel <= TILE; pixel++) {
        __builtin_prefetch(map_at(row, numbers, (INPUT_TILES_AHEAD * TILE + pixel) * VGG_BLOCK));
    }
}

/* The tile (tile_row, tile_column) of a channel block of an image of a map, which is blocked and of
 * shape->inputs channels. */
VGG_INLINE input_tile input_tile_at(const vgg_conv_shape *shape, const void *map, bool numbers,
                                    size_t image, size_t block, size_t tile_row,
                                    size_t tile_column) {
    static const float zeros[SIDE * VGG_BLOCK];
    size_t height = vgg_conv_in_height(shape), width = vgg_conv_in_width(shape);
    size_t border = vgg_conv_border(shape);
    size_t plane = (image * vgg_blocks(shape->inputs) + block) * height * width;
    /* The row and column of the picture with its border where the tile's first ones are. */
    size_t top = tile_row * TILE, left = tile_column * TILE;
    input_tile tile = {.numbers = numbers,
                       .begin = left == 0 ? (int)border : 0,
                       .end = (int)vgg_size_min(SIDE, width + border - left)};
    for (size_t row = 0; row < SIDE; row++) {
        size_t y = top + row - border; /* wraps around above the picture */
        tile.rows[row] = zeros + VGG_BLOCK;
        if (y < height)
            tile.rows[row] = map_at(
                map, numbers, (ptrdiff_t)((plane + y * width + left + 1 - border) * VGG_BLOCK));
        fetch_input_ahead(tile.rows[row], numbers);
    }
    return tile;
}

/* half: vector `part` of the block with its columns transformed. */
VGG_INLINE void input_columns(const input_tile *tile, bool numbers, int begin, int end, int part,
                              vf half[LINE][SIDE]) {
    VGG_UNROLL
    for (int column = 0; column < SIDE; column++) {
        vf values[SIDE], out[LINE] = {{0}};
        if (column >= begin && column < end) {
            VGG_UNROLL
            for (int row = 0; row < SIDE; row++) {
                values[row] =
                    load_at(tile->rows[row], numbers, (column - 1) * VGG_BLOCK + part * VGG_LANES);
            }
            transform_input(values, out);
        }
        VGG_UNROLL
        for (int row = 0; row < LINE; row++) {
            half[row][column] = out[row];
        }
    }
}

VGG_INLINE void input_half_of(const input_tile *tile, bool numbers, int part, vf half[LINE][SIDE]) {
    if (WHOLE)
        input_columns(tile, numbers, 1, 1 + TILE, part, half);
    else if (tile->begin == 0 && tile->end == SIDE)
        input_columns(tile, numbers, 0, SIDE, part, half);
    else
        input_columns(tile, numbers, tile->begin, tile->end, part, half);
}

VGG_INLINE void input_half(const input_tile *tile, int part, vf half[LINE][SIDE]) {
    if (tile->numbers)
        input_half_of(tile, true, part, half);
    else
        input_half_of(tile, false, part, half);
}

#endif
