/* Class activation maps: what a layer gives, weighed by gradients. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/explainer.h"

/* Keeps Grad-CAM++ from dividing by zero. */
#define LEAST 1e-6

/* Of a channel: what its values are multiplied by, for Grad-CAM and Grad-CAM++. */
static double weight_of(vgg_explain_method method, const float *values, const float *gradients,
                        size_t pixels) {
    double sum = 0, total = 0;
    for (size_t p = 0; p < pixels; p++) {
        total += (double)values[p];
        sum += (double)gradients[p];
    }
    if (method == VGG_EXPLAIN_GRADCAM)
        return sum / (double)pixels;
    sum = 0;
    for (size_t p = 0; p < pixels; p++) {
        double g = (double)gradients[p], square = g * g;
        if (g > 0)
            sum += g * square / (2 * square + total * square * g + LEAST);
    }
    return sum;
}

/* The map at the layer's own size, in `map`. */
static void add_channels(const vgg_explainer *explainer, size_t pixels, double *map) {
    vgg_explain_method method = explainer->options.method;
    for (size_t c = 0; c < explainer->tap.shape[0]; c++) {
        const float *values = explainer->values + c * pixels;
        const float *gradients = explainer->value_gradients + c * pixels;
        bool places = method == VGG_EXPLAIN_LAYERCAM;
        double weight = places ? 0 : weight_of(method, values, gradients, pixels);
        for (size_t p = 0; p < pixels; p++) {
            map[p] += (places ? fmax((double)gradients[p], 0) : weight) * (double)values[p];
        }
    }
}

/* Where a pixel of the enlarged map lies in the small one, between `low` and the next. */
typedef struct between {
    size_t low, high;
    double share; /* of `high` */
} between;

static between find_place(size_t at, size_t sides, size_t small) {
    double place = ((double)at + 0.5) * (double)small / (double)sides - 0.5;
    place = fmin(fmax(place, 0), (double)(small - 1));
    size_t low = (size_t)place;
    return (between){low, vgg_size_min(low + 1, small - 1), place - (double)low};
}

/* Bilinearly, as torch.nn.functional.interpolate has it without align_corners. */
static void enlarge(const double *small, size_t rows, size_t columns, float *map, size_t height,
                    size_t width) {
    for (size_t y = 0; y < height; y++) {
        between row = find_place(y, height, rows);
        const double *above = small + row.low * columns, *below = small + row.high * columns;
        for (size_t x = 0; x < width; x++) {
            between column = find_place(x, width, columns);
            double top = above[column.low] * (1 - column.share) + above[column.high] * column.share;
            double foot =
                below[column.low] * (1 - column.share) + below[column.high] * column.share;
            map[y * width + x] = (float)(top * (1 - row.share) + foot * row.share);
        }
    }
}

vgg_status vgg_explain_cam(vgg_explainer *explainer, size_t index, float *map, vgg_error *error) {
    size_t rows = explainer->tap.shape[1], columns = explainer->tap.shape[2];
    double *small = vgg_calloc(rows * columns, sizeof *small);
    if (small == NULL)
        return vgg_fail_memory(error, "a map", rows * columns * sizeof *small);
    vgg_explain_begin(explainer, 1, index);
    vgg_status status = vgg_plan_backward_taps(explainer->plan, explainer->logits_gradient, NULL,
                                               &explainer->value_gradients, NULL, error);
    if (status == VGG_OK) {
        add_channels(explainer, rows * columns, small);
        for (size_t p = 0; p < rows * columns; p++) {
            small[p] = fmax(small[p], 0);
        }
        enlarge(small, rows, columns, map, explainer->preprocess->height,
                explainer->preprocess->width);
    }
    vgg_free(small);
    return status;
}
