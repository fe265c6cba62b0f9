/* How a unit of a convolution with tiles of 1 lies in its batch. */
#ifndef VGG_KERNELS_DIRECT_PARTS_H
#define VGG_KERNELS_DIRECT_PARTS_H

#include "kernels/kernels.h"

/* Of output channels in a group. */
#define BLOCKS (VGG_WINOGRAD_GROUP / VGG_BLOCK)

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

/* What a row of a patch is: the image of the batch, and its row of the input with the border, which
 * begins the windows of the output's row y. */
typedef struct patch_row {
    size_t image, y;
} patch_row;

static inline patch_row patch_row_of(const batch_part *part, const vgg_direct_cut *cut,
                                     size_t row) {
    if (part->images == 1)
        return (patch_row){part->image, part->first_row + row};
    return (patch_row){part->image + row / cut->period, row % cut->period};
}

/* What the products of a unit have in common: bytes, apart from counts. */
typedef struct distances {
    size_t taps, away[VGG_MOST_TAPS]; /* of the places that a tap reads */
    size_t chunks, row, plane;        /* of the patch */
    size_t words;                     /* of four input channels each */
    size_t group;                     /* of the filters, from one to the next */
    size_t sums;                      /* between the two blocks of sums */
} distances;

#define PLACE_BYTES 64

static inline distances distances_of(const vgg_conv_shape *shape, const vgg_direct_cut *cut,
                                     size_t sums) {
    distances d = {.taps = shape->kernel * shape->kernel,
                   .row = cut->width * PLACE_BYTES,
                   .plane = cut->plane * PLACE_BYTES,
                   .sums = sums * sizeof(float)};
    for (size_t tap = 0; tap < d.taps; tap++) {
        d.away[tap] = tap / shape->kernel * d.row + tap % shape->kernel * PLACE_BYTES;
    }
    return d;
}

#endif
