/* In which order an epoch shows the pictures of a data set. */
#ifndef VGG_DATA_ORDER_H
#define VGG_DATA_ORDER_H

#include "vgg/data.h"

/* Fills order, one entry per picture of the data, with as many pictures of each class, or nearly:
 * those of a small class come several times, and of a large one other pictures in each epoch, until
 * all were shown. Picture i that comes for the r-th time is entry i + r * (pictures of the data),
 * so that it has another view each time. */
vgg_status vgg_order_balanced(const vgg_dataset *dataset, uint64_t seed, uint64_t epoch,
                              size_t *order, vgg_error *error);

#endif
