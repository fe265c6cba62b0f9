/* A distance inside. */
#ifndef VGG_INSIDE_DISTANCE_H
#define VGG_INSIDE_DISTANCE_H

#include "base/threads.h"
#include "kernels/kernels.h"
#include "nn/plan.h"
#include "vgg/distance.h"

/* Values per unit of features. */
#define VGG_DISTANCE_VALUES 16384

/* A layer that a distance is a sum over. */
typedef struct vgg_distance_part {
    char name[VGG_LAYER_NAME];
    size_t channels, places, values;
    size_t height, width; /* of LPIPS */
    float *reference; /* what it gives for the reference, (channels, places); of LPIPS in blocks */
    float *given;     /* and for the other picture */
    float *gradient;  /* of the distance with respect to that; NULL: not wanted, or of a viewer */
    float *weights;   /* LPIPS: (channels), zero beyond. DISTS: alphas and betas, (2, channels) */
    float *inverse;   /* LPIPS: (places), of the reference, as vgg_lpips_task has it */
    float *own_inverse, *distances, *pull; /* and of the other picture */
    float *gram;                           /* gram: of the reference, (channels, channels) */
} vgg_distance_part;

/* DISTS: a block of the network, which follows an L2 pool of what the one before gives. */
typedef struct vgg_distance_block {
    size_t first, last;   /* its layers in the model's network */
    size_t height, width; /* of its input */
    size_t channels;      /* of that */
    vgg_network *network; /* these layers */
    vgg_plan *plan;       /* of it */
    float *input, *slope; /* the block's, and the gradient with respect to it */
} vgg_distance_block;

struct vgg_distance {
    const vgg_model *model;
    vgg_distance_options options; /* its taps are a copy */
    vgg_tap *taps;
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    const vgg_kernels *kernels;
    vgg_plan *plan;             /* NULL for DISTS */
    vgg_tap_viewer viewer;      /* LPIPS: of the plan, on a processor */
    bool sees_reference;        /* and what it sees: the reference, or the other picture */
    vgg_distance_block *blocks; /* of DISTS; else NULL */
    size_t block_count;
    vgg_preprocess preprocess; /* figures and order of channels */
    size_t channels, pixels;   /* of a picture */

    vgg_distance_part *parts;
    size_t part_count, part_room;
    float *values; /* the parts', but of DISTS, where each has its own: NULL */
    float **rows;  /* pointers to the parts' arrays, for the plan */
    float *input;  /* of the network */
    float *grams;  /* gram: of the other picture, and then the difference */
    float *zeros;  /* as many as the most channels */
    double *sums;  /* of each unit of a part */
    bool has_reference;
};

/* distance_weights.c: reads LPIPS's or DISTS's weights into the parts. */
vgg_status vgg_distance_read_weights(vgg_distance *distance, vgg_error *error);

/* distance_dists.c: blocks, parts and the rest of DISTS, whose taps are chosen. */
vgg_status vgg_dists_create(vgg_distance *distance, vgg_error *error);
void vgg_dists_free(vgg_distance *distance);
/* What the parts have of a picture, whose normalised samples are distance->input. */
vgg_status vgg_dists_look(vgg_distance *distance, const float *picture, bool reference,
                          vgg_error *error);
double vgg_dists_compare(vgg_distance *distance, vgg_distance_part *part, bool slopes);
/* From the gradients of the parts to that of distance->input. */
vgg_status vgg_dists_carry_back(vgg_distance *distance, vgg_error *error);

/* distance_lpips.c: the functions of the viewer, and what is the same without one. */
float *vgg_lpips_place(void *context, size_t tap);
void vgg_lpips_see(void *context, size_t tap, const vgg_tap_pool *pool);
void vgg_lpips_slope(void *context, size_t tap, const vgg_tap_slopes *slopes);
void vgg_lpips_prepare(vgg_distance *distance, vgg_distance_part *part);
double vgg_lpips_compare(vgg_distance *distance, vgg_distance_part *part, bool slopes);

/* distance_sums.c: the sums of so many units. */
double vgg_distance_add_up(const vgg_distance *distance, size_t count);

/* distance_metrics.c: what follows from the reference's values. */
void vgg_distance_prepare(vgg_distance *distance, vgg_distance_part *part);
/* What the part adds to the distance, and with slopes its gradient. */
double vgg_distance_compare(vgg_distance *distance, vgg_distance_part *part, bool slopes);

#endif
