#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "image/picture.h"
#include "vgg/image.h"

static vgg_status check_side(const char *what, size_t side, size_t least, vgg_error *error) {
    if (side >= least && side <= VGG_IMAGE_MAX_SIDE)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "preprocessing: %s is %zu, expected %zu to %d", what,
                    side, least, VGG_IMAGE_MAX_SIDE);
}

/* Only a cut-out and a squash leave a choice of how large the picture is before it. */
static vgg_status check_fit(const vgg_preprocess *preprocess, vgg_error *error) {
    const char *name = vgg_fit_name(preprocess->fit);
    if (name == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "preprocessing: fit is number %d, expected 0 (crop), 1 (squash), 2 (pad) "
                        "or 3 (none)",
                        (int)preprocess->fit);
    bool free_size = preprocess->fit == VGG_FIT_CROP || preprocess->fit == VGG_FIT_SQUASH;
    if (preprocess->resize > 0 && !free_size)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "preprocessing: with the fit %s there is no short side to resize to, "
                        "found %zu",
                        name, preprocess->resize);
    return VGG_OK;
}

static vgg_status check_sides(const vgg_preprocess *preprocess, vgg_error *error) {
    if (preprocess->side_count > VGG_PREPROCESS_SIDES)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "preprocessing: %zu sides, expected up to %d",
                        preprocess->side_count, VGG_PREPROCESS_SIDES);
    if (preprocess->side_count > 0 && preprocess->fit != VGG_FIT_CROP)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "preprocessing: sides are of the fit crop, found %s",
                        vgg_fit_name(preprocess->fit));
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < preprocess->side_count; i++) {
        status = check_side("a side", preprocess->sides[i], 1, error);
    }
    return status;
}

vgg_status vgg_preprocess_check_figures(const vgg_preprocess *preprocess, vgg_error *error) {
    if (preprocess->channels != 1 && preprocess->channels != 3)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "preprocessing: channels is %zu, expected 1 or 3", preprocess->channels);
    vgg_status status = check_side("width", preprocess->width, 1, error);
    if (status == VGG_OK)
        status = check_side("height", preprocess->height, 1, error);
    if (status == VGG_OK)
        status = check_side("resize", preprocess->resize, 0, error);
    if (status == VGG_OK)
        status = vgg_image_check_size("preprocessing: a cut-out", preprocess->width,
                                      preprocess->height, error);
    if (status == VGG_OK)
        status = check_fit(preprocess, error);
    if (status == VGG_OK)
        status = check_sides(preprocess, error);
    if (status != VGG_OK)
        return status;
    if (vgg_filter_name(preprocess->filter) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "preprocessing: filter is number %d, expected 0 (bilinear) or 1 (bicubic)",
                        (int)preprocess->filter);
    if (!isfinite(preprocess->scale))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "preprocessing: scale is %g, expected a finite number", preprocess->scale);
    for (size_t c = 0; c < preprocess->channels; c++) {
        double mean = preprocess->mean[c], deviation = preprocess->deviation[c];
        if (!isfinite(mean))
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "preprocessing: mean[%zu] is %g, expected a finite number", c, mean);
        if (!isfinite(deviation) || deviation == 0)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "preprocessing: deviation[%zu] is %g, expected a finite number other "
                            "than 0",
                            c, deviation);
    }
    return VGG_OK;
}

void vgg_preprocess_init(vgg_preprocess *preprocess, size_t size) {
    const vgg_preprocess defaults = {
        .struct_size = size, .channels = 3, .scale = 1, .deviation = {1, 1, 1}};
    vgg_options_init(preprocess, size, &defaults, sizeof defaults);
}

vgg_status vgg_preprocess_read(vgg_preprocess *own, const vgg_preprocess *given, vgg_error *error) {
    vgg_preprocess_init(own, sizeof *own);
    vgg_status status = vgg_options_read(own, sizeof *own, given, "vgg_preprocess", error);
    return status == VGG_OK ? vgg_preprocess_check_figures(own, error) : status;
}

vgg_status vgg_preprocess_check(const vgg_preprocess *preprocess, vgg_error *error) {
    vgg_preprocess own;
    return vgg_preprocess_read(&own, preprocess, error);
}

