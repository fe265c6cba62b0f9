/* What the passes of Winograd's convolutions share: their sizes, and their transforms in one
 * dimension, which each pass applies to columns and then to rows.
 *
 * The sources that include this are compiled once per tier and tile size, with VGG_TILE set to 4,
 * for F(4x4, 3x3), or to 2, for F(2x2, 3x3). What they export is named by VGG_TILED:
 * winograd4_forward_avx2 and so on. With VGG_BF16, the operands of the products are bfloat16, and
 * the names are winograd4_bf16_forward_avx2; with VGG_INT8 they are int8, and winograd4_int8_...
 * With VGG_WHOLE the tile of 2x2 is a whole map, whose border of zeros needs no products:
 * winograd2_whole_forward_avx2. */
#ifndef VGG_KERNELS_WINOGRAD_TRANSFORMS_H
#define VGG_KERNELS_WINOGRAD_TRANSFORMS_H

#include "kernels/winograd_points.h"
#include "kernels/winograd_words.h"

#if defined(VGG_INT8)
#define VGG_TILED3(name, tile, tier) vgg_winograd##tile##_int8_##name##_##tier
#elif defined(VGG_BF16)
#define VGG_TILED3(name, tile, tier) vgg_winograd##tile##_bf16_##name##_##tier
#else
#define VGG_TILED3(name, tile, tier) vgg_winograd##tile##_##name##_##tier
#endif
#define VGG_TILED2(name, tile, tier) VGG_TILED3(name, tile, tier)
#if defined(VGG_WHOLE)
#define VGG_TILED(name) VGG_TILED2(name, 2_whole, VGG_TIER)
#else
#define VGG_TILED(name) VGG_TILED2(name, VGG_TILE, VGG_TIER)
#endif

#define TILE VGG_TILE
#define SIDE (TILE + 2) /* of an input tile: the outputs and a border */

/* Points in one dimension. */
#if defined(VGG_WHOLE)
#define WHOLE true
#define LINE (SIDE - 1)
#else
#define WHOLE false
#define LINE SIDE
#endif
#define POINTS (LINE * LINE)

#if TILE == 4

/* B^T d. */
VGG_INLINE void transform_input(const vf d[SIDE], vf out[LINE]) {
    input_at_points(d, out);
}

/* G g: the filter's polynomial at each point, over the product of (point - other points). */
VGG_INLINE void transform_filter(const vf g[3], vf out[LINE]) {
    const float at_zero = 1.0f / (P2 * Q2);
    const float at_p = 1.0f / (2 * P2 * (P2 - Q2)), at_q = 1.0f / (2 * Q2 * (Q2 - P2));
    vf even_p = at_p * g[0] + (at_p * P2) * g[2], odd_p = (at_p * P) * g[1];
    vf even_q = at_q * g[0] + (at_q * Q2) * g[2], odd_q = (at_q * Q) * g[1];
    out[0] = at_zero * g[0];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = g[2];
}

/* A^T m: the powers 0 to 3 of the points. */
VGG_INLINE void transform_output(const vf m[LINE], vf out[TILE]) {
    vf even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    out[0] = m[0] + even_p + even_q;
    out[1] = P * odd_p + Q * odd_q;
    out[2] = P2 * even_p + Q2 * even_q;
    out[3] = (P2 * P) * odd_p + (Q2 * Q) * odd_q + m[5];
}

/* A dy: the transpose of transform_output, for the gradient of an output tile. */
VGG_INLINE void transform_gradient(const vf d[TILE], vf out[LINE]) {
    vf even_p = d[0] + P2 * d[2], odd_p = P * d[1] + (P2 * P) * d[3];
    vf even_q = d[0] + Q2 * d[2], odd_q = Q * d[1] + (Q2 * Q) * d[3];
    out[0] = d[0];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = d[3];
}

/* G^T m: the transpose of transform_filter, for the gradient of a filter. */
VGG_INLINE void transform_sums(const vf m[LINE], vf out[3]) {
    const float at_zero = 1.0f / (P2 * Q2);
    const float at_p = 1.0f / (2 * P2 * (P2 - Q2)), at_q = 1.0f / (2 * Q2 * (Q2 - P2));
    vf even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    out[0] = at_zero * m[0] + at_p * even_p + at_q * even_q;
    out[1] = (at_p * P) * odd_p + (at_q * Q) * odd_q;
    out[2] = (at_p * P2) * even_p + (at_q * Q2) * even_q + m[5];
}

VGG_INLINE vf sum_values(const vf d[TILE]) {
    return (d[0] + d[1]) + (d[2] + d[3]);
}

#elif defined(VGG_WHOLE)

/* Two values d1 and d2 between zeros, with the taps g: g1 d1 + g2 d2 and g0 d1 + g1 d2, which are
 * g1 (d1 + d2) + (g2 - g1) d2 and g1 (d1 + d2) + (g0 - g1) d1. */
VGG_INLINE void transform_input(const vf d[SIDE], vf out[LINE]) {
    out[0] = d[1] + d[2];
    out[1] = d[2];
    out[2] = d[1];
}

VGG_INLINE void transform_filter(const vf g[3], vf out[LINE]) {
    out[0] = g[1];
    out[1] = g[2] - g[1];
    out[2] = g[0] - g[1];
}

VGG_INLINE void transform_output(const vf m[LINE], vf out[TILE]) {
    out[0] = m[0] + m[1];
    out[1] = m[0] + m[2];
}

VGG_INLINE void transform_gradient(const vf d[TILE], vf out[LINE]) {
    out[0] = d[0] + d[1];
    out[1] = d[0];
    out[2] = d[1];
}

VGG_INLINE void transform_sums(const vf m[LINE], vf out[3]) {
    out[0] = m[2];
    out[1] = m[0] - (m[1] + m[2]);
    out[2] = m[1];
}

VGG_INLINE vf sum_values(const vf d[TILE]) {
    return d[0] + d[1];
}

#else

/* The same with the interpolation points 0, +-1 and infinity. */
VGG_INLINE void transform_input(const vf d[SIDE], vf out[LINE]) {
    out[0] = d[0] - d[2];
    out[1] = d[2] + d[1];
    out[2] = d[2] - d[1];
    out[3] = d[3] - d[1];
}

VGG_INLINE void transform_filter(const vf g[3], vf out[LINE]) {
    vf even = 0.5f * (g[0] + g[2]), odd = 0.5f * g[1];
    out[0] = g[0];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = g[2];
}

VGG_INLINE void transform_output(const vf m[LINE], vf out[TILE]) {
    out[0] = m[0] + (m[1] + m[2]);
    out[1] = (m[1] - m[2]) + m[3];
}

VGG_INLINE void transform_gradient(const vf d[TILE], vf out[LINE]) {
    out[0] = d[0];
    out[1] = d[0] + d[1];
    out[2] = d[0] - d[1];
    out[3] = d[1];
}

VGG_INLINE void transform_sums(const vf m[LINE], vf out[3]) {
    vf even = 0.5f * (m[1] + m[2]);
    out[0] = m[0] + even;
    out[1] = 0.5f * (m[1] - m[2]);
    out[2] = even + m[3];
}

VGG_INLINE vf sum_values(const vf d[TILE]) {
    return d[0] + d[1];
}

#endif

/* u[POINTS][filter_point], a point of which begins with [words of channels][32]: the transformed
 * filters of the output channels from first_k on, for the input channels first_c .. first_c +
 * channels - 1. stream: they are stored past the caches. */
void VGG_TILED(make_filters)(const vgg_winograd_task *task, size_t first_k, size_t first_c,
                             size_t channels, bool stream, word *u);

#endif
