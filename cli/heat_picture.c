#include "cli/heat_picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of the shorter side of what is drawn, at least. */
#define SIDE_LEAST 448
/* Of the strip below the picture, and what lies in it. */
#define STRIP 84
#define MARGIN 14
#define BAR_HEIGHT 12

typedef struct colour {
    double red, green, blue;
} colour;

/* ---- colours ---- */

static double to_srgb(double linear) {
    double value = fmin(fmax(linear, 0), 1);
    return value <= 0.0031308 ? 12.92 * value : 1.055 * pow(value, 1 / 2.4) - 0.055;
}

/* From Oklab (Ottosson 2020), in which equal distances look alike, to linear sRGB. */
static colour from_oklab(double lightness, double a, double b) {
    double l = lightness + 0.3963377774 * a + 0.2158037573 * b;
    double m = lightness - 0.1055613458 * a - 0.0638541728 * b;
    double s = lightness - 0.0894841775 * a - 1.2914855480 * b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (colour){4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                    -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

static bool shows(colour c) {
    return c.red >= 0 && c.red <= 1 && c.green >= 0 && c.green <= 1 && c.blue >= 0 && c.blue <= 1;
}

/* From 0 to 1: lightness grows evenly while the hue goes from violet over green to yellow, as
 * strong, up to a chroma, as a screen shows it. */
static colour make_colour(double heat) {
    double lightness = 0.28 + 0.65 * heat, hue = (305 - 200 * heat) * M_PI / 180;
    double least = 0, most = 0.17;
    for (int turn = 0; turn < 20; turn++) {
        double chroma = (least + most) / 2;
        if (shows(from_oklab(lightness, chroma * cos(hue), chroma * sin(hue))))
            least = chroma;
        else
            most = chroma;
    }
    colour found = from_oklab(lightness, least * cos(hue), least * sin(hue));
    return (colour){to_srgb(found.red), to_srgb(found.green), to_srgb(found.blue)};
}

/* Colours from nothing to most. */
typedef struct colour_scale {
    colour colours[256];
} colour_scale;

static void make_scale(colour_scale *to) {
    for (size_t i = 0; i < 256; i++) {
        to->colours[i] = make_colour((double)i / 255);
    }
}

static colour colour_of(const colour_scale *scale, double heat) {
    return scale->colours[(size_t)lrint(255 * fmin(fmax(heat, 0), 1))];
}

static uint8_t to_byte(double value) {
    return (uint8_t)lrint(255 * fmin(fmax(value, 0), 1));
}

/* ---- the picture ---- */

/* What the network sees, larger: the same preprocessing for an input that is `times` as large. */
static vgg_status draw_input(const vgg_cli_heat *heat, size_t times, vgg_image *image,
                             vgg_error *error) {
    vgg_preprocess larger = *heat->preprocess;
    larger.width *= times;
    larger.height *= times;
    larger.resize *= times;
    larger.filter = VGG_FILTER_BICUBIC;
    bool as_it_is =
        larger.fit == VGG_FIT_NONE || (larger.fit == VGG_FIT_CROP && larger.resize == 0);
    const vgg_preprocess *p = as_it_is ? heat->preprocess : &larger;
    float *input = calloc(p->channels * p->height * p->width, sizeof *input);
    vgg_image seen = {0};
    vgg_status status = VGG_ERROR_MEMORY;
    if (input != NULL)
        status = vgg_preprocess_image(p, heat->image, input, error);
    else
        snprintf(error->message, sizeof error->message, "out of memory for a picture");
    if (status == VGG_OK)
        status = vgg_preprocess_restore(p, input, &seen, error);
    free(input);
    vgg_image colours = {0};
    if (status == VGG_OK)
        status = vgg_image_convert(&seen, 3, &colours, error);
    vgg_image_free(&seen);
    if (status == VGG_OK)
        status = vgg_image_resize(&colours, larger.width, larger.height, VGG_FILTER_BICUBIC, image,
                                  error);
    vgg_image_free(&colours);
    return status;
}

/* The map between its pixels, bilinearly, as a share of its most; 0 for what is below 0. */
static double heat_at(const vgg_cli_heat *heat, size_t y, size_t x, size_t times) {
    const vgg_preprocess *p = heat->preprocess;
    double row = fmin(fmax(((double)y + 0.5) / (double)times - 0.5, 0), (double)(p->height - 1));
    double column = fmin(fmax(((double)x + 0.5) / (double)times - 0.5, 0), (double)(p->width - 1));
    size_t top = (size_t)row, left = (size_t)column;
    size_t foot = top + 1 < p->height ? top + 1 : top;
    size_t right = left + 1 < p->width ? left + 1 : left;
    double down = row - (double)top, along = column - (double)left;
    const float *above = heat->map + top * p->width, *below = heat->map + foot * p->width;
    double upper = (double)above[left] * (1 - along) + (double)above[right] * along;
    double lower = (double)below[left] * (1 - along) + (double)below[right] * along;
    return heat->blank ? 0 : fmax(upper * (1 - down) + lower * down, 0) / heat->most;
}

/* Lays a colour over a pixel: thinly where there is little heat, so that the picture is seen, whose
 * own colours step back. */
static void lay_over(const colour_scale *scale, uint8_t *pixel, double heat) {
    colour c = colour_of(scale, heat);
    double grey = (0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]) / 255;
    double share = 0.35 + 0.35 * heat;
    pixel[0] = to_byte((1 - share) * (0.75 * grey + 0.25 * pixel[0] / 255) + share * c.red);
    pixel[1] = to_byte((1 - share) * (0.75 * grey + 0.25 * pixel[1] / 255) + share * c.green);
    pixel[2] = to_byte((1 - share) * (0.75 * grey + 0.25 * pixel[2] / 255) + share * c.blue);
}

static void draw_map(const vgg_cli_heat *heat, const colour_scale *scale, size_t times,
                     const vgg_image *seen, vgg_image *canvas) {
    for (size_t y = 0; y < seen->height; y++) {
        uint8_t *row = canvas->pixels + 3 * y * canvas->width;
        memmove(row, seen->pixels + 3 * y * seen->width, 3 * seen->width);
        for (size_t x = 0; !heat->blank && x < seen->width; x++) {
            lay_over(scale, row + 3 * x, heat_at(heat, y, x, times));
        }
    }
}

/* The bar of colours, from nothing to most. */
static void draw_bar(const colour_scale *scale, vgg_image *canvas, size_t top) {
    size_t width = canvas->width - 2 * MARGIN;
    for (size_t x = 0; x < width; x++) {
        colour c = colour_of(scale, (double)x / (double)(width - 1));
        for (size_t y = 0; y < BAR_HEIGHT; y++) {
            uint8_t *pixel = canvas->pixels + 3 * ((top + y) * canvas->width + MARGIN + x);
            pixel[0] = to_byte(c.red);
            pixel[1] = to_byte(c.green);
            pixel[2] = to_byte(c.blue);
        }
    }
}

static void write_texts(const vgg_cli_heat *heat, size_t top, vgg_image *canvas) {
    char most[32] = "";
    snprintf(most, sizeof most, "%.3g", heat->most);
    double right = (double)(canvas->width - MARGIN), first = (double)top + 27;
    const vgg_cli_heat_text texts[] = {
        {heat->title, 18, MARGIN, first, true, false},
        {heat->method, 13, right, first, false, true},
        {heat->blank ? "blank: nothing speaks for it" : "0", 12, MARGIN, first + 48, false, false},
        {heat->blank ? "" : most, 12, right, first + 48, false, true},
    };
    vgg_cli_heat_write(canvas, texts, sizeof texts / sizeof *texts);
}

/* So many times as large as the network sees it. */
static size_t times_of(const vgg_cli_heat *heat) {
    const vgg_preprocess *p = heat->preprocess;
    size_t side = p->height < p->width ? p->height : p->width;
    return (SIDE_LEAST + side - 1) / side;
}

vgg_status vgg_cli_heat_draw(const vgg_cli_heat *heat, vgg_image *picture, vgg_error *error) {
    colour_scale scale;
    size_t times = times_of(heat);
    vgg_status status = draw_input(heat, times, picture, error);
    if (status != VGG_OK)
        return status;
    make_scale(&scale);
    draw_map(heat, &scale, times, picture, picture);
    return VGG_OK;
}

vgg_status vgg_cli_heat_save(const vgg_cli_heat *heat, const char *path, vgg_error *error) {
    size_t times = times_of(heat);
    vgg_image seen = {0};
    vgg_status status = draw_input(heat, times, &seen, error);
    if (status != VGG_OK)
        return status;
    vgg_image canvas = {.width = seen.width, .height = seen.height + STRIP, .channels = 3};
    canvas.pixels = malloc(3 * canvas.width * canvas.height);
    if (canvas.pixels == NULL) {
        snprintf(error->message, sizeof error->message, "out of memory for a picture");
        status = VGG_ERROR_MEMORY;
    } else {
        memset(canvas.pixels, 255, 3 * canvas.width * canvas.height);
        colour_scale scale;
        make_scale(&scale);
        draw_map(heat, &scale, times, &seen, &canvas);
        if (!heat->blank)
            draw_bar(&scale, &canvas, seen.height + 40);
        write_texts(heat, seen.height, &canvas);
        status = vgg_image_save_png(&canvas, path, error);
    }
    free(canvas.pixels);
    vgg_image_free(&seen);
    return status;
}
