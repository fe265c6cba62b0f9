#include "cli/layer_list.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"

vgg_cli_option vgg_cli_layer_option(const char **value, const char *help) {
    return (vgg_cli_option){
        .type = VGG_CLI_TEXT, .name = "layer", .argument = "LAYER", .value = value, .help = help};
}

bool vgg_cli_layer_find(const char *command, const vgg_network *network, const char *name,
                        size_t *layer) {
    vgg_error error;
    if (vgg_network_find_layer(network, name, layer, &error) == VGG_OK)
        return true;
    vgg_cli_complain(command, "--layer: %s", error.message);
    return false;
}

static int find_all(const char *command, const vgg_network *network, vgg_cli_layers *layers) {
    char *rest = layers->text;
    for (char *name = strsep(&rest, ","); name != NULL; name = strsep(&rest, ",")) {
        size_t layer;
        if (!vgg_cli_layer_find(command, network, name, &layer))
            return VGG_CLI_USAGE;
        layers->taps[layers->count].layer = layer;
        layers->names[layers->count++] = name;
    }
    return VGG_CLI_OK;
}

int vgg_cli_layers_read(const char *command, const vgg_network *network, const char *text,
                        vgg_cli_layers *layers) {
    size_t most = 1;
    for (const char *at = text; *at != '\0'; at++) {
        most += *at == ',';
    }
    layers->text = strdup(text);
    layers->taps = calloc(most, sizeof *layers->taps);
    layers->names = calloc(most, sizeof *layers->names);
    if (layers->text == NULL || layers->taps == NULL || layers->names == NULL) {
        vgg_cli_complain(command, "out of memory for %zu layers", most);
        return VGG_CLI_FAILURE;
    }
    return find_all(command, network, layers);
}

void vgg_cli_layers_free(vgg_cli_layers *layers) {
    free(layers->text);
    free(layers->taps);
    free(layers->names);
}
