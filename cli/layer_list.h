/* Layers that an option names. */
#ifndef VGG_CLI_LAYER_LIST_H
#define VGG_CLI_LAYER_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/options.h"
#include "vgg/plan.h"

/* What --help says of their names. */
#define VGG_CLI_LAYER_NAMES                                                                        \
    "relu5_3, conv5_3 (before its ReLU), pool5, fc7, ..., or as vgg summary prints them, "         \
    "features.29"

vgg_cli_option vgg_cli_layer_option(const char **value, const char *help);

/* Start with {0}. */
typedef struct vgg_cli_layers {
    size_t count;
    vgg_tap *taps;
    const char **names; /* as they were written */
    char *text;         /* that the names lie in */
} vgg_cli_layers;

/* The layer of this name. False, which is complained about, when the network has none. */
bool vgg_cli_layer_find(const char *command, const vgg_network *network, const char *name,
                        size_t *layer);

/* Reads names with commas between them. Returns the exit status, which is complained about:
 * VGG_CLI_USAGE for one that the network has no layer of. */
int vgg_cli_layers_read(const char *command, const vgg_network *network, const char *text,
                        vgg_cli_layers *layers);
void vgg_cli_layers_free(vgg_cli_layers *layers);

#endif
