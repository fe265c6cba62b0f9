/* LPIPS of what a layer gives for two pictures, and its gradient. All of it waits for memory, so
 * that values are read as few times as can be. */
#include <math.h>

#include "kernels/choice.h"

/* Neighbouring places whose sums are in registers. */
#if VGG_LANES == 16
#define PLACES 8
#else
#define PLACES 4
#endif

/* Where a block of the values from a place on lies. */
VGG_INLINE size_t block_at(const vgg_lpips_task *task, size_t block, size_t place) {
    return (block * task->height * task->width + place) * VGG_BLOCK;
}

/* sums[p]: those of so many vectors. */
VGG_INLINE void add_lanes(size_t count, const vf vectors[PLACES], float sums[PLACES]) {
    if (count < PLACES) {
        for (size_t p = 0; p < count; p++) {
            sums[p] = vf_sum(vectors[p]);
        }
        return;
    }
    VGG_UNROLL
    for (size_t p = 0; p < PLACES; p += 4) {
        vf_sum4(vectors + p, sums + p);
    }
}

/* The squares of x at `count` places, added up over the channels. Fetches what the next places have
 * of x and y. */
VGG_INLINE void add_squares(const vgg_lpips_task *task, size_t first, size_t count,
                            float sums[PLACES]) {
    vf squares[PLACES] = {{0}};
    for (size_t block = 0; block < vgg_blocks(task->channels); block++) {
        size_t at = block_at(task, block, first);
        VGG_UNROLL
        for (size_t p = 0; p < count; p++) {
            __builtin_prefetch(task->x + at + (PLACES + p) * VGG_BLOCK);
            if (task->y != NULL)
                __builtin_prefetch(task->y + at + (PLACES + p) * VGG_BLOCK);
            VGG_UNROLL
            for (size_t i = 0; i < VGG_BLOCK; i += VGG_LANES) {
                vf x = vf_load(task->x + at + p * VGG_BLOCK + i);
                squares[p] += x * x;
            }
        }
    }
    add_lanes(count, squares, sums);
}

/* lengths: of x, and what is to be its inverse. */
VGG_INLINE void find_lengths(const vgg_lpips_task *task, size_t first, size_t count,
                             float lengths[PLACES]) {
    float squares[PLACES];
    add_squares(task, first, count, squares);
    for (size_t p = 0; p < count; p++) {
        lengths[p] = sqrtf(squares[p]);
        double length = (double)lengths[p] + VGG_LPIPS_EPSILON;
        task->inverse[first + p] =
            lengths[p] > 0 || lengths[p] != lengths[p] ? (float)(1 / length) : 0;
    }
}

/* The sums over the channels of w d^2 and of w d x, with d the difference of unit vectors. */
VGG_INLINE void add_differences(const vgg_lpips_task *task, size_t first, size_t count,
                                float distances[PLACES], float along[PLACES]) {
    vf squares[PLACES] = {{0}}, products[PLACES] = {{0}};
    const float *x_inverse = task->inverse + first, *y_inverse = task->y_inverse + first;
    for (size_t i = 0; i < vgg_blocks(task->channels) * VGG_BLOCK; i += VGG_LANES) {
        vf weight = vf_load(task->weights + i);
        size_t at = block_at(task, i / VGG_BLOCK, first) + i % VGG_BLOCK;
        VGG_UNROLL
        for (size_t p = 0; p < count; p++) {
            vf x = vf_load(task->x + at + p * VGG_BLOCK), y = vf_load(task->y + at + p * VGG_BLOCK);
            vf difference = x * x_inverse[p] - y * y_inverse[p];
            vf weighted = weight * difference;
            squares[p] += weighted * difference;
            products[p] += weighted * x;
        }
    }
    add_lanes(count, squares, distances);
    add_lanes(count, products, along);
}

VGG_INLINE void compare_places(const vgg_lpips_task *task, size_t first, size_t count) {
    float lengths[PLACES], along[PLACES];
    find_lengths(task, first, count, lengths);
    add_differences(task, first, count, task->distances + first, along);
    for (size_t p = 0; p < count; p++) {
        double inverse = (double)task->inverse[first + p], length = (double)lengths[p];
        double pull = 2 * (double)along[p] * inverse * inverse / length;
        task->pull[first + p] = length > 0 ? (float)pull : 0;
    }
}

