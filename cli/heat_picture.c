#include "cli/heat_picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/colour_scale.h"
#include "cli/seen_picture.h"

/* Pixels of the shorter side of what is drawn, at least. */
#define SIDE_LEAST 448
/* Of the strip below the picture, and what lies in it. */
#define STRIP 84
#define MARGIN 14
#define BAR_HEIGHT 12

static uint8_t to_byte(double value) {
    return (uint8_t)lrint(255 * fmin(fmax(value, 0), 1));
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
static void lay_over(const vgg_cli_colour_scale *scale, uint8_t *pixel, double heat) {
    vgg_cli_colour c = vgg_cli_colour_of(scale, heat);
    double grey = (0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]) / 255;
    double share = 0.35 + 0.35 * heat;
    pixel[0] = to_byte((1 - share) * (0.75 * grey + 0.25 * pixel[0] / 255) + share * c.red);
    pixel[1] = to_byte((1 - share) * (0.75 * grey + 0.25 * pixel[1] / 255) + share * c.green);
    pixel[2] = to_byte((1 - share) * (0.75 * grey + 0.25 * pixel[2] / 255) + share * c.blue);
}

static void draw_map(const vgg_cli_heat *heat, const vgg_cli_colour_scale *scale, size_t times,
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
static void draw_bar(const vgg_cli_colour_scale *scale, vgg_image *canvas, size_t top) {
    size_t width = canvas->width - 2 * MARGIN;
    for (size_t x = 0; x < width; x++) {
        vgg_cli_colour c = vgg_cli_colour_of(scale, (double)x / (double)(width - 1));
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

vgg_status vgg_cli_heat_draw(const vgg_cli_heat *heat, vgg_image *picture, vgg_error *error) {
    vgg_cli_colour_scale scale;
    size_t times = vgg_cli_seen_times(heat->preprocess, SIDE_LEAST);
    vgg_status status = vgg_cli_seen_draw(heat->preprocess, heat->image, times, picture, error);
    if (status != VGG_OK)
        return status;
    vgg_cli_colour_scale_make(&scale);
    draw_map(heat, &scale, times, picture, picture);
    return VGG_OK;
}

vgg_status vgg_cli_heat_save(const vgg_cli_heat *heat, const char *path, vgg_error *error) {
    size_t times = vgg_cli_seen_times(heat->preprocess, SIDE_LEAST);
    vgg_image seen = {0};
    vgg_status status = vgg_cli_seen_draw(heat->preprocess, heat->image, times, &seen, error);
    if (status != VGG_OK)
        return status;
    vgg_image canvas = {.width = seen.width, .height = seen.height + STRIP, .channels = 3};
    canvas.pixels = malloc(3 * canvas.width * canvas.height);
    if (canvas.pixels == NULL) {
        snprintf(error->message, sizeof error->message, "out of memory for a picture");
        status = VGG_ERROR_MEMORY;
    } else {
        memset(canvas.pixels, 255, 3 * canvas.width * canvas.height);
        vgg_cli_colour_scale scale;
        vgg_cli_colour_scale_make(&scale);
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
