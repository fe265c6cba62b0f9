/* Colours for how much there is of something, from dark (nothing) to yellow (most), evenly to the
 * eye.
 */
#ifndef VGG_CLI_COLOUR_SCALE_H
#define VGG_CLI_COLOUR_SCALE_H

/* Of sRGB, from 0 to 1. */
typedef struct vgg_cli_colour {
    double red, green, blue;
} vgg_cli_colour;

typedef struct vgg_cli_colour_scale {
    vgg_cli_colour colours[256];
} vgg_cli_colour_scale;

void vgg_cli_colour_scale_make(vgg_cli_colour_scale *scale);

/* The colour of what is from 0, nothing, to 1. */
vgg_cli_colour vgg_cli_colour_of(const vgg_cli_colour_scale *scale, double heat);

#endif
