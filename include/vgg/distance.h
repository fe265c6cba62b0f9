/* Distances between two pictures as a network sees them, and their gradients. */
#ifndef VGG_DISTANCE_H
#define VGG_DISTANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/device.h"
#include "vgg/image.h"
#include "vgg/model.h"
#include "vgg/plan.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The values are pinned. Each is a sum over layers; a and b are what a layer gives for the two
 * pictures, C its channels and P its places. All are symmetric, and 0 for equal pictures. */
typedef enum vgg_distance_metric {
    VGG_DISTANCE_LPIPS = 0,    /* LPIPS version 0.1 (Zhang et al. 2018): the mean over places of the
                                * sum over channels of w (a / |a| - b / |b|)^2, with |a| the length
                                * of all channels at a place plus 1e-10, of VGG-16's relu1_2,
                                * relu2_2, relu3_3, relu4_3 and relu5_3. Without weights w is 1 */
    VGG_DISTANCE_FEATURES = 1, /* the mean of (a - b)^2 (Johnson et al. 2016: feature
                                * reconstruction) */
    VGG_DISTANCE_GRAM = 2,     /* the sum of the squared differences of the Gram matrices a a^T /
                                * (C P) and that of b (Johnson et al. 2016: style reconstruction) */
    VGG_DISTANCE_DISTS = 3,    /* DISTS (Ding et al. 2020), of the pictures and the layers of LPIPS:
                                * the sum over channels of alpha (1 - S) and beta (1 - T), with S =
                                * (2 m n + e) / (m^2 + n^2 + e) of the means m and n of a and b, T =
                                * (2 cov + e) / (var + var + e) of their covariance and variances,
                                * and e = 1e-6. In place of the network's pools are roots of squares
                                * averaged over 3x3 by a Hanning window. alpha and beta add up to
                                * 1; without weights all are alike */
} vgg_distance_metric;

/* "lpips", "features", "gram" or "dists"; NULL for any other value. */
VGG_API const char *vgg_distance_metric_name(vgg_distance_metric metric);
/* The metric of that name; VGG_DISTANCE_LPIPS when there is none. */
VGG_API vgg_distance_metric vgg_distance_metric_named(const char *name);

typedef struct vgg_distance_options {
    size_t struct_size;         /* set by vgg_distance_options_init */
    vgg_distance_metric metric; /* default VGG_DISTANCE_LPIPS */
    const char *weights; /* of LPIPS and DISTS: a file with the weights, such as the vgg.pth of
                          * version 0.1 in the Python package lpips, or the weights.pt in
                          * DISTS_pytorch. Default NULL: none */
    const vgg_tap *taps; /* of features and gram: `tap_count` layers of maps, in any order; copied.
                          * Default NULL, 0: the layer before each pool of 2x2, and the last before
                          * the linear layers */
    size_t tap_count;
    size_t height, width; /* of the pictures; default 0: of the model's input */
    bool gradient;        /* vgg_distance_measure can give gradients, default false */
    bool average_pools;   /* as in vgg_plan_options, default false; not for LPIPS and DISTS */
    bool exact;           /* as in vgg_plan_options, default false */
    size_t threads;       /* as in vgg_plan_options */
    vgg_threads *shared_threads;
    vgg_precision precision; /* as in vgg_plan_options, default VGG_PRECISION_F32 */
    vgg_device_kind device;  /* likewise, default VGG_DEVICE_CPU */
} vgg_distance_options;

VGG_API void vgg_distance_options_init(vgg_distance_options *options, size_t size);

/* A metric, a model and a size of pictures, with all memory that measuring needs. Used by one
 * thread at a time. */
typedef struct vgg_distance vgg_distance;

/* options may be NULL. The model must outlive the distance and stay as it is. It may be without a
 * classifier. Pictures become its inputs by its own figures (vgg_model_preprocess), or, where it
 * has none, by torchvision's, which for pictures from 0 to 1 are the shift and scale of LPIPS.
 *
 * VGG_ERROR_NOT_FOUND for LPIPS and DISTS with a network that lacks one of its layers,
 * VGG_ERROR_UNSUPPORTED for DISTS with one without a max-pool behind each of the first four;
 * VGG_ERROR_FORMAT or VGG_ERROR_SHAPE, naming the tensor, for a file that is none of its weights;
 * VGG_ERROR_ARGUMENT for layers that give no maps. */
VGG_API vgg_status vgg_distance_create(const vgg_model *model, const vgg_distance_options *options,
                                       vgg_distance **distance, vgg_error *error);
VGG_API void vgg_distance_free(vgg_distance *distance);

/* The layers that it is a sum over, from the lowest up, and their names as torchvision has them,
 * before which DISTS has "picture"; NULL beyond the last. The name belongs to the distance. */
VGG_API size_t vgg_distance_parts(const vgg_distance *distance);
VGG_API const char *vgg_distance_part_name(const vgg_distance *distance, size_t part);

/* Pictures are floats from 0 to 1, (channels, height, width) with the channels red, green and blue,
 * or one for a model that takes one: this makes them of an image of that height and width. picture:
 * room for so many, owned by the caller. VGG_ERROR_SHAPE for an image of another size. */
VGG_API vgg_status vgg_distance_picture(const vgg_distance *distance, const vgg_image *image,
                                        float *picture, vgg_error *error);

/* The picture from which distances are measured from now on. VGG_ERROR_ARGUMENT for samples below
 * -0.5 or above 1.5: those of 0 to 255 and of -1 to 1 are not what is expected here, while a
 * picture under optimisation may leave 0 to 1 a little. */
VGG_API vgg_status vgg_distance_set_reference(vgg_distance *distance, const float *picture,
                                              vgg_error *error);

/* The distance of a picture from the reference. parts: room for what each layer adds to it, or
 * NULL. gradient: room for the gradient of the distance with respect to the picture's samples, or
 * NULL; the gradient with respect to the reference is had with the two in each other's place. At a
 * place where all channels of a layer are 0 LPIPS has no gradient, which is 0 here. The value and
 * the gradient are the same bits for any number of threads. VGG_ERROR_ARGUMENT as above, before a
 * reference was set, and for a gradient without the option; VGG_ERROR_NUMERIC when the result is
 * not finite. Takes no memory. */
VGG_API vgg_status vgg_distance_measure(vgg_distance *distance, const float *picture, double *value,
                                        double *parts, float *gradient, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
