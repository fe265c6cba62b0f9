/* TrivialAugment (Müller & Hutter 2021) in its wide space: one operation of one strength for each
 * picture. Operations and ranges are those of torchvision's TrivialAugmentWide; ours move pixels
 * with a bilinear filter, and reflect the picture where its would be black. */
#include <math.h>

#include "image/views.h"

/* Strengths are counted from 0. */
#define STRENGTHS 31

typedef enum operation {
    IDENTITY,
    SHEAR_X,
    SHEAR_Y,
    SHIFT_X,
    SHIFT_Y,
    ROTATE,
    BRIGHTNESS,
    SATURATION,
    CONTRAST,
    SHARPNESS,
    POSTERIZE,
    SOLARIZE,
    AUTOCONTRAST,
    EQUALIZE,
    OPERATIONS,
} operation;

/* The most of each; the least is 0. */
#define MOST_SHEAR 0.99
#define MOST_SHIFT 32.0
#define MOST_ROTATION 135.0
#define MOST_CHANGE 0.99
#define LEAST_BITS 2

static vgg_status warp(vgg_image *image, double b, double c, double e, double f, vgg_error *error) {
    vgg_view_map map = {.a = 1, .b = b, .c = c, .d = 1, .e = e, .f = f};
    return vgg_view_warp(image, &map, error);
}

/* signed_share: the share of the most, of either sign; share: without it. */
static vgg_status move(vgg_image *image, operation what, double signed_share, vgg_error *error) {
    switch (what) {
    case SHEAR_X:
        return warp(image, MOST_SHEAR * signed_share, 0, 0, 0, error);
    case SHEAR_Y:
        return warp(image, 0, MOST_SHEAR * signed_share, 0, 0, error);
    case SHIFT_X:
        return warp(image, 0, 0, -floor(MOST_SHIFT * signed_share), 0, error);
    case SHIFT_Y:
        return warp(image, 0, 0, 0, -floor(MOST_SHIFT * signed_share), error);
    default:
        return vgg_view_rotate(image, MOST_ROTATION * signed_share, error);
    }
}

static vgg_status recolour(vgg_image *image, operation what, double share, double signed_share,
                           vgg_error *error) {
    double factor = 1 + MOST_CHANGE * signed_share;
    switch (what) {
    case BRIGHTNESS:
        vgg_view_brightness(image, factor);
        return VGG_OK;
    case SATURATION:
        vgg_view_saturation(image, factor);
        return VGG_OK;
    case CONTRAST:
        vgg_view_contrast(image, factor);
        return VGG_OK;
    case SHARPNESS:
        return vgg_view_sharpness(image, factor, error);
    case POSTERIZE:
        vgg_view_posterize(image, 8 - (unsigned)rint((8 - LEAST_BITS) * share));
        return VGG_OK;
    case SOLARIZE:
        vgg_view_solarize(image, (unsigned)rint(255 * (1 - share)));
        return VGG_OK;
    case AUTOCONTRAST:
        vgg_view_autocontrast(image);
        return VGG_OK;
    default:
        vgg_view_equalize(image);
        return VGG_OK;
    }
}

vgg_status vgg_view_policy(vgg_image *image, const vgg_view_draw *draw, vgg_error *error) {
    operation what = (operation)vgg_view_below(draw, VGG_DRAW_OPERATION, OPERATIONS);
    size_t strength = vgg_view_below(draw, VGG_DRAW_STRENGTH, STRENGTHS);
    bool negative = vgg_view_below(draw, VGG_DRAW_SIGN, 2) == 1;
    double share = (double)strength / (STRENGTHS - 1), signed_share = negative ? -share : share;
    if (what == IDENTITY)
        return VGG_OK;
    if (what <= ROTATE)
        return move(image, what, signed_share, error);
    return recolour(image, what, share, signed_share, error);
}
