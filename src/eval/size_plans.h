/* Dense plans for pictures of any size. Those of the last few sizes are kept. */
#ifndef VGG_EVAL_SIZE_PLANS_H
#define VGG_EVAL_SIZE_PLANS_H

#include "vgg/plan.h"

/* How many plans are kept, and their bytes; one alone may be larger. */
#define VGG_SIZE_PLANS_MOST 8
#define VGG_SIZE_PLANS_BYTES ((size_t)512 << 20)

typedef struct vgg_size_plan {
    vgg_plan *plan;
    size_t height, width, bytes;
    unsigned long used; /* when, by the count of uses */
} vgg_size_plan;

typedef struct vgg_size_plans {
    const vgg_network *network;
    vgg_plan_options planning; /* but for the size */
    vgg_size_plan kept[VGG_SIZE_PLANS_MOST];
    size_t count;
    unsigned long uses;
} vgg_size_plans;

/* The plan for a size, made where it is not kept; belongs to the plans until the next call. */
vgg_status vgg_size_plans_get(vgg_size_plans *plans, size_t height, size_t width, vgg_plan **plan,
                              vgg_error *error);
void vgg_size_plans_free(vgg_size_plans *plans);

#endif
