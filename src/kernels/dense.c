/* Linear layers at every place of a map: the windows that they see there, and the mean of what they
 * say. The same for every tier. */
#include <string.h>

#include "kernels/shared.h"
#include "kernels/window.h"

size_t vgg_window_tiles(size_t height, size_t width) {
    size_t rows = height - VGG_WINDOW + 1, columns = width - VGG_WINDOW + 1;
    return ((rows + VGG_WINDOW_TILE - 1) / VGG_WINDOW_TILE) *
           ((columns + VGG_WINDOW_TILE - 1) / VGG_WINDOW_TILE);
}

size_t vgg_window_tile_floats(size_t channels) {
    return VGG_WINDOW_POINTS * vgg_window_row(channels);
}

size_t vgg_window_scratch(size_t tiles) {
    return VGG_WINDOW_POINTS * (vgg_window_product_point(tiles) + VGG_WINDOW_FILTER_POINT);
}

/* What filters take to make, in products of a tile: they are made once for all. */
#define FILTER_PRODUCTS 800

bool vgg_window_pays(size_t images, size_t height, size_t width) {
    size_t places = (height - VGG_WINDOW + 1) * (width - VGG_WINDOW + 1);
    size_t tiles = vgg_window_tiles(height, width);
    return images * tiles * VGG_WINDOW_POINTS + FILTER_PRODUCTS <
           images * places * VGG_WINDOW * VGG_WINDOW;
}

/* A window of one channel, as a row of it. */
static void copy_channel(const vgg_windows_task *task, const float *corner, float *to) {
    for (size_t y = 0; y < task->window_height; y++) {
        const float *from = corner + y * task->width * VGG_BLOCK;
        for (size_t x = 0; x < task->window_width; x++) {
            *to++ = from[x * VGG_BLOCK];
        }
    }
}

void vgg_windows(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_windows_task *task = argument;
    size_t rows = task->height - task->window_height + 1;
    size_t columns = task->width - task->window_width + 1;
    size_t window = task->window_height * task->window_width;
    size_t block = task->height * task->width * VGG_BLOCK;
    for (size_t unit = begin; unit < end; unit++) {
        size_t image = unit / (rows * columns), place = unit % (rows * columns);
        size_t corner = (place / columns * task->width + place % columns) * VGG_BLOCK;
        const float *from = task->x + image * vgg_blocks(task->channels) * block + corner;
        float *to = task->y + unit * task->channels * window;
        for (size_t c = 0; c < task->channels; c++) {
            copy_channel(task, from + c / VGG_BLOCK * block + c % VGG_BLOCK, to + c * window);
        }
    }
}

void vgg_row_means(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_row_means_task *task = argument;
    size_t last = vgg_size_min(end * VGG_MEAN_COLUMNS, task->columns);
    for (size_t image = 0; image < task->images; image++) {
        const float *from = task->x + image * task->rows * task->columns;
        for (size_t column = begin * VGG_MEAN_COLUMNS; column < last; column++) {
            double sum = 0;
            for (size_t row = 0; row < task->rows; row++) {
                sum += (double)from[row * task->columns + column];
            }
            task->y[image * task->columns + column] = (float)(sum / (double)task->rows);
        }
    }
}
