#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "image/picture.h"
#include "vgg/image.h"

typedef struct preset {
    const char *name;
    bool bgr;
    double scale, mean[3], deviation[3];
} preset;

/* torchvision: the Normalize of its model zoo. caffe and paper: the mean pixel of ImageNet that the
 * authors of VGG subtract, in the order that Caffe's OpenCV decoding gives and in plain order. */
static const preset presets[] = {
    {"torchvision", false, 1.0 / 255, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}},
    {"caffe", true, 1, {103.939, 116.779, 123.68}, {1, 1, 1}},
    {"paper", false, 1, {123.68, 116.779, 103.939}, {1, 1, 1}},
    {"unit", false, 1.0 / 255, {0, 0, 0}, {1, 1, 1}},
    {"signed", false, 1.0 / 255, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}},
};
enum { PRESETS = sizeof presets / sizeof presets[0] };

static vgg_status check_side(const char *what, size_t side, size_t least, vgg_error *error) {
    if (side >= least && side <= VGG_IMAGE_MAX_SIDE)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "preprocessing: %s is %zu, expected %zu to %d", what,
                    side, least, VGG_IMAGE_MAX_SIDE);
}

static vgg_status check(const vgg_preprocess *preprocess, vgg_error *error) {
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
    if (status != VGG_OK)
        return status;
    if (preprocess->filter != VGG_FILTER_BILINEAR && preprocess->filter != VGG_FILTER_BICUBIC)
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
    return status == VGG_OK ? check(own, error) : status;
}

vgg_status vgg_preprocess_check(const vgg_preprocess *preprocess, vgg_error *error) {
    vgg_preprocess own;
    return vgg_preprocess_read(&own, preprocess, error);
}

vgg_status vgg_preprocess_preset(const char *name, size_t channels, size_t height, size_t width,
                                 vgg_preprocess *preprocess, vgg_error *error) {
    size_t found = 0;
    while (found < PRESETS && strcmp(presets[found].name, name) != 0) {
        found++;
    }
    if (found == PRESETS)
        return vgg_fail(
            error, VGG_ERROR_NOT_FOUND,
            "there is no preprocessing \"%s\"; the presets are torchvision, caffe, paper, "
            "unit and signed",
            name);
    const preset *from = &presets[found];
    vgg_preprocess result = {.struct_size = sizeof result,
                             .channels = channels,
                             .width = width,
                             .height = height,
                             .filter = VGG_FILTER_BILINEAR,
                             .bgr = from->bgr && channels == 3,
                             .scale = from->scale};
    memcpy(result.name, from->name, strlen(from->name) + 1);
    size_t side = vgg_size_min(vgg_size_min(height, width), VGG_IMAGE_MAX_SIDE);
    result.resize = (side * 256 + 112) / 224;
    for (size_t c = 0; c < 3; c++) {
        const double *m = from->mean, *d = from->deviation;
        result.mean[c] = channels == 1 ? (m[0] + m[1] + m[2]) / 3 : m[c];
        result.deviation[c] = channels == 1 ? (d[0] + d[1] + d[2]) / 3 : d[c];
    }
    vgg_status status = check(&result, error);
    if (status != VGG_OK)
        return status;
    return vgg_result_write(preprocess, &result, sizeof result, "vgg_preprocess", error);
}

ptrdiff_t vgg_centre_offset(size_t side, size_t cut) {
    if (side < cut)
        return -(ptrdiff_t)((cut - side) / 2);
    size_t half = (side - cut) / 2;
    bool remainder = (side - cut) % 2 != 0;
    return (ptrdiff_t)(half + (remainder && half % 2 != 0));
}

vgg_status vgg_preprocess_size(const vgg_preprocess *preprocess, const vgg_image *image,
                               size_t *width, size_t *height, vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status != VGG_OK)
        return status;
    *width = image->width;
    *height = image->height;
    if (preprocess->resize > 0)
        vgg_image_short_size(image, preprocess->resize, width, height);
    return VGG_OK;
}

/* What a cut-out of `cut` at `at` has of `side`, which is not nothing. */
static void clip(ptrdiff_t at, size_t cut, size_t side, size_t *first, size_t *count) {
    ptrdiff_t end = at + (ptrdiff_t)cut;
    *first = at > 0 ? (size_t)at : 0;
    *count = vgg_size_min((size_t)end, side) - *first;
}

/* The same of a picture that has the channels of `preprocess`. */
static vgg_status cut_out(const vgg_preprocess *preprocess, const vgg_image *image, ptrdiff_t x,
                          ptrdiff_t y, vgg_image *cut, vgg_error *error) {
    size_t width, height;
    vgg_status status = vgg_preprocess_size(preprocess, image, &width, &height, error);
    if (status != VGG_OK)
        return status;
    vgg_part part;
    clip(x, preprocess->width, width, &part.x, &part.width);
    clip(y, preprocess->height, height, &part.y, &part.height);
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
        status = vgg_preprocess_cut(&own, image, vgg_centre_offset(width, own.width),
                                    vgg_centre_offset(height, own.height), &cut, error);
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
