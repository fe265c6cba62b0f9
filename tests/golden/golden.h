/* The goldens of make_torch_goldens.py, whose docstring is their specification: cases with arrays
 * that PyTorch computed in float64, and the weights and pictures that both sides make from a
 * formula. Everything here fails the running test when something is wrong. */
#ifndef VGG_TESTS_GOLDEN_H
#define VGG_TESTS_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/network.h"
#include "vgg/plan.h"

typedef struct vgg_golden_case {
    char name[48], seed[48], arch[96];
    vgg_layout layout;
    bool batch_norm;
    size_t classes, channels, height, width, batch;
    vgg_mode mode;
    unsigned gain;
    size_t steps;
    double rate;
    double dropout; /* not PyTorch's: 0 in the cases for VGG_MODE_TRAIN, else 0.5 */
    size_t first_array, arrays;
    vgg_precision precision; /* of plans for it; not PyTorch's: f32 unless a test says another */
} vgg_golden_case;

typedef struct vgg_golden_array {
    char name[VGG_TENSOR_NAME];
    size_t count;
    const float *values;
} vgg_golden_array;

typedef struct vgg_golden_set {
    vgg_golden_case *cases;
    vgg_golden_array *arrays;
    size_t case_count, array_count;
    float *values;
    size_t value_count;
} vgg_golden_set;

/* Reads SET.txt and SET.bin. */
void vgg_golden_open(vgg_golden_set *set, const char *name);
void vgg_golden_close(vgg_golden_set *set);

/* The array of that name, which must have `count` values. */
const float *vgg_golden_values(const vgg_golden_set *set, const vgg_golden_case *item,
                               const char *name, size_t count);

/* The network of the case with all its values. */
vgg_network *vgg_golden_network(const vgg_golden_case *item);

/* Replaces what the case chose to keep away from branches of ReLUs and pools. */
void vgg_golden_fit(const vgg_golden_set *set, const vgg_golden_case *item, vgg_network *network);

/* The stream of hashes that the formulas take their values from: its key, and 24 bits of it. */
uint64_t vgg_golden_key(const char *seed, const char *what);
uint32_t vgg_golden_bits(uint64_t key, size_t number);

/* A plan for the case's batch and mode; gradients: also those of the input. */
vgg_plan *vgg_golden_plan(vgg_network *network, const vgg_golden_case *item, size_t threads,
                          bool gradients);

/* The pictures of a step, (batch, channels, height, width), and their classes; freed by the caller.
 */
float *vgg_golden_pictures(const vgg_golden_case *item, size_t step);
size_t *vgg_golden_classes(const vgg_golden_case *item, size_t step);

/* malloc that fails the test instead of returning NULL. */
void *vgg_golden_alloc(size_t count, size_t size);

/* max|value|, and max|found - expected|, which is infinite when a value is not finite. */
double vgg_golden_size(const float *values, size_t count);
double vgg_golden_distance(const float *found, const float *expected, size_t count);

/* The tensor with the largest difference, as a share of its size. Start with {0}. */
typedef struct vgg_golden_worst {
    double difference; /* NaN from the first that is NaN on */
    char name[VGG_TENSOR_NAME];
    double size_before;
} vgg_golden_worst;

/* Compares one more tensor of the network, in their order. A bias before a batch normalisation in
 * train mode has a gradient of zero, of which a share would compare one rounding error with
 * another: it is held against the size of the tensor before, its layer's weights. */
void vgg_golden_note(vgg_golden_worst *worst, const char *name, double distance, double size);

#endif
