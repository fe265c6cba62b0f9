/* The shapes of the pictograms. */
#ifndef VGG_DATA_PICTOGRAM_H
#define VGG_DATA_PICTOGRAM_H

#include <stdbool.h>
#include <stddef.h>

/* True when the point is inside of the shape of a class, which fills most of the circle of radius 1
 * around the origin; x to the right, y downwards. */
bool vgg_pictogram_inside(size_t class_index, double x, double y);

#endif
