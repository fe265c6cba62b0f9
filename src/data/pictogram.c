/* Drawing one pictogram: background, clutter, the shape, more clutter, noise. Every number comes
 * from the dice of the picture, in a fixed order, so that a picture is a function of its class,
 * size, seed and index. Lengths are shares of the picture's side. */
#include "data/pictogram.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "vgg/data.h"

#define SIZE_MIN ((size_t)8)
#define SIZE_MAX_SIDE ((size_t)4096)
/* A pixel is the average of SAMPLES x SAMPLES points. */
#define SAMPLES 4
#define TURN 6.283185307179586476925

struct dice {
    uint64_t seed, stream, counter;
};

static double roll(struct dice *dice, double low, double high) {
    return low + (high - low) * vgg_random_unit(dice->seed, dice->stream, dice->counter++);
}

typedef struct colour {
    double part[3]; /* red, green, blue in 0..1 */
} colour;

struct canvas {
    size_t size;
    double *part; /* size x size x 3 */
};

static double brightness(colour c) {
    return 0.299 * c.part[0] + 0.587 * c.part[1] + 0.114 * c.part[2];
}

/* Hue in turns, saturation and value in 0..1. */
static colour from_hsv(double hue, double saturation, double value) {
    colour c;
    for (int i = 0; i < 3; i++) {
        double place = fmod(6.0 * hue + (i == 0 ? 0.0 : i == 1 ? 4.0 : 2.0), 6.0);
        double distance = fabs(place - 3.0) - 1.0; /* 1 and more at the part's own hue */
        double pure = distance < 0.0 ? 0.0 : distance > 1.0 ? 1.0 : distance;
        c.part[i] = value * (1.0 - saturation * (1.0 - pure));
    }
    return c;
}

static colour between(colour a, colour b, double share) {
    for (int i = 0; i < 3; i++) {
        a.part[i] += (b.part[i] - a.part[i]) * share;
    }
    return a;
}

static void blend(struct canvas *canvas, size_t x, size_t y, colour c, double share) {
    double *part = canvas->part + (y * canvas->size + x) * 3;
    for (int i = 0; i < 3; i++) {
        part[i] += (c.part[i] - part[i]) * share;
    }
}

/* ---- colours ---- */

struct palette {
    colour background[2]; /* ends of a gradient */
    colour shape[2];
};

/* A vivid shape on pale ground, or a bright one on dark ground; drawn again until the shape stands
 * out. Where chance is against it for long, black or white stands out from anything. */
static struct palette choose_palette(struct dice *dice) {
    const double contrast = 0.28;
    bool pale = roll(dice, 0.0, 1.0) < 0.6;
    double hue = roll(dice, 0.0, 1.0), drift = roll(dice, -0.12, 0.12);
    double saturation = pale ? roll(dice, 0.08, 0.35) : roll(dice, 0.3, 0.8);
    double value = pale ? roll(dice, 0.82, 1.0) : roll(dice, 0.12, 0.38);
    double fade = roll(dice, 0.75, 1.0);
    struct palette p = {.background = {from_hsv(hue + 1.0, saturation, value),
                                       from_hsv(hue + 1.0 + drift, saturation, value * fade)}};
    double ground = brightness(between(p.background[0], p.background[1], 0.5));
    for (int tries = 0; tries < 24; tries++) {
        hue = roll(dice, 0.0, 1.0);
        drift = roll(dice, 0.0, 0.08);
        saturation = pale ? roll(dice, 0.65, 1.0) : roll(dice, 0.15, 0.7);
        value = pale ? roll(dice, 0.25, 0.9) : roll(dice, 0.75, 1.0);
        fade = roll(dice, 0.85, 1.0);
        p.shape[0] = from_hsv(hue, saturation, value);
        p.shape[1] = from_hsv(hue + drift, saturation, value * fade);
        if (fabs(brightness(p.shape[0]) - ground) >= contrast &&
            fabs(brightness(p.shape[1]) - ground) >= contrast)
            return p;
    }
    p.shape[0] = p.shape[1] = from_hsv(0.0, 0.0, pale ? 0.0 : 1.0);
    return p;
}

/* ---- layers ---- */

