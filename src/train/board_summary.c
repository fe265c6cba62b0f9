/* Scalars, pictures and histograms as TensorBoard's summaries have them. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "train/board.h"

#define BUCKETS 64

enum { VALUE = 1 };                                       /* of a summary */
enum { TAG = 1, SIMPLE = 2, IMAGE = 4, HISTOGRAM = 5 };   /* of a value */
enum { HEIGHT = 1, WIDTH = 2, COLOURS = 3, ENCODED = 4 }; /* of an image */
enum { LEAST = 1, MOST = 2, COUNT = 3, SUM = 4, SQUARES = 5, LIMITS = 6, BUCKET = 7 };

static void add_tag(vgg_text *value, const char *tag) {
    vgg_message_bytes(value, TAG, tag, strlen(tag));
}

void vgg_summary_scalar(vgg_text *summary, const char *tag, double number) {
    vgg_text value = {0};
    add_tag(&value, tag);
    vgg_message_float(&value, SIMPLE, (float)number);
    vgg_message_within(summary, VALUE, &value);
}

/* ---- histograms ---- */

typedef struct histogram {
    double least, most, count, sum, squares;
    double limits[BUCKETS], buckets[BUCKETS]; /* limits: upper ones */
} histogram;

static void measure(histogram *h, const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double x = values[i];
        if (!isfinite(x))
            continue;
        h->least = h->count == 0 ? x : fmin(h->least, x);
        h->most = h->count == 0 ? x : fmax(h->most, x);
        h->count++;
        h->sum += x;
        h->squares += x * x;
    }
}

static void sort_in(histogram *h, const float *values, size_t count) {
    double width = (h->most - h->least) / BUCKETS;
    for (size_t b = 0; b < BUCKETS; b++) {
        h->limits[b] = b + 1 < BUCKETS ? h->least + width * (double)(b + 1) : h->most;
    }
    for (size_t i = 0; i < count; i++) {
        double x = values[i];
        if (!isfinite(x))
            continue;
        double place = width > 0 ? (x - h->least) / width : 0;
        h->buckets[place < BUCKETS - 1 ? (size_t)place : BUCKETS - 1]++;
    }
}

void vgg_summary_histogram(vgg_text *summary, const char *tag, const float *values, size_t count) {
    histogram h = {0};
    vgg_text inner = {0}, value = {0};
    measure(&h, values, count);
    if (h.count == 0)
        return;
    sort_in(&h, values, count);
    vgg_message_double(&inner, LEAST, h.least);
    vgg_message_double(&inner, MOST, h.most);
    vgg_message_double(&inner, COUNT, h.count);
    vgg_message_double(&inner, SUM, h.sum);
    vgg_message_double(&inner, SQUARES, h.squares);
    vgg_message_doubles(&inner, LIMITS, h.limits, BUCKETS);
    vgg_message_doubles(&inner, BUCKET, h.buckets, BUCKETS);
    add_tag(&value, tag);
    vgg_message_within(&value, HISTOGRAM, &inner);
    vgg_message_within(summary, VALUE, &value);
}

/* ---- pictures ---- */

static bool take_bytes(void *user, const void *bytes, size_t size) {
    vgg_text *encoded = user;
    vgg_text_add_bytes(encoded, bytes, size);
    return !encoded->failed;
}

vgg_status vgg_summary_image(vgg_text *summary, const char *tag, const vgg_image *image,
                             vgg_error *error) {
    vgg_text encoded = {0}, inner = {0}, value = {0};
    vgg_status status = vgg_image_encode(image, VGG_IMAGE_PNG, 0, take_bytes, &encoded, error);
    if (encoded.failed)
        status = vgg_fail_memory(error, "an encoded picture", encoded.length);
    if (status != VGG_OK) {
        vgg_text_free(&encoded);
        return status;
    }
    vgg_message_whole(&inner, HEIGHT, image->height);
    vgg_message_whole(&inner, WIDTH, image->width);
    vgg_message_whole(&inner, COLOURS, image->channels);
    vgg_message_within(&inner, ENCODED, &encoded);
    add_tag(&value, tag);
    vgg_message_within(&value, IMAGE, &inner);
    vgg_message_within(summary, VALUE, &value);
    return VGG_OK;
}
