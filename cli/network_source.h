/* Where a network comes from that needs no pictures: an architecture or a model file. The options
 * that `vgg summary` and `vgg bench` share. */
#ifndef VGG_CLI_NETWORK_SOURCE_H
#define VGG_CLI_NETWORK_SOURCE_H

#include "cli/options.h"
#include "vgg/model.h"

typedef struct vgg_cli_network_source {
    const char *path; /* of the model file; NULL: an architecture */
    const char *arch, *layout, *padding, *state_dict;
    bool batch_norm;
    size_t classes;
    vgg_cli_input input;
    bool arch_given, layout_given, padding_given, batch_norm_given, classes_given, input_given;
    bool *headless; /* as in vgg_cli_model_source */
} vgg_cli_network_source;

#define VGG_CLI_NETWORK_OPTIONS 7
/* Fills in the table, and the source with the library's defaults. */
void vgg_cli_network_options(vgg_cli_network_source *source,
                             vgg_cli_option options[VGG_CLI_NETWORK_OPTIONS]);

typedef struct vgg_cli_network {
    vgg_network *network;
    vgg_model *model; /* that owns the network; NULL for an architecture, whose tensors are empty */
} vgg_cli_network;

/* Returns the exit status; anything but VGG_CLI_OK has been complained about. */
int vgg_cli_network_open(const char *command, const vgg_cli_network_source *source,
                         vgg_cli_network *opened);
void vgg_cli_network_close(vgg_cli_network *opened);

#endif
