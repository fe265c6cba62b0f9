#include "bodies_test.h"

#include <math.h>

#include "cuda/bodies.h"

vgg_gpu_element draw_element(void) {
    return (vgg_gpu_element)vgg_draw(0, 2);
}

const char *element_name(vgg_gpu_element element) {
    static const char *const names[] = {"float32", "bfloat16", "float16"};
    return names[element];
}

double element_rounding(vgg_gpu_element element) {
    static const double roundings[] = {0, 0x1p-8, 0x1p-11};
    return roundings[element];
}

size_t element_bytes(vgg_gpu_element element) {
    return element == VGG_GPU_FLOAT32 ? sizeof(float) : sizeof(uint16_t);
}

size_t map_lanes(const body_map *map) {
    return VGG_GPU_GROUPS(map->channels) * VGG_GPU_LANES;
}

size_t map_groups(const body_map *map) {
    return map->images * map->pixels * VGG_GPU_GROUPS(map->channels);
}

void round_to(vgg_gpu_element element, float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char room[sizeof(float)];
        vgg_store(room, element, 0, values[i]);
        values[i] = vgg_load(room, element, 0);
    }
}

void *map_room(const body_map *map) {
    size_t values = map->images * map->pixels * map_lanes(map);
    return map->element == VGG_GPU_FLOAT32 ? (void *)vgg_guarded_floats(values)
                                           : vgg_guarded_bytes(values * sizeof(uint16_t));
}

void *map_of(const body_map *map, float *blocked) {
    size_t lanes = map_lanes(map), pixels = map->pixels;
    void *made = map_room(map);
    round_to(map->element, blocked, vgg_guarded_size(blocked) / sizeof *blocked);
    for (size_t place = 0; place < map->images * pixels; place++) {
        for (size_t c = 0; c < lanes; c++) {
            float value = c < map->channels
                              ? blocked[vgg_blocked_at(map->channels, pixels, place / pixels, c,
                                                       place % pixels)]
                              : 0;
            vgg_store(made, map->element, place * lanes + c, value);
        }
    }
    vgg_guarded_lock(made);
    return made;
}

/* Equal, or both no number, or as near as that. */
static bool is_near(double found, double expected, double error) {
    if (isnan(expected) || isinf(expected))
        return isnan(expected) ? isnan(found) : found == expected;
    return fabs(found - expected) <= error;
}

void check_number(const char *kernel, const char *what, size_t at, double found, double expected,
                  double error) {
    if (!is_near(found, expected, error))
        vgg_kernel_fail(kernel, "body", "%s %zu is %.9g, expected %.9g within %.3g", what, at,
                        found, expected, error);
}

void check_map(const char *kernel, const body_map *map, const void *found, const float *expected,
               const float *magnitude, double error) {
    size_t lanes = map_lanes(map), pixels = map->pixels;
    /* Below float16's normal numbers its neighbours are so far apart. */
    double least = map->element == VGG_GPU_FLOAT16 ? 0x1p-25 : 0;
    for (size_t place = 0; place < map->images * pixels; place++) {
        for (size_t c = 0; c < lanes; c++) {
            double value = (double)vgg_load(found, map->element, place * lanes + c);
            size_t at = c < map->channels ? vgg_blocked_at(map->channels, pixels, place / pixels, c,
                                                           place % pixels)
                                          : 0;
            double wanted = c < map->channels ? (double)expected[at] : 0;
            double allowed =
                c < map->channels && magnitude != NULL
                    ? error * (double)magnitude[at] * (1 + element_rounding(map->element))
                    : 0;
            allowed +=
                c < map->channels ? element_rounding(map->element) * fabs(wanted) + least : 0;
            check_number(kernel, element_name(map->element), place * lanes + c, value, wanted,
                         allowed);
        }
    }
    vgg_guarded_check();
}
