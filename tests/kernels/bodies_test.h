/* The bodies of a GPU's kernels on the host, beside ref/ of the processor's.
 *
 * Inputs are drawn as the processor's blocked activations and rounded to the element, so that both
 * see the same numbers. What a body gives may differ from ref by `error` times a magnitude, and by
 * one rounding to the element; lanes beyond the channels are zero. Buffers are guarded: reading or
 * writing beyond them ends the test. */
#ifndef VGG_TESTS_KERNELS_BODIES_TEST_H
#define VGG_TESTS_KERNELS_BODIES_TEST_H

#include "buffers.h"
#include "nn/gpu/kernels.h"
#include "tiers.h"
#include "vgg_test.h"

/* All units, the last one first: none depends on another. */
#define VGG_RUN_BODY(kernel, task, units)                                                          \
    do {                                                                                           \
        vgg_running(#kernel, "body");                                                              \
        for (size_t unit_ = (units); unit_-- > 0;) {                                               \
            vgg_body_##kernel((task), unit_);                                                      \
        }                                                                                          \
        vgg_running(NULL, NULL);                                                                   \
    } while (0)

typedef struct body_map {
    size_t images, channels, pixels;
    vgg_gpu_element element;
} body_map;

/* One of the three. */
vgg_gpu_element draw_element(void);
const char *element_name(vgg_gpu_element element);
/* Half the distance of two neighbours, relative to them: the error of one rounding; 0 of float32,
 * whose roundings belong to a kernel's error. */
double element_rounding(vgg_gpu_element element);
size_t element_bytes(vgg_gpu_element element);

size_t map_lanes(const body_map *map);
size_t map_groups(const body_map *map); /* of the whole map */

/* Rounds each value to the element. */
void round_to(vgg_gpu_element element, float *values, size_t count);

/* A map with the values of a blocked activation, which become what the element has of them. */
void *map_of(const body_map *map, float *blocked);
/* Room for one: poison. */
void *map_room(const body_map *map);

/* Fails unless the map has the values of `expected`, a blocked activation. magnitude: per value,
 * like it; NULL: no error but the rounding to the element. */
void check_map(const char *kernel, const body_map *map, const void *found, const float *expected,
               const float *magnitude, double error);

/* Fails unless found is within error of expected. */
void check_number(const char *kernel, const char *what, size_t at, double found, double expected,
                  double error);

#endif
