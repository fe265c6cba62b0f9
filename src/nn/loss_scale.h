/* Gradients in half precision are so many times what they are, until they are stored, so that small
 * ones do not become zero. A step whose gradients overflow is left out, and the factor halved;
 * after many good steps it is doubled (Micikevicius et al. 2018). */
#ifndef VGG_NN_LOSS_SCALE_H
#define VGG_NN_LOSS_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "vgg/status.h"

typedef struct vgg_loss_scale {
    float factor;     /* a power of 2; 1: gradients are as they are */
    bool half, moves; /* there is one; steps may be left out */
    uint64_t good;    /* steps since it moved */
    uint64_t skipped; /* steps that were left out */
} vgg_loss_scale;

/* That of a new plan, which stays until somebody steps. */
vgg_loss_scale vgg_loss_scale_of(bool half);
/* An optimiser begins, which leaves out steps: it moves from here on. */
void vgg_loss_scale_begin(vgg_loss_scale *scale);
/* After a step that was made, or, where its gradients were not finite, is left out.
 * VGG_ERROR_UNSUPPORTED when they do not fit at all. */
vgg_status vgg_loss_scale_move(vgg_loss_scale *scale, bool finite, vgg_error *error);

#endif
