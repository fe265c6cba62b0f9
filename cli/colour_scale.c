#include "cli/colour_scale.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

static double to_srgb(double linear) {
    double value = fmin(fmax(linear, 0), 1);
    return value <= 0.0031308 ? 12.92 * value : 1.055 * pow(value, 1 / 2.4) - 0.055;
}

/* From Oklab (Ottosson 2020), in which equal distances look alike, to linear sRGB. */
static vgg_cli_colour from_oklab(double lightness, double a, double b) {
    double l = lightness + 0.3963377774 * a + 0.2158037573 * b;
    double m = lightness - 0.1055613458 * a - 0.0638541728 * b;
    double s = lightness - 0.0894841775 * a - 1.2914855480 * b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (vgg_cli_colour){4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                            -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                            -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

static bool shows(vgg_cli_colour c) {
    return c.red >= 0 && c.red <= 1 && c.green >= 0 && c.green <= 1 && c.blue >= 0 && c.blue <= 1;
}

/* From 0 to 1: lightness grows evenly while the hue goes from violet over green to yellow, as
 * strong, up to a chroma, as a screen shows it. */
static vgg_cli_colour make_colour(double heat) {
    double lightness = 0.28 + 0.65 * heat, hue = (305 - 200 * heat) * M_PI / 180;
    double least = 0, most = 0.17;
    for (int turn = 0; turn < 20; turn++) {
        double chroma = (least + most) / 2;
        if (shows(from_oklab(lightness, chroma * cos(hue), chroma * sin(hue))))
            least = chroma;
        else
            most = chroma;
    }
    vgg_cli_colour found = from_oklab(lightness, least * cos(hue), least * sin(hue));
    return (vgg_cli_colour){to_srgb(found.red), to_srgb(found.green), to_srgb(found.blue)};
}

void vgg_cli_colour_scale_make(vgg_cli_colour_scale *to) {
    for (size_t i = 0; i < 256; i++) {
        to->colours[i] = make_colour((double)i / 255);
    }
}

vgg_cli_colour vgg_cli_colour_of(const vgg_cli_colour_scale *scale, double heat) {
    return scale->colours[(size_t)lrint(255 * fmin(fmax(heat, 0), 1))];
}
