/* Random views that move pixels. */
#include <math.h>
#include <string.h>

#include "image/views.h"

/* Attempts at a rectangle that fits, as in torchvision. */
#define RECTANGLE_TRIES 10

bool vgg_view_rectangle(const vgg_view_draw *draw, uint64_t tries, size_t width, size_t height,
                        double least, double most, double ratio, vgg_part *part) {
    double pixels = (double)width * (double)height;
    for (uint64_t i = 0; i < RECTANGLE_TRIES; i++) {
        uint64_t first = tries + 4 * i;
        double area = pixels * vgg_view_uniform(draw, first, least, most);
        double shape = exp(vgg_view_uniform(draw, first + 1, log(ratio), -log(ratio)));
        double across = rint(sqrt(area * shape)), down = rint(sqrt(area / shape));
        if (across < 1 || down < 1 || across > (double)width || down > (double)height)
            continue;
        part->width = (size_t)across;
        part->height = (size_t)down;
        part->x = vgg_view_below(draw, first + 2, width - part->width + 1);
        part->y = vgg_view_below(draw, first + 3, height - part->height + 1);
        return true;
    }
    return false;
}

/* The place within 0..side-1 that a place outside is the reflection of. */
static size_t reflect(ptrdiff_t place, size_t side) {
    ptrdiff_t last = (ptrdiff_t)side - 1, period = 2 * last;
    if (last == 0)
        return 0;
    place = (place % period + period) % period;
    return (size_t)(place > last ? period - place : place);
}

vgg_status vgg_view_shift(vgg_image *image, ptrdiff_t right, ptrdiff_t down, vgg_error *error) {
    size_t channels = image->channels;
    vgg_image moved;
    if (right == 0 && down == 0)
        return VGG_OK;
    vgg_status status = vgg_image_make(&moved, image->width, image->height, channels, error);
    if (status != VGG_OK)
        return status;
    for (size_t y = 0; y < image->height; y++) {
        size_t row = reflect((ptrdiff_t)y - down, image->height);
        const uint8_t *from = image->pixels + row * image->width * channels;
        uint8_t *to = moved.pixels + y * image->width * channels;
        for (size_t x = 0; x < image->width; x++) {
            memcpy(to + x * channels, from + reflect((ptrdiff_t)x - right, image->width) * channels,
                   channels);
        }
    }
    vgg_image_free(image);
    *image = moved;
    return VGG_OK;
}

/* A place between two columns or rows, both within the picture. */
typedef struct between {
    size_t first, second;
    double share; /* of the second */
} between;

static between place_between(double place, size_t side) {
    if (place >= 0 && place < (double)(side - 1)) { /* nearly always: nothing to reflect */
        size_t inside = (size_t)place;
        return (between){inside, inside + 1, place - (double)inside};
    }
    double whole = floor(place);
    ptrdiff_t first = (ptrdiff_t)whole;
    return (between){reflect(first, side), reflect(first + 1, side), place - whole};
}

static void sample(const vgg_image *image, double x, double y, uint8_t *out) {
    between across = place_between(x, image->width), down = place_between(y, image->height);
    const uint8_t *upper = image->pixels + down.first * image->width * image->channels;
    const uint8_t *lower = image->pixels + down.second * image->width * image->channels;
    size_t left = across.first * image->channels, right = across.second * image->channels;
    for (size_t c = 0; c < image->channels; c++) {
        double above = upper[left + c] + across.share * (upper[right + c] - upper[left + c]);
        double below = lower[left + c] + across.share * (lower[right + c] - lower[left + c]);
        out[c] = (uint8_t)(above + down.share * (below - above) + 0.5);
    }
}

vgg_status vgg_view_warp(vgg_image *image, const vgg_view_map *map, vgg_error *error) {
    vgg_image warped;
    vgg_status status =
        vgg_image_make(&warped, image->width, image->height, image->channels, error);
    if (status != VGG_OK)
        return status;
    double middle_x = ((double)image->width - 1) / 2, middle_y = ((double)image->height - 1) / 2;
    for (size_t row = 0; row < image->height; row++) {
        double y = (double)row - middle_y;
        for (size_t column = 0; column < image->width; column++) {
            double x = (double)column - middle_x;
            sample(image, map->a * x + map->b * y + map->e + middle_x,
                   map->c * x + map->d * y + map->f + middle_y,
                   warped.pixels + (row * image->width + column) * image->channels);
        }
    }
    vgg_image_free(image);
    *image = warped;
    return VGG_OK;
}

vgg_status vgg_view_rotate(vgg_image *image, double degrees, vgg_error *error) {
    double angle = degrees * (3.14159265358979323846 / 180);
    vgg_view_map map = {.a = cos(angle), .b = -sin(angle), .c = sin(angle), .d = cos(angle)};
    return vgg_view_warp(image, &map, error);
}
