/* Resampling in two passes, in fixed point with samples of 8 bits between them: the arithmetic of
 * Pillow's Image.resize (src/libImaging/Resample.c of Pillow 13), so that a network sees what it
 * saw in training. The first pass is over columns, but over rows when these lose more than twice as
 * much as the columns do. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"
#include "image/resample.h"
#include "vgg/image.h"

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

/* How places of a side lie in the source, from which they are made by a filter. */
typedef struct scaling {
    size_t source;
    vgg_filter filter;
    double scale, stretch, support;
} scaling;

static scaling scaling_of(size_t source, size_t target, vgg_filter filter) {
    double scale = (double)source / (double)target, stretch = scale < 1.0 ? 1.0 : scale;
    return (scaling){.source = source,
                     .filter = filter,
                     .scale = scale,
                     .stretch = stretch,
                     .support = (filter == VGG_FILTER_BICUBIC ? 2.0 : 1.0) * stretch};
}

static double centre_of(const scaling *how, size_t place) {
    return ((double)place + 0.5) * how->scale;
}

static window window_of(const scaling *how, size_t place) {
    double centre = centre_of(how, place);
    double low = centre - how->support + 0.5, high = centre + how->support + 0.5;
    window range = {.first = low < 0 ? 0 : (size_t)low};
    range.count = vgg_size_min((size_t)high, how->source) - range.first;
    return range;
}

/* The window of a place and its coefficients; weights is scratch. */
static window fill_window(const scaling *how, size_t place, double *weights,
                          int32_t *coefficients) {
    window range = window_of(how, place);
    double centre = centre_of(how, place), sum = 0, inverse = 1.0 / how->stretch;
    for (size_t i = 0; i < range.count; i++) {
        double x = ((double)(i + range.first) - centre + 0.5) * inverse;
        weights[i] = how->filter == VGG_FILTER_BICUBIC ? cubic(x) : triangle(x);
        sum += weights[i];
    }
    for (size_t i = 0; i < range.count; i++) {
        coefficients[i] = fixed_point(sum != 0.0 ? weights[i] / sum : weights[i]);
    }
    return range;
}

static void resampling_free(resampling *plan) {
    vgg_free(plan->windows);
    vgg_free(plan->coefficients);
}

/* For the places first .. first + count - 1 of `target`. */
static vgg_status resampling_make(size_t source, size_t target, size_t first, size_t count,
                                  vgg_filter filter, resampling *plan, vgg_error *error) {
    scaling how = scaling_of(source, target, filter);
    size_t taps = (size_t)ceil(how.support) * 2 + 1;
    *plan = (resampling){.taps = taps,
                         .windows = vgg_malloc(count * sizeof *plan->windows),
                         .coefficients = vgg_malloc(count * taps * sizeof *plan->coefficients)};
    double *weights = vgg_malloc(taps * sizeof *weights);
    if (plan->windows == NULL || plan->coefficients == NULL || weights == NULL) {
        resampling_free(plan);
        *plan = (resampling){0};
        vgg_free(weights);
        return vgg_fail_memory(error, "the filter of a resize",
                               count * (taps * sizeof(int32_t) + sizeof(window)));
    }
    for (size_t i = 0; i < count; i++) {
        plan->windows[i] = fill_window(&how, first + i, weights, plan->coefficients + i * taps);
    }
    vgg_free(weights);
    return VGG_OK;
}

/* The source of the resampling begins at its place `first`. */
static void shift_windows(resampling *plan, size_t count, size_t first) {
    for (size_t i = 0; i < count; i++) {
        plan->windows[i].first -= first;
    }
}

/* The pass over columns, of the rows `rows` of a picture. */
static vgg_status resize_columns(const vgg_image *image, window rows, const resampling *columns,
                                 size_t width, vgg_image *out, vgg_error *error) {
    vgg_status status = vgg_image_make(out, width, rows.count, image->channels, error);
    size_t pitch = image->width * image->channels;
    if (status == VGG_OK)
        status = vgg_mix_columns(image->pixels + rows.first * pitch, pitch, rows.count, columns,
                                 image->channels, out->pixels, width, error);
    return status;
}

/* The pass over rows, of the columns `columns` of a picture. */
static vgg_status resize_rows(const vgg_image *image, window columns, const resampling *rows,
                              size_t height, vgg_image *out, vgg_error *error) {
    size_t channels = image->channels, pitch = image->width * channels;
    vgg_status status = vgg_image_make(out, columns.count, height, channels, error);
    for (size_t y = 0; status == VGG_OK && y < height; y++) {
        vgg_mix_rows(image->pixels + rows->windows[y].first * pitch + columns.first * channels,
                     rows->windows[y].count, pitch, rows->coefficients + y * rows->taps,
                     out->pixels + y * columns.count * channels, columns.count * channels);
    }
    return status;
}