/* A gradient in any direction, now and then with faint stripes or waves. */
static void draw_background(struct canvas *canvas, const struct palette *palette,
                            struct dice *dice) {
    double angle = roll(dice, 0.0, TURN), other = roll(dice, 0.0, TURN);
    double depth = roll(dice, 0.0, 1.0) < 0.5 ? roll(dice, 0.02, 0.08) : 0.0;
    double frequency = roll(dice, 2.0, 7.0) * TURN, phase = roll(dice, 0.0, TURN);
    double side = (double)canvas->size;
    for (size_t y = 0; y < canvas->size; y++) {
        for (size_t x = 0; x < canvas->size; x++) {
            double u = ((double)x + 0.5) / side - 0.5, v = ((double)y + 0.5) / side - 0.5;
            double share = 0.5 + 0.7 * (u * cos(angle) + v * sin(angle));
            double wave = depth * sin(phase + frequency * (u * cos(other) + v * sin(other)));
            colour c = between(palette->background[0], palette->background[1],
                               fmin(fmax(share, 0.0), 1.0));
            for (int i = 0; i < 3; i++) {
                c.part[i] += wave;
            }
            blend(canvas, x, y, c, 1.0);
        }
    }
}

/* Something to draw: its place, its colours, and whether a point of the picture is in it. */
typedef struct figure {
    size_t class_index;                /* of a shape */
    double x, y, radius, cosine, sine; /* of a shape: middle, size and turn */
    double x2, y2;                     /* of a stroke: from x, y to x2, y2, radius to either side */
    colour colour[2];                  /* from its top to its bottom */
    bool (*inside)(const struct figure *figure, double x, double y);
} figure;

static bool inside_shape(const figure *f, double x, double y) {
    double dx = (x - f->x) / f->radius, dy = (y - f->y) / f->radius;
    return vgg_pictogram_inside(f->class_index, f->cosine * dx + f->sine * dy,
                                f->cosine * dy - f->sine * dx);
}

/* Within the radius of the line from one end to the other; a dot's ends are the same. */
static bool inside_stroke(const figure *f, double x, double y) {
    double dx = f->x2 - f->x, dy = f->y2 - f->y, length = dx * dx + dy * dy;
    double along = length > 0.0 ? ((x - f->x) * dx + (y - f->y) * dy) / length : 0.0;
    along = fmin(fmax(along, 0.0), 1.0);
    double ex = x - f->x - along * dx, ey = y - f->y - along * dy;
    return ex * ex + ey * ey <= f->radius * f->radius;
}

/* The share of the pixel that the figure covers. */
static double coverage(const figure *f, size_t x, size_t y, double side) {
    int inside = 0;
    for (int i = 0; i < SAMPLES * SAMPLES; i++) {
        double u = ((double)x + (i % SAMPLES + 0.5) / SAMPLES) / side;
        double v = ((double)y + (i / SAMPLES + 0.5) / SAMPLES) / side;
        inside += f->inside(f, u, v);
    }
    return (double)inside / (SAMPLES * SAMPLES);
}

/* The pixels from *first to before *end may be touched by what lies between two places. */
static void pixels_between(double low, double high, size_t size, size_t *first, size_t *end) {
    double a = floor(low * (double)size), b = ceil(high * (double)size);
    *first = a <= 0.0 ? 0 : vgg_size_min((size_t)a, size);
    *end = b <= 0.0 ? 0 : vgg_size_min((size_t)b, size);
}

static void draw_figure(struct canvas *canvas, const figure *f, double opacity) {
    double top = fmin(f->y, f->y2) - f->radius, bottom = fmax(f->y, f->y2) + f->radius;
    double left = fmin(f->x, f->x2) - f->radius, right = fmax(f->x, f->x2) + f->radius;
    size_t first_x, end_x, first_y, end_y;
    pixels_between(left, right, canvas->size, &first_x, &end_x);
    pixels_between(top, bottom, canvas->size, &first_y, &end_y);
    double side = (double)canvas->size;
    for (size_t y = first_y; y < end_y; y++) {
        double share = (((double)y + 0.5) / side - top) / (bottom - top);
        colour c = between(f->colour[0], f->colour[1], fmin(fmax(share, 0.0), 1.0));
        for (size_t x = first_x; x < end_x; x++) {
            blend(canvas, x, y, c, opacity * coverage(f, x, y, side));
        }
    }
}

