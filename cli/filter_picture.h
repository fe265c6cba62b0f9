/* The filters of a network's first convolution as a picture. */
#ifndef VGG_CLI_FILTER_PICTURE_H
#define VGG_CLI_FILTER_PICTURE_H

#include <stddef.h>

#include "vgg/image.h"
#include "vgg/model.h"

typedef struct vgg_cli_filter_picture {
    size_t count, height, width; /* how many are drawn, and the size of each */
    char layer[VGG_LAYER_NAME];
    vgg_image image; /* for vgg_image_free */
} vgg_cli_filter_picture;

/* Draws up to `most` of them in rows of 16, each on a scale of its own: grey is 0, and its largest
 * weight white or black. A weight is a square of `times` pixels a side, and `gap` grey ones lie
 * between two filters. VGG_ERROR_UNSUPPORTED for a network that has no convolution, or whose first
 * one sees other than one or three channels. */
vgg_status vgg_cli_filters_draw(const vgg_model *model, size_t most, size_t times, size_t gap,
                                vgg_cli_filter_picture *filters, vgg_error *error);

#endif