/* Whether the rows go first in a resize from one side to the other, as in Pillow. */
static bool rows_first(const vgg_image *image, size_t width, size_t height) {
    ptrdiff_t fewer_rows = (ptrdiff_t)image->height - (ptrdiff_t)height;
    ptrdiff_t fewer_columns = (ptrdiff_t)image->width - (ptrdiff_t)width;
    return fewer_rows > 0 && fewer_rows > 2 * fewer_columns;
}

/* Both passes; the first leaves out what the second does not read. */
static vgg_status resize_both(const vgg_image *image, bool rows_before, resampling *columns,
                              resampling *rows, const vgg_part *part, vgg_image *out,
                              vgg_error *error) {
    vgg_image between = {0};
    vgg_status status;
    if (rows_before) {
        window read = covered(columns, part->width);
        shift_windows(columns, part->width, read.first);
        status = resize_rows(image, read, rows, part->height, &between, error);
        if (status == VGG_OK)
            status = resize_columns(&between, (window){0, part->height}, columns, part->width, out,
                                    error);
    } else {
        window read = covered(rows, part->height);
        shift_windows(rows, part->height, read.first);
        status = resize_columns(image, read, columns, part->width, &between, error);
        if (status == VGG_OK)
            status =
                resize_rows(&between, (window){0, part->width}, rows, part->height, out, error);
    }
    vgg_image_free(&between);
    return status;
}

/* A side that stays as it is takes no pass. */
static vgg_status resize(const vgg_image *image, size_t width, size_t height, resampling *columns,
                         resampling *rows, const vgg_part *part, vgg_image *out, vgg_error *error) {
    window part_columns = {part->x, part->width}, part_rows = {part->y, part->height};
    if (columns->windows == NULL && rows->windows == NULL)
        return vgg_image_crop(image, (ptrdiff_t)part->x, (ptrdiff_t)part->y, part->width,
                              part->height, out, error);
    if (rows->windows == NULL)
        return resize_columns(image, part_rows, columns, part->width, out, error);
    if (columns->windows == NULL)
        return resize_rows(image, part_columns, rows, part->height, out, error);
    return resize_both(image, rows_first(image, width, height), columns, rows, part, out, error);
}

vgg_status vgg_image_resize_part(const vgg_image *image, size_t width, size_t height,
                                 vgg_filter filter, const vgg_part *part, vgg_image *out,
                                 vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status == VGG_OK)
        status = vgg_image_check_size("a resize to a picture", part->width, part->height, error);
    if (status != VGG_OK)
        return status;
    if (filter != VGG_FILTER_BILINEAR && filter != VGG_FILTER_BICUBIC)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the filter of a resize is number %d, expected 0 (bilinear) or 1 (bicubic)",
                        (int)filter);
    resampling columns = {0}, rows = {0};
    if (width != image->width)
        status =
            resampling_make(image->width, width, part->x, part->width, filter, &columns, error);
    if (status == VGG_OK && height != image->height)
        status =
            resampling_make(image->height, height, part->y, part->height, filter, &rows, error);
    if (status == VGG_OK)
        status = resize(image, width, height, &columns, &rows, part, out, error);
    resampling_free(&columns);
    resampling_free(&rows);
    return status;
}

/* The same of one side: the places of the source that `*count` places from `*first` on are made of,
 * in place of them. */
static void read_side(size_t source, size_t target, vgg_filter filter, size_t *first,
                      size_t *count) {
    if (source == target)
        return;
    scaling how = scaling_of(source, target, filter);
    window begin = window_of(&how, *first), end = window_of(&how, *first + *count - 1);
    *first = begin.first;
    *count = end.first + end.count - begin.first;
}

vgg_part vgg_image_resize_reads(const vgg_image *image, size_t width, size_t height,
                                vgg_filter filter, const vgg_part *part) {
    vgg_part read = *part;
    read_side(image->width, width, filter, &read.x, &read.width);
    read_side(image->height, height, filter, &read.y, &read.height);
    return read;
}

vgg_status vgg_image_resize(const vgg_image *image, size_t width, size_t height, vgg_filter filter,
                            vgg_image *out, vgg_error *error) {
    const vgg_part all = {.width = width, .height = height};
    return vgg_image_resize_part(image, width, height, filter, &all, out, error);
}

void vgg_image_short_size(const vgg_image *image, size_t side, size_t *width, size_t *height) {
    size_t short_side = vgg_size_min(image->width, image->height);
    *width = side * image->width / short_side;
    *height = side * image->height / short_side;
}

vgg_status vgg_image_resize_short(const vgg_image *image, size_t side, vgg_filter filter,
                                  vgg_image *out, vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status == VGG_OK)
        status = vgg_image_check_size("a short side", side, 1, error);
    if (status != VGG_OK)
        return status;
    size_t width, height;
    vgg_image_short_size(image, side, &width, &height);
    return vgg_image_resize(image, width, height, filter, out, error);
}
