/* Random views that change colours. */
#include <math.h>
#include <string.h>

#include "image/views.h"

static size_t samples_of(const vgg_image *image) {
    return image->width * image->height * image->channels;
}

/* From `grey` by `factor` towards the sample and beyond, in the arithmetic of Pillow's blend. */
static uint8_t blend(int grey, int sample, float factor) {
    float value = (float)grey + factor * (float)(sample - grey);
    if (value <= 0)
        return 0;
    return value >= 255 ? 255 : (uint8_t)value;
}

/* As vgg_image_convert has it. */
static int grey_of(const uint8_t *pixel, size_t channels) {
    if (channels == 1)
        return pixel[0];
    return (19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + 0x8000) >> 16;
}

/* ---- ImageEnhance ---- */

static void blend_all(vgg_image *image, int grey, double factor) {
    uint8_t table[256];
    for (int sample = 0; sample < 256; sample++) {
        table[sample] = blend(grey, sample, (float)factor);
    }
    for (size_t i = 0; i < samples_of(image); i++) {
        image->pixels[i] = table[image->pixels[i]];
    }
}

void vgg_view_brightness(vgg_image *image, double factor) {
    blend_all(image, 0, factor);
}

void vgg_view_contrast(vgg_image *image, double factor) {
    size_t pixels = image->width * image->height;
    uint64_t sum = 0;
    for (size_t i = 0; i < pixels; i++) {
        sum += (uint64_t)grey_of(image->pixels + i * image->channels, image->channels);
    }
    blend_all(image, (int)((double)sum / (double)pixels + 0.5), factor);
}

void vgg_view_saturation(vgg_image *image, double factor) {
    for (size_t i = 0; i < samples_of(image) && image->channels == 3; i += 3) {
        uint8_t *pixel = image->pixels + i;
        int grey = grey_of(pixel, 3);
        for (size_t c = 0; c < 3; c++) {
            pixel[c] = blend(grey, pixel[c], (float)factor);
        }
    }
}

/* The mean of a sample and its neighbours, in which it counts five times: Pillow's SMOOTH. */
static int smooth(const uint8_t *at, size_t row, size_t channels) {
    static const float kernel[3] = {1.0f / 13, 5.0f / 13, 1.0f / 13};
    float sum = 0.5f;
    for (int y = -1; y <= 1; y++) {
        const uint8_t *line = at + y * (ptrdiff_t)row;
        sum += kernel[0] * (float)line[-(ptrdiff_t)channels];
        sum += (y == 0 ? kernel[1] : kernel[0]) * (float)line[0];
        sum += kernel[2] * (float)line[channels];
    }
    return (int)sum;
}

vgg_status vgg_view_sharpness(vgg_image *image, double factor, vgg_error *error) {
    vgg_image sharp;
    size_t channels = image->channels, row = image->width * channels;
    vgg_status status = vgg_image_make(&sharp, image->width, image->height, channels, error);
    if (status != VGG_OK)
        return status;
    memcpy(sharp.pixels, image->pixels, samples_of(image));
    /* The edges have no smooth neighbour, and stay. */
    for (size_t y = 1; y + 1 < image->height; y++) {
        for (size_t i = y * row + channels; i + channels < (y + 1) * row; i++) {
            const uint8_t *at = image->pixels + i;
            sharp.pixels[i] = blend(smooth(at, row, channels), *at, (float)factor);
        }
    }
    vgg_image_free(image);
    *image = sharp;
    return VGG_OK;
}

/* ---- ImageOps ---- */

void vgg_view_posterize(vgg_image *image, unsigned bits) {
    uint8_t mask = (uint8_t)(0xff << (8 - bits));
    for (size_t i = 0; i < samples_of(image); i++) {
        image->pixels[i] &= mask;
    }
}

void vgg_view_solarize(vgg_image *image, unsigned threshold) {
    for (size_t i = 0; i < samples_of(image); i++) {
        uint8_t sample = image->pixels[i];
        image->pixels[i] = sample < threshold ? sample : (uint8_t)(255 - sample);
    }
}

static void count_samples(const vgg_image *image, size_t channel, size_t counts[256]) {
    memset(counts, 0, 256 * sizeof *counts);
    for (size_t i = channel; i < samples_of(image); i += image->channels) {
        counts[image->pixels[i]]++;
    }
}

static void look_up(vgg_image *image, size_t channel, const uint8_t table[256]) {
    for (size_t i = channel; i < samples_of(image); i += image->channels) {
        image->pixels[i] = table[image->pixels[i]];
    }
}

void vgg_view_autocontrast(vgg_image *image) {
    for (size_t c = 0; c < image->channels; c++) {
        size_t counts[256];
        uint8_t table[256];
        int darkest = 0, lightest = 255;
        count_samples(image, c, counts);
        while (darkest < 255 && counts[darkest] == 0) {
            darkest++;
        }
        while (lightest > 0 && counts[lightest] == 0) {
            lightest--;
        }
        if (lightest <= darkest)
            continue;
        double scale = 255.0 / (lightest - darkest), offset = -darkest * scale;
        for (int sample = 0; sample < 256; sample++) {
            double value = fmin(fmax(sample * scale + offset, 0), 255);
            table[sample] = (uint8_t)value;
        }
        look_up(image, c, table);
    }
}

void vgg_view_equalize(vgg_image *image) {
    size_t pixels = image->width * image->height;
    for (size_t c = 0; c < image->channels; c++) {
        size_t counts[256], last = 0, kinds = 0;
        uint8_t table[256];
        count_samples(image, c, counts);
        for (size_t sample = 0; sample < 256; sample++) {
            kinds += counts[sample] > 0;
            last = counts[sample] > 0 ? counts[sample] : last;
        }
        size_t step = (pixels - last) / 255, passed = step / 2;
        if (kinds < 2 || step == 0)
            continue;
        for (size_t sample = 0; sample < 256; sample++) {
            table[sample] = (uint8_t)(passed / step < 255 ? passed / step : 255);
            passed += counts[sample];
        }
        look_up(image, c, table);
    }
}

/* ---- PCA ---- */

void vgg_view_shift_colours(vgg_image *image, const double amounts[3]) {
    /* Of the colours of ImageNet's training pictures, from 0 to 1: the deviations along the
     * components, and the components in columns. */
    static const double deviations[3] = {0.2175, 0.0188, 0.0045};
    static const double components[3][3] = {
        {-0.5675, 0.7192, 0.4009}, {-0.5808, -0.0045, -0.8140}, {-0.5836, -0.6948, 0.4203}};
    for (size_t c = 0; c < 3 && image->channels == 3; c++) {
        double shift = 0;
        uint8_t table[256];
        for (size_t k = 0; k < 3; k++) {
            shift += components[c][k] * deviations[k] * amounts[k];
        }
        for (int sample = 0; sample < 256; sample++) {
            table[sample] = (uint8_t)fmin(fmax(floor(sample + 255 * shift + 0.5), 0), 255);
        }
        look_up(image, c, table);
    }
}
