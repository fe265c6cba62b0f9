/* For the tests of kernels that multiply matrices of bfloat16, which few tiers have. */
#ifndef VGG_TESTS_KERNELS_BF16_H
#define VGG_TESTS_KERNELS_BF16_H

#include "kernels/kernels.h"

/* Whether a tier has them. */
bool vgg_has_matrices(const vgg_kernels *tier);

/* Skips the test where no tier but ref has: there is nothing to compare. */
void vgg_need_matrices(void);

/* A guarded buffer's values as numbers of bfloat16, in another one. */
float *vgg_rounded(const float *values);

/* A number of bfloat16, of any size but the largest and the smallest; or, if `special`, now and
 * then one that is not finite, or zero. */
float vgg_draw_bf16(bool special);

/* What is added to a sum for up to 32 products: those of even and of odd number summed apart from 0
 * on, and then together. */
float vgg_run_sum(const float *x, const float *w, size_t count);

/* `sum` + `more` as these kernels add it. */
float vgg_run_add(float sum, float more);

/* Fails unless a value has the bits that are wanted, or both are NaN; zeros are all the same. */
void vgg_check_bits(const char *kernel, const vgg_kernels *tier, size_t index, float found,
                    float wanted);

#endif
