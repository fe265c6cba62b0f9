#include "cli/model_facts.h"

#include <stdbool.h>
#include <stdio.h>

#include "cli/clean_text.h"
#include "cli/message.h"

#define FIGURES_SIZE (4 * VGG_CLI_TEXT_SIZE)

void vgg_cli_print_network(const vgg_network_options *network) {
    vgg_cli_print_line("network   %s%s, %s layout, %s%zux%zux%zu, %zu classes", network->arch,
                       network->batch_norm ? " with batch normalisation" : "",
                       vgg_layout_name(network->layout),
                       network->padding == VGG_PADDING_VALID ? "padding valid, " : "",
                       network->channels, network->height, network->width, network->classes);
}

/* "(0.485, 0.456, 0.406)", or the one figure of a grey input. */
static const char *figures_text(char buffer[FIGURES_SIZE], const double *figures, size_t count) {
    char text[3][VGG_CLI_TEXT_SIZE];
    vgg_cli_number_text(text[0], figures[0]);
    if (count == 1) {
        snprintf(buffer, FIGURES_SIZE, "%s", text[0]);
        return buffer;
    }
    vgg_cli_number_text(text[1], figures[1]);
    vgg_cli_number_text(text[2], figures[2]);
    snprintf(buffer, FIGURES_SIZE, "(%s, %s, %s)", text[0], text[1], text[2]);
    return buffer;
}

static const char *scale_text(char buffer[VGG_CLI_TEXT_SIZE], double scale) {
    return scale == 1.0 / 255 ? "1/255" : vgg_cli_number_text(buffer, scale);
}

const char *vgg_cli_fit_text(char buffer[VGG_CLI_FIT_SIZE], const vgg_preprocess *p) {
    if (p->fit == VGG_FIT_NONE)
        snprintf(buffer, VGG_CLI_FIT_SIZE, "of pictures that have this size");
    else if (p->fit == VGG_FIT_PAD)
        snprintf(buffer, VGG_CLI_FIT_SIZE, "pictures fitted into it on black");
    else if (p->fit == VGG_FIT_SQUASH && p->resize == 0)
        snprintf(buffer, VGG_CLI_FIT_SIZE, "pictures squashed to it");
    else if (p->fit == VGG_FIT_SQUASH)
        snprintf(buffer, VGG_CLI_FIT_SIZE, "cut out of pictures squashed to short side %zu",
                 p->resize);
    else if (p->resize == 0)
        snprintf(buffer, VGG_CLI_FIT_SIZE, "cut out of pictures as they are");
    else
        snprintf(buffer, VGG_CLI_FIT_SIZE, "cut out of pictures with short side %zu", p->resize);
    return buffer;
}

void vgg_cli_print_pictures(const vgg_preprocess *preprocess, vgg_origin origin,
                            const char *format) {
    if (preprocess == NULL) {
        vgg_cli_print_line("pictures  not known: --preprocess says how they become inputs");
        return;
    }
    bool assumed = origin == VGG_ORIGIN_CONVENTION;
    vgg_cli_print_line("pictures  %s%s%s%s", preprocess->name, assumed ? ", as is usual for " : "",
                       assumed ? format : "", assumed ? " files; --preprocess says otherwise" : "");
}

static void print_sides(const vgg_preprocess *p) {
    char text[VGG_PREPROCESS_SIDES * 8] = "";
    for (size_t i = 0, length = 0; i < p->side_count && length < sizeof text; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%zu", i > 0 ? ", " : "",
                                   p->sides[i]);
    }
    if (p->side_count > 0)
        vgg_cli_print_line("          the mean of the logits of squares of %s", text);
}

void vgg_cli_print_manner(const vgg_preprocess *p) {
    char mean[FIGURES_SIZE], deviation[FIGURES_SIZE], scale[VGG_CLI_TEXT_SIZE];
    char fit[VGG_CLI_FIT_SIZE];
    const char *order = p->channels == 1 ? "grey" : p->bgr ? "BGR" : "RGB";
    vgg_cli_print_line("          %s 0 to 255, times %s, minus %s, over %s", order,
                       scale_text(scale, p->scale), figures_text(mean, p->mean, p->channels),
                       figures_text(deviation, p->deviation, p->channels));
    vgg_cli_print_line("          %zux%zu, %s, %s", p->height, p->width, vgg_cli_fit_text(fit, p),
                       vgg_filter_name(p->filter));
    print_sides(p);
}
