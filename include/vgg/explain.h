/* Explanations: maps of what in a picture speaks for a class. */
#ifndef VGG_EXPLAIN_H
#define VGG_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/device.h"
#include "vgg/model.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The values are pinned. A is what the layer gives, g the gradient of the class's logit with
 * respect to it or to the input; sums and means are over places unless they say otherwise. */
typedef enum vgg_explain_method {
    VGG_EXPLAIN_GRADCAM = 0,    /* the sum over channels of mean(g) A, where it is positive
                                 * (Selvaraju et al. 2017) */
    VGG_EXPLAIN_GRADCAM_PP = 1, /* Grad-CAM++: sum(a max(g, 0)) A in its place, with a = g^2 /
                                 * (2 g^2 + sum(A) g^3) (Chattopadhay et al. 2018) */
    VGG_EXPLAIN_LAYERCAM = 2,   /* the sum over channels of max(g, 0) A (Jiang et al. 2021) */
    VGG_EXPLAIN_GUIDED = 3,     /* |g| of the input, the largest of the channels, through ReLUs that
                                 * stop gradients below 0 (Springenberg et al. 2015) */
    VGG_EXPLAIN_SMOOTHGRAD = 4, /* |mean of g over noisy inputs|, the largest of the channels
                                 * (Smilkov et al. 2017) */
    VGG_EXPLAIN_INTEGRATED = 5, /* integrated gradients from an input of zeros, the mean colour of
                                 * most preprocessings, summed over channels (Sundararajan et al.
                                 * 2017); by Gauss and Legendre's rule. Negative where the class
                                 * is spoken against */
    VGG_EXPLAIN_OCCLUSION = 6,  /* by how much the logit falls when a square of zeros is laid over
                                 * the place, the mean over all squares that cover it (Zeiler &
                                 * Fergus 2014) */
} vgg_explain_method;

/* "gradcam", "gradcam++", "layercam", "guided", "smoothgrad", "integrated" or "occlusion"; NULL for
 * any other value. */
VGG_API const char *vgg_explain_method_name(vgg_explain_method method);
/* The method of that name; VGG_EXPLAIN_GRADCAM when there is none. */
VGG_API vgg_explain_method vgg_explain_method_named(const char *name);

/* In place of a layer or a class: the library chooses. */
#define VGG_EXPLAIN_USUAL SIZE_MAX

typedef struct vgg_explain_options {
    size_t struct_size;        /* set by vgg_explain_options_init */
    vgg_explain_method method; /* default VGG_EXPLAIN_GRADCAM */
    /* The number of the layer of the first three methods, one that sees maps. Default
     * VGG_EXPLAIN_USUAL: what stands behind the last convolution, with its normalisation and ReLU,
     * VGG-16's relu5_3. */
    size_t layer;
    size_t samples; /* noisy inputs of smoothgrad, default 0: 25; steps of integrated gradients, 0:
                     * 50. Up to 1,000 */
    double noise;   /* of smoothgrad: deviation of the noise, as a share of the input's range;
                     * default 0.15 */
    uint64_t seed;  /* of that noise, default 0 */
    size_t window;  /* side of the square of occlusion in pixels of the input, default 0: a sixth of
                     * the shorter side */
    size_t stride;  /* by how much it moves, default 0: a third of its side */
    size_t threads; /* default 0: as many as the machine leaves to this process */
    bool exact;     /* as in vgg_plan_options, default false */
    vgg_threads *shared_threads; /* likewise, default NULL */
    /* Called before each batch of inputs that is computed, in the thread that explains; false ends
     * the work with VGG_ERROR_STOPPED. Default NULL: it goes on. */
    bool (*go_on)(void *user);
    void *user;              /* passed to it */
    vgg_precision precision; /* as in vgg_plan_options, default VGG_PRECISION_F32 */
    vgg_device_kind device;  /* likewise, default VGG_DEVICE_CPU */
} vgg_explain_options;

VGG_API void vgg_explain_options_init(vgg_explain_options *options, size_t size);

/* A model made ready to explain its answers. One thread at a time may use it; several may share a
 * model and threads. */
typedef struct vgg_explainer vgg_explainer;

/* options may be NULL. The model must outlive the explainer and must have its preprocessing.
 * VGG_ERROR_ARGUMENT for a layer that sees rows of features. */
VGG_API vgg_status vgg_explainer_create(const vgg_model *model, const vgg_explain_options *options,
                                        vgg_explainer **explainer, vgg_error *error);
VGG_API void vgg_explainer_free(vgg_explainer *explainer);

/* The bytes that an explainer with these options takes at most, with what it takes while it
 * explains a picture, without making it: beside the decoded picture and the map. Faithfulness has a
 * plan of its own beside. */
VGG_API vgg_status vgg_explainer_memory(const vgg_model *model, const vgg_explain_options *options,
                                        size_t *bytes, vgg_error *error);

typedef struct vgg_explanation {
    size_t struct_size;        /* set by the caller */
    size_t index;              /* number of the class */
    double probability, logit; /* of it, for the whole picture; logits start gradients, so that a
                                * probability of nearly 1 does not make them vanish */
    double least, most;        /* of the map */
    bool blank; /* nothing in the map is above 0: it shows nothing that speaks for the class */
    double gap; /* of integrated gradients: by how much the sum of the map misses the difference of
                 * the logits, as a share of that; else 0 */
} vgg_explanation;

/* Explains the answer for a class, or for the likeliest with VGG_EXPLAIN_USUAL. map: (height,
 * width) floats of the model's input, to which the maps of the first three methods are enlarged
 * bilinearly; negative only for integrated gradients and occlusion. The caller sets
 * explanation->struct_size. */
VGG_API vgg_status vgg_explain_image(vgg_explainer *explainer, const vgg_image *image, size_t index,
                                     float *map, vgg_explanation *explanation, vgg_error *error);

/* How faithful a map is: pixels are taken in the order of the map, its highest first, and the
 * class's probability is followed (Petsiuk et al. 2018). */
typedef struct vgg_faithfulness {
    size_t struct_size; /* set by the caller */
    double deletion;  /* mean probability while they are replaced by zeros: the less, the better */
    double insertion; /* while they are put into a blurred picture: the more, the better */
    double random_deletion, random_insertion; /* the same in a random order, to compare with */
} vgg_faithfulness;

/* In `steps` equal steps, 1 to 1,000; index is that of the explanation. */
VGG_API vgg_status vgg_explain_faithfulness(vgg_explainer *explainer, const vgg_image *image,
                                            size_t index, const float *map, size_t steps,
                                            vgg_faithfulness *faithfulness, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
