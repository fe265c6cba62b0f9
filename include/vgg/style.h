/* Pictures with the content of one picture and the style of others (Gatys et al. 2016), found by
 * optimising their samples. */
#ifndef VGG_STYLE_H
#define VGG_STYLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/device.h"
#include "vgg/image.h"
#include "vgg/model.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A picture whose style is wanted, of any size. Frozen. */
typedef struct vgg_style_source {
    const vgg_image *image;
    double weight; /* above 0: of its Gram matrices in the mean of all sources' */
} vgg_style_source;

typedef enum vgg_style_start {
    VGG_STYLE_START_CONTENT = 0, /* the content picture */
    VGG_STYLE_START_NOISE = 1,   /* independent samples around grey, a function of the seed */
    VGG_STYLE_START_IMAGE = 2,   /* start_image */
} vgg_style_start;

/* What is made least is the sum of
 *
 *   content_weight * the mean of (F - P)^2
 *   style_weight * the mean of (G - A)^2, for each layer of style, with Gram matrices F F^T / (C P)
 *   variation_weight * half the sum of the squared differences of neighbouring samples
 *
 * F is what a layer gives for the picture, of C channels and P places; P is that for the content
 * picture and A the mean of the Gram matrices of the style pictures. Samples are 0 to 255, and what
 * layers give is counted on that scale, too: times deviation / scale of the model's preprocessing,
 * on average over the channels, so that one set of weights suits all models. For Caffe's
 * preprocessing, with a factor of 1, these are the weights of the program neural-style. */
typedef struct vgg_style_options {
    size_t struct_size;        /* set by vgg_style_options_init */
    const char *content_layer; /* as vgg_network_find_layer has it; default "relu4_2" */
    const char *style_layers;  /* with commas between them; default
                                * "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1" */
    double content_weight;     /* 0 or above, default 5 */
    double style_weight;       /* of each layer; 0 or above, default 100 */
    double variation_weight;   /* 0 or above, default 1e-3 */
    size_t height, width;      /* of the picture that is made; default 0: of the content picture */
    size_t style_side; /* the long side that style pictures are resized to; default 0: that of the
                        * picture that is made */
    vgg_style_start start;        /* default VGG_STYLE_START_CONTENT */
    const vgg_image *start_image; /* resized; default NULL */
    uint64_t seed;                /* default 0 */
    size_t history;     /* steps that L-BFGS remembers, 1 to 1000, default 100, as PyTorch's. Each
                         * takes two pictures of float32 */
    bool average_pools; /* as in vgg_plan_options, default false */
    bool exact;         /* as in vgg_plan_options, default false */
    size_t threads;     /* as in vgg_plan_options */
    vgg_threads *shared_threads;
    vgg_precision precision; /* as in vgg_plan_options, default VGG_PRECISION_F32 */
    vgg_device_kind device;  /* likewise, default VGG_DEVICE_CPU */
} vgg_style_options;

VGG_API void vgg_style_options_init(vgg_style_options *options, size_t size);

/* An optimisation under way. Used by one thread at a time. */
typedef struct vgg_style vgg_style;

/* About how many bytes one with these options takes, whose picture is of options->height x
 * options->width, which must be given, without making it: at most, for style pictures that are
 * square. */
VGG_API vgg_status vgg_style_memory(const vgg_model *model, const vgg_style_options *options,
                                    size_t *bytes, vgg_error *error);

/* Looks at the pictures, which are not needed afterwards, and takes all memory that iterations
 * need. The model must outlive it and stay as it is; it may be without a classifier. Pictures
 * become its inputs by its own figures or, where it has none, by torchvision's. options may be
 * NULL. VGG_ERROR_NOT_FOUND for a layer that the network lacks. */
VGG_API vgg_status vgg_style_create(const vgg_model *model, const vgg_image *content,
                                    const vgg_style_source *sources, size_t source_count,
                                    const vgg_style_options *options, vgg_style **style,
                                    vgg_error *error);
VGG_API void vgg_style_free(vgg_style *style);

/* What is known of the picture at this moment. */
typedef struct vgg_style_state {
    size_t struct_size; /* set by the caller */
    size_t iteration;   /* moves made so far */
    double loss;        /* the sum of these */
    double content, style, variation;
    bool finished; /* L-BFGS leads no further: no more iterations are made */
} vgg_style_state;

VGG_API vgg_status vgg_style_now(const vgg_style *style, vgg_style_state *state, vgg_error *error);

/* One iteration of L-BFGS with a rate of 1 and without a line search, as torch.optim.LBFGS does it
 * unless told otherwise: a move of all samples, and the loss and gradient there. It does nothing
 * when it has finished. The same bits for any number of threads. VGG_ERROR_NUMERIC when the loss is
 * or its gradient is not finite; it has then finished, with the last picture for which they were.
 * Takes no memory. */
VGG_API vgg_status vgg_style_iterate(vgg_style *style, vgg_error *error);

/* The picture, its samples rounded and cut off at 0 and 255, for vgg_image_free. */
VGG_API vgg_status vgg_style_picture(const vgg_style *style, vgg_image *image, vgg_error *error);

/* Writes where the optimisation stands, whole or not at all, in place of what is there: a
 * safetensors file of the picture and, unless it has finished, of all that L-BFGS remembers. */
VGG_API vgg_status vgg_style_save(const vgg_style *style, const char *path, vgg_error *error);

/* Goes on from such a file, in an optimisation of the same model, pictures and options (start and
 * seed do not matter), to the same bits as if it had never stopped. VGG_ERROR_CHANGED for one of
 * others, a history that forgets other moves among them, and VGG_ERROR_FORMAT for one that is none
 * or whose values cannot have been saved; what it was then stays. */
VGG_API vgg_status vgg_style_resume(vgg_style *style, const char *path, vgg_error *error);

/* The iteration in which such a file was written. VGG_ERROR_FORMAT for one that is none. */
VGG_API vgg_status vgg_style_saved(const char *path, size_t *iteration, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
