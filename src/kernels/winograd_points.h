/* The interpolation points of F(4x4, 3x3), which the taps 0 to 3 of a window of 7x7 have too: 0,
 * +-P, +-Q and infinity. */
#ifndef VGG_KERNELS_WINOGRAD_POINTS_H
#define VGG_KERNELS_WINOGRAD_POINTS_H

#include "kernels/winograd_words.h"

#define P 0.625f
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)

/* The input in one dimension at each point: rows are the products of (x - point) over all points
 * but one. */
VGG_INLINE void input_at_points(const vf d[6], vf out[6]) {
    vf even_p = d[4] - Q2 * d[2], odd_p = P * (d[3] - Q2 * d[1]);
    vf even_q = d[4] - P2 * d[2], odd_q = Q * (d[3] - P2 * d[1]);
    out[0] = (P2 * Q2) * d[0] - (P2 + Q2) * d[2] + d[4];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = (P2 * Q2) * d[1] - (P2 + Q2) * d[3] + d[5];
}

#endif
