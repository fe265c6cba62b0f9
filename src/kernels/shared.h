/* Kernels that are the same for every tier: they move values, or do little. Plans reach them by the
 * table. */
#ifndef VGG_KERNELS_SHARED_H
#define VGG_KERNELS_SHARED_H

#include "kernels/kernels.h"

vgg_work vgg_conv_pack, vgg_conv_picture_pack, vgg_conv_reduce, vgg_batch_norm_running,
    vgg_batch_norm_batch, vgg_batch_norm_gradients, vgg_block, vgg_unblock, vgg_panels, vgg_dropout,
    vgg_windows, vgg_row_means, vgg_winograd_int8_filters, vgg_int8_direct_filters;

#endif
