/* What stands beside the weights of somebody else's file: in the checkpoint itself, or in the
 * config.json and preprocessor_config.json that timm and Hugging Face put into its folder. */
#ifndef VGG_MODEL_BESIDE_H
#define VGG_MODEL_BESIDE_H

#include "formats/format.h"
#include "model/labels.h"
#include "vgg/image.h"

#define VGG_BESIDE_PLACE 96

/* Start with {0}. */
typedef struct vgg_beside {
    vgg_labels labels; /* empty: there are none */
    bool has_figures;  /* mean and deviation are known */
    size_t figures;    /* how many of each: 1 or 3 */
    double scale, mean[3], deviation[3];
    bool scale_said;
    size_t height, width; /* of the input; 0: not known */
    size_t resize;        /* 0: not known */
    bool has_filter, squash;
    vgg_filter filter;
    /* Where each comes from, for messages: "class_to_idx" of the checkpoint. */
    char labels_from[VGG_BESIDE_PLACE], figures_from[VGG_BESIDE_PLACE];
    char size_from[VGG_BESIDE_PLACE];
} vgg_beside;

/* Looks for all of it in the checkpoint. What cannot be used is remarked in the source. The caller
 * frees *beside whatever the outcome. */
vgg_status vgg_beside_read(vgg_tensor_source *source, vgg_beside *beside, vgg_error *error);

/* The same in the configs beside the file at the path, for what the checkpoint does not have. A
 * config of a network that has neither so many classes nor so many is passed over. */
vgg_status vgg_beside_read_configs(vgg_tensor_source *source, const char *path, size_t classes,
                                   size_t or_classes, vgg_beside *beside, vgg_error *error);
void vgg_beside_free(vgg_beside *beside);

/* A preprocessing of these figures for an input of that size: has_figures is set. */
vgg_status vgg_beside_preprocess(const vgg_beside *beside, size_t channels, size_t height,
                                 size_t width, vgg_preprocess *preprocess, vgg_error *error);

/* The short side of pictures for an input of another size: it keeps its proportion to the input's.
 */
size_t vgg_scaled_side(size_t side, size_t before, size_t after);

#endif
