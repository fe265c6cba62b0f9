/* Random numbers that are a function of (seed, stream, counter) and nothing else: any thread can
 * draw any number in any order, and a stopped run continues with the numbers that it would have
 * had. The mixing function is SplitMix64's finaliser (Steele, Lea, Flood: "Fast splittable
 * pseudorandom number generators", OOPSLA 2014), applied twice. */
#ifndef VGG_BASE_RANDOM_H
#define VGG_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t vgg_random_mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t vgg_random_u64(uint64_t seed, uint64_t stream, uint64_t counter) {
    uint64_t key = vgg_random_mix(seed + 0x9e3779b97f4a7c15u * (stream + 1));
    return vgg_random_mix(key + 0x9e3779b97f4a7c15u * (counter + 1));
}

/* Uniform in [0, 1), 53 bits. */
static inline double vgg_random_unit(uint64_t seed, uint64_t stream, uint64_t counter) {
    return (double)(vgg_random_u64(seed, stream, counter) >> 11) * 0x1p-53;
}

/* Uniform in 0..bound-1, bound >= 1. The bias of bound/2^64 is far below notice. */
static inline uint64_t vgg_random_below(uint64_t bound, uint64_t seed, uint64_t stream,
                                        uint64_t counter) {
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)vgg_random_u64(seed, stream, counter) * bound) >> 64);
}

/* Standard normal, by Box and Muller's transform. */
double vgg_random_normal(uint64_t seed, uint64_t stream, uint64_t counter);

/* Shuffles 0..count-1 into order (Fisher and Yates). */
void vgg_random_permutation(size_t *order, size_t count, uint64_t seed, uint64_t stream);

#endif