/* Where a cut-out begins, as torchvision has it: a half is rounded to even. */
static ptrdiff_t centre_offset(size_t side, size_t cut) {
    if (side < cut)
        return -(ptrdiff_t)((cut - side) / 2);
    size_t half = (side - cut) / 2;
    bool remainder = (side - cut) % 2 != 0;
    return (ptrdiff_t)(half + (remainder && half % 2 != 0));
}

ptrdiff_t vgg_preprocess_offset(const vgg_preprocess *preprocess, size_t side, size_t cut) {
    /* Around a picture that is fitted in, Pillow halves as a cut-out does: the rest is rounded to
     * an even number. */
    if (preprocess->fit == VGG_FIT_PAD && side < cut)
        return -centre_offset(cut, side);
    return centre_offset(side, cut);
}

/* The largest size within the cut-out that has the picture's proportions, in Pillow's arithmetic
 * (ImageOps.contain). A side has a pixel at least. */
static void contained_size(const vgg_preprocess *preprocess, const vgg_image *image, size_t *width,
                           size_t *height) {
    double across = (double)image->width, down = (double)image->height;
    double ratio = across / down, wanted = (double)preprocess->width / (double)preprocess->height;
    *width = preprocess->width;
    *height = preprocess->height;
    if (ratio > wanted)
        *height = vgg_size_max(1, (size_t)rint(down / across * (double)preprocess->width));
    else if (ratio < wanted)
        *width = vgg_size_max(1, (size_t)rint(across / down * (double)preprocess->height));
}

static vgg_status check_size(const vgg_preprocess *preprocess, const vgg_image *image,
                             vgg_error *error) {
    if (image->width == preprocess->width && image->height == preprocess->height)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "the picture is %zu x %zu, expected %zu x %zu: with the fit none it is not "
                    "resized",
                    image->width, image->height, preprocess->width, preprocess->height);
}

vgg_status vgg_preprocess_size(const vgg_preprocess *preprocess, const vgg_image *image,
                               size_t *width, size_t *height, vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status != VGG_OK)
        return status;
    *width = image->width;
    *height = image->height;
    const vgg_image cut_out = {.width = preprocess->width, .height = preprocess->height};
    switch (preprocess->fit) {
    case VGG_FIT_CROP:
        if (preprocess->resize > 0)
            vgg_image_short_size(image, preprocess->resize, width, height);
        break;
    case VGG_FIT_SQUASH:
        *width = cut_out.width;
        *height = cut_out.height;
        if (preprocess->resize > 0)
            vgg_image_short_size(&cut_out, preprocess->resize, width, height);
        break;
    case VGG_FIT_PAD:
        contained_size(preprocess, image, width, height);
        break;
    case VGG_FIT_NONE:
        return check_size(preprocess, image, error);
    }
    return VGG_OK;
}

/* What a cut-out of `cut` at `at` has of `side`, which is not nothing. */
static void clip(ptrdiff_t at, size_t cut, size_t side, size_t *first, size_t *count) {
    ptrdiff_t end = at + (ptrdiff_t)cut;
    *first = at > 0 ? (size_t)at : 0;
    *count = vgg_size_min((size_t)end, side) - *first;
}

/* What of the picture, resized to width x height, the cut-out at x, y shows. */
static vgg_part part_of(const vgg_preprocess *preprocess, size_t width, size_t height, ptrdiff_t x,
                        ptrdiff_t y) {
    vgg_part part;
    clip(x, preprocess->width, width, &part.x, &part.width);
    clip(y, preprocess->height, height, &part.y, &part.height);
    return part;
}

vgg_part vgg_preprocess_reads(const vgg_preprocess *preprocess, const vgg_image *image) {
    size_t width, height;
    if (image->channels != preprocess->channels ||
        vgg_preprocess_size(preprocess, image, &width, &height, NULL) != VGG_OK)
        return (vgg_part){.width = image->width, .height = image->height};
    vgg_part part = part_of(preprocess, width, height,
                            vgg_preprocess_offset(preprocess, width, preprocess->width),
                            vgg_preprocess_offset(preprocess, height, preprocess->height));
    return vgg_image_resize_reads(image, width, height, preprocess->filter, &part);
}

