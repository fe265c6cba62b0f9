/* A map laid over a picture in colours, with what they mean. */
#ifndef VGG_CLI_HEAT_PICTURE_H
#define VGG_CLI_HEAT_PICTURE_H

#include <stdbool.h>

#include "vgg/image.h"

typedef struct vgg_cli_heat {
    const vgg_preprocess *preprocess; /* says which part of the picture the network sees */
    const vgg_image *image;
    const float *map; /* (height, width) of the preprocessing */
    double most;      /* its largest value; what is not above 0 has no colour */
    const char *title, *method;
    bool blank; /* nothing is above 0 */
} vgg_cli_heat;

/* What the network sees with the map laid over it, alone; the caller frees the picture. */
vgg_status vgg_cli_heat_draw(const vgg_cli_heat *heat, vgg_image *picture, vgg_error *error);

/* The same with a bar of the colours and texts below it, into a file. */
vgg_status vgg_cli_heat_save(const vgg_cli_heat *heat, const char *path, vgg_error *error);

/* ---- heat_text.c ---- */

/* A text on a picture: its size in pixels, and where it begins, or ends when it is `right`. */
typedef struct vgg_cli_heat_text {
    const char *text;
    double size, x, y;
    bool bold, right;
} vgg_cli_heat_text;

/* Writes texts on a picture, in dark grey; a program that was built without Cairo writes none. */
void vgg_cli_heat_write(vgg_image *canvas, const vgg_cli_heat_text *texts, size_t count);

#endif
