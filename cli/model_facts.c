#include "cli/model_facts.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/model_source.h"

void vgg_cli_print_network(const vgg_network_options *network) {
    printf("network   %s%s, %s layout, %zux%zux%zu, %zu classes", network->arch,
           network->batch_norm ? " with batch normalisation" : "", vgg_layout_name(network->layout),
           network->channels, network->height, network->width, network->classes);
}

void vgg_cli_print_pictures(const vgg_preprocess *preprocess, vgg_origin origin,
                            const char *format) {
    if (preprocess == NULL) {
        printf("pictures  not known: --preprocess says how they become inputs\n");
        return;
    }
    char name[sizeof preprocess->name];
    printf("pictures  %s", vgg_cli_clean_text(name, sizeof name, preprocess->name));
    if (origin == VGG_ORIGIN_CONVENTION)
        printf(", as is usual for %s files; --preprocess says otherwise", format);
    putchar('\n');
}

const char *vgg_cli_clean_text(char *buffer, size_t size, const char *text) {
    size_t length = strlen(text);
    bool cut = length >= size;
    if (cut) {
        length = size - 4;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) {
            length--;
        }
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char letter = (unsigned char)text[i];
        buffer[i] = letter < 0x20 || letter == 0x7f ? '?' : text[i];
    }
    strcpy(buffer + length, cut ? "..." : "");
    return buffer;
}
