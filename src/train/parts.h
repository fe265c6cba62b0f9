/* The sum of the gradients of a step's parts, in a tree that depends on their number only:
 *
 *     part 0   1   2   3   4   5   6
 *          \ /     \ /     \ /     |
 *            \     /         \     /
 *               \________________/
 *
 * Neighbours are added in pairs, then neighbours among those sums, and so on; what has no neighbour
 * goes up as it is. Each part is computed alone, so whoever computes which, the bits of the sum are
 * the same. Parts that come one after another need one kept sum per level. */
#ifndef VGG_TRAIN_PARTS_H
#define VGG_TRAIN_PARTS_H

#include <stddef.h>

#include "nn/plan.h"

typedef struct vgg_part_sums {
    vgg_plan *plan; /* of whose gradients; they and the sums are memory of its device */
    size_t floats;  /* of the gradients of one part */
    float *levels;  /* (levels, floats): sums of 1, 2, 4, ... parts that wait for their neighbour */
} vgg_part_sums;

/* Bytes of the sums for up to that many parts; SIZE_MAX when they cannot be addressed. */
size_t vgg_part_sums_bytes(size_t parts, size_t floats);

vgg_status vgg_part_sums_create(vgg_part_sums *sums, vgg_plan *plan, size_t parts, size_t floats,
                                vgg_error *error);
void vgg_part_sums_free(vgg_part_sums *sums);

/* Adds part `part` of `parts`, each in its turn, whose gradients are given. After the last of them
 * `gradients` holds the sum of all, before that nothing of use. */
void vgg_part_sums_add(vgg_part_sums *sums, float *gradients, size_t part, size_t parts);

#endif
