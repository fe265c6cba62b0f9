#include "cli/model_facts.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"

void vgg_cli_print_network(const vgg_network_options *network) {
    vgg_cli_print_line("network   %s%s, %s layout, %zux%zux%zu, %zu classes", network->arch,
                       network->batch_norm ? " with batch normalisation" : "",
                       vgg_layout_name(network->layout), network->channels, network->height,
                       network->width, network->classes);
}

void vgg_cli_print_pictures(const vgg_preprocess *preprocess, vgg_origin origin,
                            const char *format) {
    if (preprocess == NULL) {
        printf("pictures  not known: --preprocess says how they become inputs\n");
        return;
    }
    bool assumed = origin == VGG_ORIGIN_CONVENTION;
    vgg_cli_print_line("pictures  %s%s%s%s", preprocess->name, assumed ? ", as is usual for " : "",
                       assumed ? format : "", assumed ? " files; --preprocess says otherwise" : "");
}
