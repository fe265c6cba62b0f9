/* What vgg style is told, and the pictures of it. */
#ifndef VGG_CLI_STYLE_H
#define VGG_CLI_STYLE_H

#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/shared_options.h"
#include "vgg/image.h"
#include "vgg/style.h"

typedef struct vgg_cli_style_options {
    vgg_cli_model_source source;
    const char *content, *out, *preview;
    vgg_cli_texts styles; /* PICTURE or PICTURE:WEIGHT */
    const char *start;    /* content, noise or a picture */
    const char *content_layer, *style_layers;
    vgg_cli_computing computing;
    double content_weight, style_weight, variation_weight;
    size_t size, style_size, iterations, save_every, history, threads;
    uint64_t seed;
    bool average_pools, exact, overwrite, resume;
} vgg_cli_style_options;

/* Start with {0}. */
typedef struct vgg_cli_style_pictures {
    vgg_image content, start;
    vgg_image styles[VGG_CLI_TEXTS_MOST];
    vgg_style_source sources[VGG_CLI_TEXTS_MOST];
    size_t height, width; /* of the picture that is made */
} vgg_cli_style_pictures;

/* Words of --start that are no picture. */
extern const char vgg_cli_style_content[], vgg_cli_style_noise[];

/* style_files.c: whether all files may be written; what may not is complained about. A preview of
 * somebody else's and what an ended run has left in `part` may be lost only when that is told. */
bool vgg_cli_style_may_write(const vgg_cli_style_options *options, const char *part);

/* Reads all of them. Returns the exit status. */
int vgg_cli_style_read(const vgg_cli_style_options *options, vgg_cli_style_pictures *pictures);
void vgg_cli_style_forget(vgg_cli_style_pictures *pictures);

#endif
