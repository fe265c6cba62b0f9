#include "nn/loss_scale.h"

#include "base/error.h"

/* Of a plan that nobody steps with, whose scale must fit at once. */
#define FIXED 1024
/* As it is usual: from there it halves until gradients fit. */
#define FIRST 65536
#define GOOD_STEPS 2000
/* Where gradients vanish, none ever overflows. */
#define MOST 16777216

vgg_loss_scale vgg_loss_scale_of(bool half) {
    return (vgg_loss_scale){.factor = half ? FIXED : 1, .half = half};
}

void vgg_loss_scale_begin(vgg_loss_scale *scale) {
    if (scale->half)
        *scale = (vgg_loss_scale){.factor = FIRST, .half = true, .moves = true};
}

vgg_status vgg_loss_scale_move(vgg_loss_scale *scale, bool finite, vgg_error *error) {
    if (!finite && scale->factor <= 1)
        return vgg_fail(
            error, VGG_ERROR_UNSUPPORTED,
            "gradients are too large for f16, expected a training in bf16, tf32 or f32");
    scale->good = finite ? scale->good + 1 : 0;
    scale->skipped += finite ? 0 : 1;
    if (!finite)
        scale->factor /= 2;
    if (scale->good < GOOD_STEPS)
        return VGG_OK;
    scale->good = 0;
    if (scale->factor < MOST)
        scale->factor *= 2;
    return VGG_OK;
}
