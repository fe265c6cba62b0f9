/* Data sets whose pictures are all of one size and lie decoded in memory: MNIST and CIFAR. */
#ifndef VGG_DATA_PIXELS_H
#define VGG_DATA_PIXELS_H

#include "data/dataset.h"

typedef struct vgg_pixels {
    vgg_source base;
    size_t count, width, height, channels;
    uint8_t *samples; /* count x height x width x channels */
} vgg_pixels;

/* A source with room for count pictures; the caller is an owner. `name` is for messages. */
vgg_status vgg_pixels_create(const char *name, size_t count, size_t height, size_t width,
                             size_t channels, vgg_pixels **pixels, vgg_error *error);
/* Where picture number i is: height x width x channels. */
uint8_t *vgg_pixels_picture(const vgg_pixels *pixels, size_t i);

/* An empty data set of that source. */
vgg_status vgg_pixels_dataset(vgg_pixels *pixels, const char *kind, const char *name,
                              vgg_dataset **dataset, vgg_error *error);
/* Adds picture `number` of the source as "<file>: picture <in_file>". */
vgg_status vgg_pixels_add(vgg_dataset *dataset, const char *file, size_t in_file, size_t number,
                          size_t class_index, vgg_error *error);

/* Names the classes "0" to "count - 1". */
vgg_status vgg_number_classes(vgg_dataset *dataset, size_t count, vgg_error *error);

#endif
