/* Which views of a picture are computed; those of batches, and what is made of them. */
#ifndef VGG_EVAL_PROTOCOL_H
#define VGG_EVAL_PROTOCOL_H

#include "vgg/plan.h"
#include "vgg/predict.h"

/* VGG_ERROR_ARGUMENT for a protocol that there is not. */
vgg_status vgg_protocol_check(vgg_protocol protocol, vgg_error *error);

/* Rows of `width` floats the other way round; `to` may be `from`. */
void vgg_protocol_mirror(const float *from, float *to, size_t rows, size_t width);

/* What the second view of a batch needs. */
typedef struct vgg_protocol_room {
    size_t input, width, classes; /* floats of an input, and of a row of it */
    double temperature;           /* that logits are divided by */
    bool each;       /* probabilities are of each class by itself: VGG_OUTPUT_SIGMOID */
    float *mirrored; /* of the batch's inputs, or the inputs themselves */
    float *logits;   /* of the mirrored pictures */
} vgg_protocol_room;

/* vgg_plan_forward, and with VGG_PROTOCOL_FLIP the same of the mirrored inputs: logits become the
 * logarithms of the averaged probabilities. */
vgg_status vgg_protocol_forward(vgg_plan *plan, vgg_protocol protocol,
                                const vgg_protocol_room *room, const float *inputs, size_t count,
                                float *logits, vgg_error *error);

#endif
