/* Drawing with Cairo, in a process of its own. */
#ifndef VGG_CLI_REPORT_DRAWING_H
#define VGG_CLI_REPORT_DRAWING_H

#include <stdbool.h>
#include <stdio.h>

#include <cairo.h>

#include "vgg/image.h"

/* `place`: the share of the text that lies left of x. */
void vgg_cli_write_text(cairo_t *cairo, const char *text, double x, double y, double place);
void vgg_cli_set_font(cairo_t *cairo, double size, bool bold);

/* A white drawing; *cairo is NULL when there is no memory. */
cairo_surface_t *vgg_cli_drawing_begin(double width, double height, cairo_t **cairo);
/* Sends it, when it could be drawn. */
void vgg_cli_drawing_end(cairo_surface_t *surface, cairo_t *cairo, FILE *out);

typedef void vgg_cli_draw(const void *shown, FILE *out);

/* Has it drawn by a child of this process: Fontconfig, by which Cairo finds letters, crashes or
 * turns in a circle without memory, and that must not be the end of a training. False when nothing
 * whole came of it; the caller frees image->pixels in any case. */
bool vgg_cli_draw_apart(vgg_cli_draw *draw, const void *shown, vgg_image *image);

#endif
