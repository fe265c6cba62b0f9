/* Whole networks in whole numbers of 8 bits: scales for the convolutions, found on pictures. */
#ifndef VGG_CALIBRATE_H
#define VGG_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/network.h"
#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a layer of a network is computed in int8. */
typedef struct vgg_int8_info {
    size_t struct_size; /* set by the caller */
    size_t tile;  /* outputs on a side of a tile of Winograd's transforms, 4 or 2; 1: directly,
                   * without transforms; 0: it is not */
    double error; /* what this layer alone in int8 adds to the logits of the calibration's pictures:
                   * root of the sum of squares, as a share of that of the logits */
    double cost;  /* by the cost rule of the processor that it was calibrated on, of its time in
                   * float32 with AVX-512 */
} vgg_int8_info;

/* Of layer 0..count-1. The caller sets info->struct_size to sizeof *info before the call. */
VGG_API vgg_status vgg_network_int8(const vgg_network *network, size_t layer, vgg_int8_info *info,
                                    vgg_error *error);

typedef struct vgg_calibration_options {
    size_t struct_size; /* set by vgg_calibration_options_init */
    size_t threads;     /* default 0: as many as the machine leaves to this process */
    double max_drop;    /* the largest share of pictures whose first class may become another one;
                         * from 0 to 1, default 0.01. Layers with the largest errors take smaller
                         * tiles, or stay in float32, until the estimate is below it */
    vgg_progress_callback *progress; /* default NULL: not called. Counts passes of pictures through
                                      * the network, of the most that there can be; stopped, the
                                      * network is as it was, without int8 */
    void *progress_user;
    vgg_warning_callback *warn; /* default NULL. Hears of a calibration that is thin: of few
                                 * pictures, or in which a layer was never more than 0 */
    void *warn_user;
    const float *expected; /* default NULL: what the network gives in float32. Logits, (count,
                            * classes), that those in int8 are compared with, such as those from
                            * before weights were rounded */
    bool several_labels;   /* default false: the first class is what counts; true: the sign of each
                            * logit, for a network whose classes do not exclude one another. With a
                            * single class it is always the sign */
} vgg_calibration_options;

VGG_API void vgg_calibration_options_init(vgg_calibration_options *options, size_t size);

/* What a calibration came to. */
typedef struct vgg_calibration {
    size_t struct_size;  /* set by the caller */
    size_t convolutions; /* in int8 */
    size_t pictures;
    size_t changed; /* pictures with another first class, or label, than is expected */
    double drop;    /* the share of pictures that are to be expected to have one: from how far their
                     * first class is ahead, and how far logits move */
    double error;   /* of the logits against the expected ones, as in vgg_int8_info, all layers
                     * together */
} vgg_calibration;

/* Finds scales for a network's 3x3 convolutions that are not its first layer, and with which tiles
 * each is to be done, on pictures: inputs, (count, channels, height, width) as for
 * vgg_plan_forward, of the network's own size. No labels are needed; 32 pictures are enough, and
 * fewer than that are warned of. Plans for inference then do these convolutions in int8, by
 * Winograd's transforms or directly; those with gradients or `exact` do not. Which of these is the
 * fastest depends on the processor, and the one that calibrates decides: directly where it has AMX,
 * and by transforms elsewhere. Weights stay as they are stored,
 * and are rounded to 8 bits when a plan first runs, alike on every processor; vgg_model_save keeps
 * the scales.
 *
 * Scales are forgotten when the network's values become others: by vgg_network_set_values,
 * vgg_network_initialise, vgg_network_set_dtype to another type than "I8",
 * vgg_network_set_tensor_dtype where it stores a tensor anew as another type than "I8",
 * vgg_plan_create_training, and whatever a plan for training or an optimiser does afterwards. A
 * call that fails leaves them. Plans that were made before a calibration, or before scales are
 * forgotten, cannot run afterwards: VGG_ERROR_ARGUMENT.
 *
 * options may be NULL; result may be NULL. VGG_ERROR_NUMERIC when a weight, what a layer puts out
 * or an expected logit is not finite. No plan of the network may run meanwhile. */
VGG_API vgg_status vgg_network_calibrate(vgg_network *network, const float *inputs, size_t count,
                                         const vgg_calibration_options *options,
                                         vgg_calibration *result, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
