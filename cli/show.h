/* What the files of vgg show share. */
#ifndef VGG_CLI_SHOW_H
#define VGG_CLI_SHOW_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/model_source.h"
#include "cli/shared_options.h"
#include "vgg/vgg.h"

typedef struct vgg_cli_show_options {
    vgg_cli_model_source source;
    const char *layer, *out, *format;
    vgg_cli_computing computing;
    size_t channels, channel, top, threads;
    bool channels_given, channel_given, top_given, overwrite, exact;
    vgg_tap tap; /* of `layer` */
} vgg_cli_show_options;

/* What the layer gives, of a channel its values at all places or, with a pool, one. Returns the
 * exit status. */
int vgg_cli_show_extractor(const vgg_cli_show_options *o, const vgg_model *model,
                           vgg_feature_pool pool, vgg_extractor **extractor, vgg_tap_info *info);

/* ---- show_maps.c ---- */

/* The maps of a picture. Returns the exit status. */
int vgg_cli_show_maps(const vgg_cli_show_options *o, const vgg_model *model, const char *path);

/* ---- show_top.c ---- */

/* The pictures of the operands, and of the folders among them, that most excite a channel. Returns
 * the exit status. */
int vgg_cli_show_top(const vgg_cli_show_options *o, const vgg_model *model, char **operands,
                     size_t count);

#endif
