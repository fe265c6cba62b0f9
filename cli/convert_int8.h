/* vgg convert --dtype int8: a calibration on a folder of pictures. */
#ifndef VGG_CLI_CONVERT_INT8_H
#define VGG_CLI_CONVERT_INT8_H

#include <stdbool.h>

#include "vgg/vgg.h"

/* Has the convolutions of a model in int8, by pictures in a folder or one picture, and stores their
 * weights in 16 bits. False, after saying why, when that cannot be. */
bool vgg_cli_convert_int8(vgg_model *model, const char *pictures, double max_drop);

/* Prints how each layer is in int8, and what that costs; nothing where none is. */
void vgg_cli_print_int8(const vgg_network *network);

/* Whether a convolution is computed in int8. */
bool vgg_cli_has_int8(const vgg_network *network);

#endif
