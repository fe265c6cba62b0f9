/* The optimiser as the training loop sees it. */
#ifndef VGG_TRAIN_OPTIMISER_H
#define VGG_TRAIN_OPTIMISER_H

#include "vgg/train.h"

/* The velocities are the values of a network of the same architecture, so that they are saved and
 * loaded like one; those of frozen layers have no values. It belongs to the optimiser. */
vgg_network *vgg_optimiser_velocity(const vgg_optimiser *optimiser);

#endif
