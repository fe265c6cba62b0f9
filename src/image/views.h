/* The parts of a random view. Each takes the picture as it is and changes it in place; what is
 * random about it was drawn by its caller. */
#ifndef VGG_IMAGE_VIEWS_H
#define VGG_IMAGE_VIEWS_H

#include "base/random.h"
#include "image/picture.h"

/* What each draw of a view is for; part of what a seed means, so never renumbered. */
enum {
    VGG_DRAW_X = 0,
    VGG_DRAW_Y = 1,
    VGG_DRAW_FLIP = 2,
    VGG_DRAW_SCALE = 3,
    VGG_DRAW_SHIFT_X = 4,
    VGG_DRAW_SHIFT_Y = 5,
    VGG_DRAW_ROTATION = 6,
    VGG_DRAW_BRIGHTNESS = 7,
    VGG_DRAW_CONTRAST = 8,
    VGG_DRAW_SATURATION = 9,
    VGG_DRAW_ORDER = 10,
    VGG_DRAW_OPERATION = 11,
    VGG_DRAW_STRENGTH = 12,
    VGG_DRAW_SIGN = 13,
    VGG_DRAW_ERASE = 14,
    VGG_DRAW_PCA = 16, /* three normal ones, of two draws each */
    /* Four per attempt: area, proportions, place across and down. */
    VGG_DRAW_ERASE_TRIES = 64,
    VGG_DRAW_AREA_TRIES = 128,
};

/* Where the numbers of one view come from. */
typedef struct vgg_view_draw {
    uint64_t key, index;
} vgg_view_draw;

/* Uniform in [least, most). */
static inline double vgg_view_uniform(const vgg_view_draw *draw, uint64_t what, double least,
                                      double most) {
    return least + (most - least) * vgg_random_unit(draw->key, draw->index, what);
}

/* Uniform in 0..bound-1. */
static inline size_t vgg_view_below(const vgg_view_draw *draw, uint64_t what, size_t bound) {
    return (size_t)vgg_random_below(bound, draw->key, draw->index, what);
}

/* ---- view_shape.c ---- */

/* A rectangle of a share of a picture's area between the two, with proportions between `ratio` and
 * 1 / ratio, as torchvision draws it for random resized crops and erasing; false when ten attempts
 * did not fit. */
bool vgg_view_rectangle(const vgg_view_draw *draw, uint64_t tries, size_t width, size_t height,
                        double least, double most, double ratio, vgg_part *part);

/* Moves the picture right and down; what comes in is the picture reflected at its edges, which are
 * not repeated. Both less than its sides. */
vgg_status vgg_view_shift(vgg_image *image, ptrdiff_t right, ptrdiff_t down, vgg_error *error);

/* The picture's place of an output place: (x, y) becomes (a x + b y + e, c x + d y + f), counted
 * from the middle. Bilinear; what lies outside is reflected. */
typedef struct vgg_view_map {
    double a, b, c, d, e, f;
} vgg_view_map;

vgg_status vgg_view_warp(vgg_image *image, const vgg_view_map *map, vgg_error *error);
/* By degrees against the clock. */
vgg_status vgg_view_rotate(vgg_image *image, double degrees, vgg_error *error);

/* ---- view_colour.c ---- */

/* As Pillow's ImageEnhance: 0 is black, the mean grey, the picture without colours, smoothed; 1 the
 * picture as it is; more is more. */
void vgg_view_brightness(vgg_image *image, double factor);
void vgg_view_contrast(vgg_image *image, double factor);
void vgg_view_saturation(vgg_image *image, double factor);
vgg_status vgg_view_sharpness(vgg_image *image, double factor, vgg_error *error);

/* As Pillow's ImageOps: bits to keep; samples from `threshold` on become their complement; the
 * darkest and the lightest sample of each channel become 0 and 255; all samples as frequent. */
void vgg_view_posterize(vgg_image *image, unsigned bits);
void vgg_view_solarize(vgg_image *image, unsigned threshold);
void vgg_view_autocontrast(vgg_image *image);
void vgg_view_equalize(vgg_image *image);

/* Adds to red, green and blue what the three `amounts` of the colours' principal components of
 * ImageNet are (Krizhevsky et al. 2012), in units of 255. */
void vgg_view_shift_colours(vgg_image *image, const double amounts[3]);

/* ---- view_policy.c ---- */

/* One operation of one strength, as TrivialAugment draws them. */
vgg_status vgg_view_policy(vgg_image *image, const vgg_view_draw *draw, vgg_error *error);

#endif
