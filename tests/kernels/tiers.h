/* Runs one task with a kernel of every tier and compares the results with those of ref.
 *
 * For every tier, and for ref itself:
 * - every value of the outputs, which begin as poison, is written, with a number near ref's;
 * - lanes beyond the channels of a blocked output are zero;
 * - nothing else is written: not around a buffer, not an input, not another worker's scratch
 * memory, not the task;
 * - scratch memory holds poison before each call;
 * - the units in random order, in random ranges, by three workers in turn, give the same bits, and
 *   no two ranges write the same value;
 * - each image on its own gives the same bits. */
#ifndef VGG_TESTS_KERNELS_TIERS_H
#define VGG_TESTS_KERNELS_TIERS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/shared.h"

/* Half of float's epsilon: the relative error of one rounding. */
#define VGG_ROUNDING 0x1p-24

/* The error of a float sum of `terms` products in any order, with or without fused
 * multiply-adds, relative to the sum of their absolute values. A rounding error is relative to the
 * partial sum so far, which is at most that; the errors of n additions are as often up as down, so
 * they grow like the square root of n; 4 more are for what is done to the sum afterwards (bias,
 * scale, shift, a division). With terms from vgg_draw_value() one missing or wrong term is at least
 * 1/4, or differs by about that for most values of an output: for 5000 terms 20 times the bound.
 */
double vgg_sum_error(size_t terms);

typedef struct vgg_kernel_output {
    const char *name;
    void *data;  /* a guarded buffer */
    size_t size; /* bytes of a value: 4 for float, 1 */
    bool bits;   /* of 4 bytes, and no float: a vgg_choice */
    /* |found - ref's| <= error * magnitude, per value; NULL: equal. NaN is equal to NaN. */
    const float *magnitude;
    double error;
    size_t channels, pixels; /* blocked like (N, channels, pixels): zero beyond; 0: not blocked */
    const void *initial; /* what it holds before, where the kernel works in place; NULL: poison */
} vgg_kernel_output;

enum { VGG_KERNEL_OUTPUTS = 4, VGG_KERNEL_WORKERS = 3 };

typedef struct vgg_kernel_case {
    const char *name;
    size_t kernel; /* offset in vgg_kernels */
    void *task;
    size_t task_size;
    size_t units;
    float *scratch;      /* a guarded buffer; NULL: none */
    size_t scratch_size; /* floats per worker */
    vgg_kernel_output outputs[VGG_KERNEL_OUTPUTS];
    size_t output_count;
    size_t images;
    /* Makes the task one about a single image; returns its units. NULL: images are not apart. */
    size_t (*one_image)(void *task, size_t image);
} vgg_kernel_case;

/* .name and .kernel of a vgg_kernel_case. */
#define VGG_KERNEL(field) .name = #field, .kernel = offsetof(vgg_kernels, field)

void vgg_case_check(const vgg_kernel_case *item);

/* Poisons the outputs and scratch memory and runs all units by one tier. */
void vgg_case_run(const vgg_kernel_case *item, const vgg_kernels *tier);

const vgg_kernels *vgg_reference(void);

/* For what runs kernels by itself. Fails unless only the scratch memory of `worker`, of `size`
 * floats for each, was written: the rest is poison. */
void vgg_check_scratch(const char *kernel, const char *tier, const float *scratch, size_t size,
                       size_t worker);

/* Moves the values of `size` bytes that a range of units wrote, all that are not poison, to
 * `merged`, and leaves poison. Fails where another range wrote before; `name` is the output's. */
void vgg_collect(const char *kernel, const char *tier, const char *name, void *data, void *merged,
                 size_t bytes, size_t size);

/* Fails unless `bytes` bytes are the same. */
void vgg_case_same(const vgg_kernel_case *item, const vgg_kernels *tier, const char *when,
                   const void *found, const void *expected, size_t bytes, size_t size);

#endif
