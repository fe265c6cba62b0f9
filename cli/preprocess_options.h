/* Options that say figure by figure how pictures become inputs, in place of a preset's or a file's:
 * `vgg train`, `vgg eval`, `vgg predict`, `vgg convert` and `vgg inspect` share them. */
#ifndef VGG_CLI_PREPROCESS_OPTIONS_H
#define VGG_CLI_PREPROCESS_OPTIONS_H

#include "cli/options.h"
#include "vgg/image.h"

/* Start with {0}. */
typedef struct vgg_cli_preprocess {
    vgg_cli_numbers mean, deviation;
    double scale;
    const char *order, *fit, *filter;
    size_t resize;
    bool scale_given, resize_given;
} vgg_cli_preprocess;

#define VGG_CLI_PREPROCESS_OPTIONS 7
void vgg_cli_preprocess_options(vgg_cli_preprocess *preprocess,
                                vgg_cli_option options[VGG_CLI_PREPROCESS_OPTIONS]);

/* What was given. */
vgg_preprocess_changes vgg_cli_preprocess_changes(const vgg_cli_preprocess *preprocess);

#endif
