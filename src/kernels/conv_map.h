/* The direct convolution of maps that are one register tile: each weight is read once, and of the
 * products those with the border of zeros are left out. Part of conv.c. */
#ifndef VGG_KERNELS_CONV_MAP_H
#define VGG_KERNELS_CONV_MAP_H

/* Bytes from the weights that are multiplied to those that are fetched. */
#define MAP_AHEAD 16384

/* Output blocks of a tile that is a map of so many rows and columns; 0 where it has no room in the
 * registers. */
#if VGG_LANES == 16
#define MAP2_BLOCKS 2
#define MAP4_BLOCKS 1
#elif VGG_LANES == 8
#define MAP2_BLOCKS 1
#define MAP4_BLOCKS 0
#else
#define MAP2_BLOCKS 0
#define MAP4_BLOCKS 0
#endif

/* What a tap adds to the outputs that it sees values for. x: the channels of a block at all places
 * of the map; w: those of the tap. */
VGG_INLINE void map_tap(const tile_setting *setting, int side, int blocks, int tap_row, int tap,
                        size_t channels, const float *x, const float *w, vf *sums) {
    for (size_t c = 0; c < channels; c++) {
        vf weight[TILE_BLOCKS * BLOCK_VECTORS];
        VGG_UNROLL
        for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
            const float *from = w + (size_t)(v / BLOCK_VECTORS) * setting->weight_block +
                                c * VGG_BLOCK + v % BLOCK_VECTORS * VGG_LANES;
            vf_fetch((const char *)from + MAP_AHEAD);
            weight[v] = vf_load(from);
        }
        VGG_UNROLL
        for (int p = 0; p < side * side; p++) {
            int row = p / side + tap_row - 1, column = p % side + tap - 1;
            if (row < 0 || row >= side || column < 0 || column >= side)
                continue;
            vf value = vf_splat(x[(row * side + column) * VGG_BLOCK + (int)c]);
            VGG_UNROLL
            for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
                sums[v * side * side + p] += weight[v] * value;
            }
        }
    }
}

/* totals[v][place] of all places of a map, in two levels as in accumulate. */
VGG_INLINE void map_sums(const tile_setting *setting, int side, int blocks, const float *x,
                         const float *w, vf *totals) {
    const int count = blocks * BLOCK_VECTORS * side * side, tap_floats = VGG_BLOCK * VGG_BLOCK;
    for (int i = 0; i < count; i++) {
        totals[i] = (vf){0};
    }
    for (size_t plane = 0; plane < setting->outer; plane++) {
        size_t channels = vgg_size_min(VGG_BLOCK, setting->inputs - plane * VGG_BLOCK);
        vf sums[TILE_BLOCKS * BLOCK_VECTORS * 16];
        VGG_UNROLL
        for (int i = 0; i < count; i++) {
            sums[i] = (vf){0};
        }
#define TAP(row, column)                                                                           \
    map_tap(setting, side, blocks, row, column, channels, x, w + (row * 3 + column) * tap_floats,  \
            sums);
        TAP(0, 0)
        TAP(0, 1)
        TAP(0, 2)
        TAP(1, 0)
        TAP(1, 1)
        TAP(1, 2)
        TAP(2, 0)
        TAP(2, 1)
        TAP(2, 2)
#undef TAP
        VGG_UNROLL
        for (int i = 0; i < count; i++) {
            totals[i] += sums[i];
        }
        x += side * side * VGG_BLOCK;
        w += 9 * tap_floats;
    }
}

/* A map of some neighbouring output blocks; k is the first of them, x the image. */
VGG_INLINE void map_tile(const tile_setting *setting, int side, int blocks, const float *x,
                         size_t image, size_t k) {
    const vgg_conv_forward_task *task = setting->task;
    vf totals[TILE_BLOCKS * BLOCK_VECTORS * 16];
    map_sums(setting, side, blocks, x, task->packed + k * setting->weight_block, totals);
    pool_window windows[TILE_BLOCKS];
    int step = task->pool ? 2 : 1, width = side / step;
    size_t plane = (image * vgg_blocks(task->shape.outputs) + k) * (size_t)(width * width);
    for (int row = 0; row < width; row++) {
        float *to = task->y == NULL ? NULL : task->y + (plane + (size_t)(row * width)) * VGG_BLOCK;
        for (int r = 0; r < step; r++) {
            float *y = setting->direct ? to : windows[0][r][0];
            for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
                put_outputs(setting, side, totals + (v * side + row * step + r) * side,
                            k * VGG_BLOCK + (size_t)(v * VGG_LANES),
                            y + (size_t)(v / BLOCK_VECTORS) * setting->output_block +
                                v % BLOCK_VECTORS * VGG_LANES);
            }
        }
        finish_tile(setting, (const pool_window *)windows, image, k, blocks, (size_t)width,
                    (size_t)(row * width), (size_t)(width * width));
    }
}

/* Functions of their own: each has all registers. */
#if MAP2_BLOCKS > 0
static __attribute__((noinline)) void map2_tile(const tile_setting *setting, const float *x,
                                                size_t image, size_t k, bool single) {
    if (single || MAP2_BLOCKS == 1)
        map_tile(setting, 2, 1, x, image, k);
    else
        map_tile(setting, 2, MAP2_BLOCKS, x, image, k);
}
#endif

#if MAP4_BLOCKS > 0
static __attribute__((noinline)) void map4_tile(const tile_setting *setting, const float *x,
                                                size_t image, size_t k) {
    map_tile(setting, 4, MAP4_BLOCKS, x, image, k);
}
#endif

/* The output blocks from k to `end` of an image, if its maps are tiles: else false. */
static bool map_blocks(const tile_setting *setting, const float *x, size_t image, size_t k,
                       size_t end) {
    const vgg_conv_shape *shape = &setting->task->shape;
    if (shape->kernel != 3 || shape->height != shape->width || vgg_conv_border(shape) != 1)
        return false;
    (void)x, (void)image, (void)k, (void)end;
#if MAP2_BLOCKS > 0
    if (shape->height == 2) {
        for (; k < end; k += MAP2_BLOCKS) {
            map2_tile(setting, x, image, k, k + MAP2_BLOCKS > end);
        }
        return true;
    }
#endif
#if MAP4_BLOCKS > 0
    if (shape->height == 4) {
        for (; k < end; k += MAP4_BLOCKS) {
            map4_tile(setting, x, image, k);
        }
        return true;
    }
#endif
    return false;
}

#endif