static void draw_dot_or_line(struct canvas *canvas, struct dice *dice, bool dot) {
    double x = roll(dice, 0.0, 1.0), y = roll(dice, 0.0, 1.0);
    double angle = roll(dice, 0.0, TURN), length = dot ? 0.0 : roll(dice, 0.15, 0.5);
    double radius = dot ? roll(dice, 0.015, 0.045) : roll(dice, 0.008, 0.02);
    double hue = roll(dice, 0.0, 1.0), saturation = roll(dice, 0.2, 1.0);
    colour c = from_hsv(hue, saturation, roll(dice, 0.3, 1.0));
    figure f = {.inside = inside_stroke,
                .x = x,
                .y = y,
                .x2 = x + length * cos(angle),
                .y2 = y + length * sin(angle),
                .radius = radius,
                .colour = {c, c}};
    draw_figure(canvas, &f, roll(dice, 0.5, 1.0));
}

static void draw_clutter(struct canvas *canvas, struct dice *dice, double dots_below,
                         double lines_below) {
    int dots = (int)roll(dice, 0.0, dots_below), lines = (int)roll(dice, 0.0, lines_below);
    for (int i = 0; i < dots + lines; i++) {
        draw_dot_or_line(canvas, dice, i < dots);
    }
}

/* 35 to 80 % of the picture, turned by up to 35 degrees: an arrow still points to the right. */
static void draw_shape(struct canvas *canvas, size_t class_index, const struct palette *palette,
                       struct dice *dice) {
    double radius = roll(dice, 0.35, 0.80) / 2.0, turn = roll(dice, -35.0, 35.0) / 360.0 * TURN;
    double x = roll(dice, radius, 1.0 - radius), y = roll(dice, radius, 1.0 - radius);
    figure f = {.class_index = class_index,
                .inside = inside_shape,
                .x = x,
                .y = y,
                .x2 = x,
                .y2 = y,
                .radius = radius,
                .cosine = cos(turn),
                .sine = sin(turn),
                .colour = {palette->shape[0], palette->shape[1]}};
    draw_figure(canvas, &f, 1.0);
}

/* Noise and rounding. */
static void develop(const struct canvas *canvas, struct dice *dice, uint8_t *pixels) {
    double deviation = roll(dice, 0.005, 0.05);
    uint64_t seed = vgg_random_u64(dice->seed, dice->stream, dice->counter);
    for (size_t i = 0; i < canvas->size * canvas->size * 3; i++) {
        double part = canvas->part[i] + deviation * vgg_random_normal(seed, 0, i);
        pixels[i] = (uint8_t)lround(255.0 * fmin(fmax(part, 0.0), 1.0));
    }
}

vgg_status vgg_pictogram_draw(size_t class_index, size_t size, uint64_t seed, uint64_t index,
                              vgg_image *image, vgg_error *error) {
    if (class_index >= VGG_PICTOGRAM_CLASSES)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "pictogram class %zu; expected 0 to %d",
                        class_index, VGG_PICTOGRAM_CLASSES - 1);
    if (size < SIZE_MIN || size > SIZE_MAX_SIDE)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a pictogram of %zu pixels; expected a side from %zu to %zu", size,
                        SIZE_MIN, SIZE_MAX_SIDE);
    struct canvas canvas = {size, vgg_calloc(size * size * 3, sizeof(double))};
    uint8_t *pixels = vgg_malloc(size * size * 3);
    if (canvas.part == NULL || pixels == NULL) {
        vgg_free(canvas.part);
        vgg_free(pixels);
        return vgg_fail_memory(error, "a pictogram", size * size * 3 * sizeof(double));
    }
    struct dice dice = {seed, index * VGG_PICTOGRAM_CLASSES + class_index, 0};
    struct palette palette = choose_palette(&dice);
    draw_background(&canvas, &palette, &dice);
    draw_clutter(&canvas, &dice, 5.0, 3.0);
    draw_shape(&canvas, class_index, &palette, &dice);
    draw_clutter(&canvas, &dice, 4.0, 2.0);
    develop(&canvas, &dice, pixels);
    vgg_free(canvas.part);
    *image = (vgg_image){size, size, 3, pixels};
    return VGG_OK;
}
