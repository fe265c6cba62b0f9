/* Where the places of a patch come from: its rows are those of the images of a part with zeros
 * between, and a row begins with the zeros that end the one before. */
#ifndef VGG_KERNELS_AMX_PLACES_H
#define VGG_KERNELS_AMX_PLACES_H

#include "kernels/amx.h"
#include "kernels/choice.h"

/* A part of a batch: its images, and the rows of its output, which are those of the patch that
 * begin a window of taps. */
typedef struct batch_part {
    size_t image, images;
    size_t first_row, rows; /* of the output of an image */
    size_t flat_rows;       /* of the patch, from the first to the last that has an output */
} batch_part;

static inline batch_part part_of(const vgg_conv_shape *shape, const vgg_direct_cut *cut,
                                 size_t index) {
    batch_part part = {.image = index / cut->row_parts * cut->images,
                       .first_row = index % cut->row_parts * cut->rows};
    part.images = vgg_size_min(cut->images, shape->images - part.image);
    part.rows = vgg_size_min(cut->rows, shape->height - part.first_row);
    part.flat_rows = (part.images - 1) * cut->period + part.rows;
    return part;
}

/* A row of a map of one block of channels: values, or the windows of a max-pool and what they
 * chose. */
typedef struct map_row {
    const float *values; /* NULL: zeros */
    const vgg_choice *chosen;
    int odd; /* the row within its windows */
    size_t places;
} map_row;

/* Row y of a block of an image of maps (height, width), which may lie outside. */
VGG_INLINE map_row map_row_at(const float *from, const vgg_choice *spread, size_t plane, size_t y,
                              size_t height, size_t width) {
    if (spread != NULL) {
        size_t row = y / 2, pixel = (plane * (height / 2) + row) * (width / 2);
        if (y >= height || row >= height / 2)
            return (map_row){0};
        return (map_row){from + pixel * VGG_BLOCK, spread + pixel, (int)(y % 2), width / 2 * 2};
    }
    if (y >= height)
        return (map_row){0};
    return (map_row){.values = from + (plane * height + y) * width * VGG_BLOCK, .places = width};
}

VGG_INLINE vf map_value(const map_row *row, bool spread, size_t place) {
    if (!spread)
        return vf_load(row->values + place * VGG_BLOCK);
    size_t at = place / 2;
    return unpool(vf_load(row->values + at * VGG_BLOCK), &row->chosen[at], 0, row->odd,
                  (int)(place % 2));
}

#endif
