/* Resampling in two passes, columns first, then rows, in fixed point with samples of 8 bits between
 * them: the arithmetic of Pillow's Image.resize (src/libImaging/Resample.c), so that a network sees
 * what it saw in training. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"
#include "vgg/image.h"

/* Bits after the point of a coefficient: 8 are left for the sample and 2 for the overshoot of a
 * filter with negative lobes. */
enum { PRECISION = 32 - 8 - 2, HALF = 1 << (PRECISION - 1) };

/* Sums kept in one go by the pass over rows: they and the samples stay in the first-level cache. */
enum { BLOCK = 512 };

/* For each place of the result: the first place of the source that counts, how many do, and `taps`
 * coefficients, of which the first `count` are used. */
typedef struct window {
    size_t first, count;
} window;

typedef struct resampling {
    size_t taps;
    window *windows;
    int32_t *coefficients;
} resampling;

static double triangle(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static int32_t fixed_point(double weight) {
    double scaled = weight * (1 << PRECISION);
    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* The coefficients for one place whose centre lies at `centre` of the source; weights is scratch.
 */
static window fill_window(double centre, double stretch, double support, size_t source,
                          vgg_filter filter, double *weights, int32_t *coefficients) {
    double low = centre - support + 0.5, high = centre + support + 0.5;
    window range = {.first = low < 0 ? 0 : (size_t)low};
    size_t end = vgg_size_min((size_t)high, source);
    range.count = end - range.first;
    double sum = 0, inverse = 1.0 / stretch;
    for (size_t i = 0; i < range.count; i++) {
        double x = ((double)(i + range.first) - centre + 0.5) * inverse;
        weights[i] = filter == VGG_FILTER_BICUBIC ? cubic(x) : triangle(x);
        sum += weights[i];
    }
    for (size_t i = 0; i < range.count; i++)
        coefficients[i] = fixed_point(sum != 0.0 ? weights[i] / sum : weights[i]);
    return range;
}

static void resampling_free(resampling *plan) {
    free(plan->windows);
    free(plan->coefficients);
}

static vgg_status resampling_make(size_t source, size_t target, vgg_filter filter, resampling *plan,
                                  vgg_error *error) {
    double scale = (double)source / (double)target;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = (filter == VGG_FILTER_BICUBIC ? 2.0 : 1.0) * stretch;
    size_t taps = (size_t)ceil(support) * 2 + 1;
    *plan = (resampling){.taps = taps,
                         .windows = malloc(target * sizeof *plan->windows),
                         .coefficients = malloc(target * taps * sizeof *plan->coefficients)};
    double *weights = malloc(taps * sizeof *weights);
    if (plan->windows == NULL || plan->coefficients == NULL || weights == NULL) {
        resampling_free(plan);
        free(weights);
        return vgg_fail_memory(error, "the filter of a resize",
                               target * (taps * sizeof(int32_t) + sizeof(window)));
    }
    for (size_t i = 0; i < target; i++)
        plan->windows[i] = fill_window(((double)i + 0.5) * scale, stretch, support, source, filter,
                                       weights, plan->coefficients + i * taps);
    free(weights);
    return VGG_OK;
}

static inline uint8_t to_sample(int32_t sum) {
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void columns_grey(const uint8_t *row, const resampling *plan, uint8_t *out, size_t width) {
    for (size_t x = 0; x < width; x++) {
        const uint8_t *samples = row + plan->windows[x].first;
        const int32_t *k = plan->coefficients + x * plan->taps;
        int32_t sum = HALF;
        for (size_t i = 0; i < plan->windows[x].count; i++)
            sum += samples[i] * k[i];
        out[x] = to_sample(sum);
    }
}

static void columns_rgb(const uint8_t *row, const resampling *plan, uint8_t *out, size_t width) {
    for (size_t x = 0; x < width; x++) {
        const uint8_t *pixel = row + 3 * plan->windows[x].first;
        const int32_t *k = plan->coefficients + x * plan->taps;
        int32_t red = HALF, green = HALF, blue = HALF;
        for (size_t i = 0; i < plan->windows[x].count; i++, pixel += 3) {
            red += pixel[0] * k[i];
            green += pixel[1] * k[i];
            blue += pixel[2] * k[i];
        }
        out[3 * x] = to_sample(red);
        out[3 * x + 1] = to_sample(green);
        out[3 * x + 2] = to_sample(blue);
    }
}

static vgg_status resize_columns(const vgg_image *image, size_t width, vgg_filter filter,
                                 vgg_image *out, vgg_error *error) {
    resampling plan;
    vgg_status status = resampling_make(image->width, width, filter, &plan, error);
    if (status != VGG_OK)
        return status;
    status = vgg_image_make(out, width, image->height, image->channels, error);
    for (size_t y = 0; status == VGG_OK && y < image->height; y++) {
        const uint8_t *row = image->pixels + y * image->width * image->channels;
        uint8_t *to = out->pixels + y * width * image->channels;
        if (image->channels == 1)
            columns_grey(row, &plan, to, width);
        else
            columns_rgb(row, &plan, to, width);
    }
    resampling_free(&plan);
    return status;
}

/* One row of the result from `count` rows of the source that are `stride` samples long. */
static void mix_rows(const uint8_t *rows, size_t count, size_t stride, const int32_t *k,
                     uint8_t *out) {
    int32_t sums[BLOCK];
    for (size_t begin = 0; begin < stride; begin += BLOCK) {
        size_t length = vgg_size_min(BLOCK, stride - begin);
        for (size_t x = 0; x < length; x++)
            sums[x] = HALF;
        for (size_t i = 0; i < count; i++) {
            const uint8_t *samples = rows + i * stride + begin;
            int32_t weight = k[i];
            for (size_t x = 0; x < length; x++)
                sums[x] += samples[x] * weight;
        }
        for (size_t x = 0; x < length; x++)
            out[begin + x] = to_sample(sums[x]);
    }
}

static vgg_status resize_rows(const vgg_image *image, size_t height, vgg_filter filter,
                              vgg_image *out, vgg_error *error) {
    resampling plan;
    vgg_status status = resampling_make(image->height, height, filter, &plan, error);
    if (status != VGG_OK)
        return status;
    size_t stride = image->width * image->channels;
    status = vgg_image_make(out, image->width, height, image->channels, error);
    for (size_t y = 0; status == VGG_OK && y < height; y++)
        mix_rows(image->pixels + plan.windows[y].first * stride, plan.windows[y].count, stride,
                 plan.coefficients + y * plan.taps, out->pixels + y * stride);
    resampling_free(&plan);
    return status;
}

vgg_status vgg_image_resize(const vgg_image *image, size_t width, size_t height, vgg_filter filter,
                            vgg_image *out, vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status == VGG_OK)
        status = vgg_image_check_size("a resize to a picture", width, height, error);
    if (status != VGG_OK)
        return status;
    if (filter != VGG_FILTER_BILINEAR && filter != VGG_FILTER_BICUBIC)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the filter of a resize is number %d, expected 0 (bilinear) or 1 (bicubic)",
                        (int)filter);
    if (width == image->width && height == image->height)
        return vgg_image_convert(image, image->channels, out, error);
    if (height == image->height)
        return resize_columns(image, width, filter, out, error);
    if (width == image->width)
        return resize_rows(image, height, filter, out, error);
    vgg_image narrowed;
    status = resize_columns(image, width, filter, &narrowed, error);
    if (status != VGG_OK)
        return status;
    status = resize_rows(&narrowed, height, filter, out, error);
    vgg_image_free(&narrowed);
    return status;
}

vgg_status vgg_image_resize_short(const vgg_image *image, size_t side, vgg_filter filter,
                                  vgg_image *out, vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status == VGG_OK)
        status = vgg_image_check_size("a short side", side, 1, error);
    if (status != VGG_OK)
        return status;
    size_t width = image->width, height = image->height;
    size_t short_side = vgg_size_min(width, height);
    if (width < height)
        return vgg_image_resize(image, side, side * height / short_side, filter, out, error);
    return vgg_image_resize(image, side * width / short_side, side, filter, out, error);
}