/* The same of a picture that has the channels of `preprocess`. */
static vgg_status cut_out(const vgg_preprocess *preprocess, const vgg_image *image, ptrdiff_t x,
                          ptrdiff_t y, vgg_image *cut, vgg_error *error) {
    size_t width, height;
    vgg_status status = vgg_preprocess_size(preprocess, image, &width, &height, error);
    if (status != VGG_OK)
        return status;
    const vgg_part part = part_of(preprocess, width, height, x, y);
    status = vgg_image_resize_part(image, width, height, preprocess->filter, &part, cut, error);
    if (status != VGG_OK || (part.width == preprocess->width && part.height == preprocess->height))
        return status;
    vgg_image inner = *cut;
    status = vgg_image_crop(&inner, x - (ptrdiff_t)part.x, y - (ptrdiff_t)part.y, preprocess->width,
                            preprocess->height, cut, error);
    vgg_image_free(&inner);
    return status;
}

vgg_status vgg_preprocess_cut(const vgg_preprocess *preprocess, const vgg_image *image, ptrdiff_t x,
                              ptrdiff_t y, vgg_image *cut, vgg_error *error) {
    if (image->channels == preprocess->channels)
        return cut_out(preprocess, image, x, y, cut, error);
    vgg_image converted;
    vgg_status status = vgg_image_convert(image, preprocess->channels, &converted, error);
    if (status != VGG_OK)
        return status;
    status = cut_out(preprocess, &converted, x, y, cut, error);
    vgg_image_free(&converted);
    return status;
}

vgg_status vgg_preprocess_fill(const vgg_preprocess *preprocess, const vgg_image *image,
                               float *input, vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status != VGG_OK)
        return status;
    if (image->channels != preprocess->channels || image->width != preprocess->width ||
        image->height != preprocess->height)
        return vgg_fail(error, VGG_ERROR_SHAPE,
                        "the picture is %zu x %zu with %zu channels, expected %zu x %zu with %zu",
                        image->width, image->height, image->channels, preprocess->width,
                        preprocess->height, preprocess->channels);
    size_t channels = image->channels, count = image->width * image->height;
    for (size_t c = 0; c < channels; c++) {
        /* There are only 256 samples: each is worked out once, in double. */
        float table[256];
        for (int sample = 0; sample < 256; sample++) {
            table[sample] = (float)((sample * preprocess->scale - preprocess->mean[c]) /
                                    preprocess->deviation[c]);
        }
        size_t from = preprocess->bgr ? channels - 1 - c : c;
        const uint8_t *samples = image->pixels + from;
        for (size_t i = 0; i < count; i++) {
            input[c * count + i] = table[samples[i * channels]];
        }
    }
    return VGG_OK;
}

vgg_status vgg_preprocess_image(const vgg_preprocess *preprocess, const vgg_image *image,
                                float *input, vgg_error *error) {
    vgg_preprocess own;
    size_t width, height;
    vgg_image cut;
    vgg_status status = vgg_preprocess_read(&own, preprocess, error);
    if (status == VGG_OK)
        status = vgg_preprocess_size(&own, image, &width, &height, error);
    if (status == VGG_OK)
        status = vgg_preprocess_cut(&own, image, vgg_preprocess_offset(&own, width, own.width),
                                    vgg_preprocess_offset(&own, height, own.height), &cut, error);
    if (status != VGG_OK)
        return status;
    status = vgg_preprocess_fill(&own, &cut, input, error);
    vgg_image_free(&cut);
    return status;
}

vgg_status vgg_preprocess_normalise(const vgg_preprocess *preprocess, const vgg_image *image,
                                    float *input, vgg_error *error) {
    vgg_preprocess own;
    vgg_status status = vgg_preprocess_read(&own, preprocess, error);
    return status == VGG_OK ? vgg_preprocess_fill(&own, image, input, error) : status;
}

vgg_status vgg_preprocess_restore(const vgg_preprocess *preprocess, const float *input,
                                  vgg_image *image, vgg_error *error) {
    vgg_preprocess own;
    vgg_image result;
    vgg_status status = vgg_preprocess_read(&own, preprocess, error);
    if (status == VGG_OK)
        status = vgg_image_make(&result, own.width, own.height, own.channels, error);
    if (status != VGG_OK)
        return status;
    size_t channels = own.channels, count = own.width * own.height;
    for (size_t i = 0; i < count * channels; i++) {
        size_t c = i / count, to = own.bgr ? channels - 1 - c : c;
        double sample = ((double)input[i] * own.deviation[c] + own.mean[c]) / own.scale;
        result.pixels[i % count * channels + to] = (uint8_t)fmin(fmax(rint(sample), 0), 255);
    }
    *image = result;
    return VGG_OK;
}