/* Of a pair of rows, the last of which may be missing. */
VGG_INLINE void look_at_rows(const vgg_lpips_task *task, size_t pair, bool compares) {
    size_t place = 2 * pair * task->width, row = place + task->width;
    size_t last = 2 * pair + 1 < task->height ? row + task->width : row;
    float lengths[PLACES];
    for (; place + PLACES <= last; place += PLACES) {
        if (compares)
            compare_places(task, place, PLACES);
        else
            find_lengths(task, place, PLACES, lengths);
    }
    if (place < last && compares)
        compare_places(task, place, last - place);
    else if (place < last)
        find_lengths(task, place, last - place, lengths);
}

/* The windows of a pair of rows, while they are in the caches. */
static void pool_rows(const vgg_lpips_task *task, size_t pair) {
    size_t height = task->height / 2, width = task->width / 2;
    if (task->pool == NULL || pair >= height)
        return;
    for (size_t block = 0; block < vgg_blocks(task->channels); block++) {
        const float *top = task->x + block_at(task, block, 2 * pair * task->width);
        size_t to = (block * height + pair) * width;
        pool_row(top, top + task->width * VGG_BLOCK, width, task->pool + to * VGG_BLOCK,
                 task->chosen == NULL ? NULL : task->chosen + to);
    }
}

void VGG_TIERED(lpips_lengths)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(lpips_lengths)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t pair = begin; pair < end; pair++) {
        look_at_rows(argument, pair, false);
        pool_rows(argument, pair);
    }
}

void VGG_TIERED(lpips_compare)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(lpips_compare)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t pair = begin; pair < end; pair++) {
        look_at_rows(argument, pair, true);
        pool_rows(argument, pair);
    }
}

/* ---- the gradient ---- */

/* Where the slopes of places find what comes from above: nowhere, where they are put, or in the
 * windows of a max-pool. */
typedef enum above { ABOVE_NOTHING, ABOVE_HELD, ABOVE_POOLED } above;

/* A row of a block: where its values and its windows begin. */
typedef struct slope_row {
    size_t first, windows; /* places of the map and of the pooled one */
    size_t block;
    int parity; /* which row of its windows it is */
} slope_row;

/* A place of a row. */
VGG_INLINE void slope_place(const vgg_lpips_task *task, above from, const slope_row *row,
                            size_t column, float share) {
    size_t place = row->first + column;
    float inverse = task->inverse[place], y_inverse = task->y_inverse[place];
    float scale = 2 * share * inverse, pull = share * task->pull[place];
    VGG_UNROLL
    for (int part = 0; part < BLOCK_VECTORS; part++) {
        size_t lane = (size_t)part * VGG_LANES, at = block_at(task, row->block, place) + lane;
        vf x = vf_load(task->x + at), y = vf_load(task->y + at);
        vf weighted =
            vf_load(task->weights + row->block * VGG_BLOCK + lane) * (x * inverse - y * y_inverse);
        vf slope = weighted * scale - x * pull;
        if (from == ABOVE_HELD)
            slope += vf_load(task->slopes + at);
        if (from == ABOVE_POOLED) {
            size_t window = row->windows + column / 2;
            slope += unpool(vf_load(task->pooled + window * VGG_BLOCK + lane), task->chose + window,
                            part, row->parity, (int)(column % 2));
        }
        vf_store(task->slopes + at, vf_where_positive(x, slope));
    }
}

/* The windows of a row end before a last odd column. */
VGG_INLINE void slope_places(const vgg_lpips_task *task, above from, const slope_row *row) {
    float share = 1 / (float)(task->height * task->width);
    size_t column = 0, windows = from == ABOVE_POOLED ? task->width / 2 : 0;
    for (; column < 2 * windows; column += 2) {
        slope_place(task, from, row, column, share);
        slope_place(task, from, row, column + 1, share);
    }
    for (; column < task->width; column++) {
        slope_place(task, from == ABOVE_POOLED ? ABOVE_NOTHING : from, row, column, share);
    }
}

void VGG_TIERED(lpips_slopes)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(lpips_slopes)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_lpips_task *task = argument;
    size_t windows = task->height / 2;
    for (size_t unit = begin; unit < end; unit++) {
        size_t block = unit / task->height, y = unit % task->height;
        slope_row row = {.first = y * task->width,
                         .windows = (block * windows + y / 2) * (task->width / 2),
                         .block = block,
                         .parity = (int)(y % 2)};
        if (task->pooled != NULL && y / 2 < windows)
            slope_places(task, ABOVE_POOLED, &row);
        else if (task->add)
            slope_places(task, ABOVE_HELD, &row);
        else
            slope_places(task, ABOVE_NOTHING, &row);
    }
}
