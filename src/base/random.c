#include "base/random.h"

#include <math.h>

double vgg_random_normal(uint64_t seed, uint64_t stream, uint64_t counter) {
    const double two_pi = 6.283185307179586476925;
    double u = 1.0 - vgg_random_unit(seed, stream, 2 * counter); /* in (0, 1] */
    double v = vgg_random_unit(seed, stream, 2 * counter + 1);
    return sqrt(-2.0 * log(u)) * cos(two_pi * v);
}

void vgg_random_permutation(size_t *order, size_t count, uint64_t seed, uint64_t stream) {
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
    }
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)vgg_random_below(i, seed, stream, i);
        size_t other = order[j];
        order[j] = order[i - 1];
        order[i - 1] = other;
    }
}
