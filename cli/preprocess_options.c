#include "cli/preprocess_options.h"

#include <string.h>

static const char *const orders[] = {"rgb", "bgr", NULL};
static const char *const fits[] = {"crop", "squash", "pad", "none", NULL};
static const char *const filters[] = {"bilinear", "bicubic", NULL};

void vgg_cli_preprocess_options(vgg_cli_preprocess *p,
                                vgg_cli_option options[VGG_CLI_PREPROCESS_OPTIONS]) {
    static const char *const fallback = "as --preprocess or the file says";
    const vgg_cli_option table[VGG_CLI_PREPROCESS_OPTIONS] = {
        {.type = VGG_CLI_RATIO,
         .name = "multiply",
         .argument = "X",
         .value = &p->scale,
         .given = &p->scale_given,
         .help = "what samples, 0 to 255, are multiplied by: 1/255 makes 0 to 1",
         .fallback = "as --preprocess or the file says, or 1/255"},
        {.type = VGG_CLI_NUMBERS,
         .name = "mean",
         .argument = "R,G,B",
         .value = &p->mean,
         .help = "what is then subtracted, for red, green and blue whatever the order, or one "
                 "number for all",
         .fallback = fallback},
        {.type = VGG_CLI_NUMBERS,
         .name = "std",
         .argument = "R,G,B",
         .value = &p->deviation,
         .help = "what that is then divided by",
         .fallback = fallback},
        {.type = VGG_CLI_CHOICE,
         .name = "channel-order",
         .argument = "ORDER",
         .value = &p->order,
         .choices = orders,
         .help = "rgb or bgr",
         .fallback = fallback},
        {.type = VGG_CLI_CHOICE,
         .name = "fit",
         .argument = "FIT",
         .value = &p->fit,
         .choices = fits,
         .help = "how a picture gets the input's size: crop (the short side is resized and the "
                 "centre cut out), squash (resized whatever its proportions), pad (resized to lie "
                 "whole in the middle of black) or none (it has the size, or is refused)",
         .fallback = fallback},
        {.type = VGG_CLI_SIZE,
         .name = "short-side",
         .argument = "N",
         .value = &p->resize,
         .given = &p->resize_given,
         .minimum = 0,
         .maximum = VGG_IMAGE_MAX_SIDE,
         .help = "what the short side is resized to before the input's size is cut out of the "
                 "centre; 0: with crop the picture's own, with squash the input's",
         .fallback = fallback},
        {.type = VGG_CLI_CHOICE,
         .name = "filter",
         .argument = "FILTER",
         .value = &p->filter,
         .choices = filters,
         .help = "bilinear or bicubic, as Pillow resizes",
         .fallback = fallback},
    };
    memcpy(options, table, sizeof table);
}

static size_t number_of(const char *const *choices, const char *choice) {
    size_t number = 0;
    while (strcmp(choices[number], choice) != 0) {
        number++;
    }
    return number;
}

static void take(const vgg_cli_numbers *numbers, unsigned part, vgg_preprocess_changes *changes,
                 size_t *count, double values[3]) {
    if (numbers->count == 0)
        return;
    changes->parts |= part;
    *count = numbers->count;
    memcpy(values, numbers->values, sizeof numbers->values);
}

vgg_preprocess_changes vgg_cli_preprocess_changes(const vgg_cli_preprocess *p) {
    vgg_preprocess_changes changes;
    vgg_preprocess_changes_init(&changes, sizeof changes);
    take(&p->mean, VGG_PREPROCESS_MEAN, &changes, &changes.mean_count, changes.mean);
    take(&p->deviation, VGG_PREPROCESS_DEVIATION, &changes, &changes.deviation_count,
         changes.deviation);
    if (p->scale_given)
        changes.parts |= VGG_PREPROCESS_SCALE;
    if (p->order != NULL)
        changes.parts |= VGG_PREPROCESS_ORDER;
    if (p->resize_given)
        changes.parts |= VGG_PREPROCESS_RESIZE;
    if (p->fit != NULL)
        changes.parts |= VGG_PREPROCESS_FIT;
    if (p->filter != NULL)
        changes.parts |= VGG_PREPROCESS_FILTER;
    changes.scale = p->scale;
    changes.resize = p->resize;
    changes.bgr = p->order != NULL && number_of(orders, p->order) == 1;
    /* The choices stand in the order of the numbers. */
    changes.fit = p->fit != NULL ? (vgg_fit)number_of(fits, p->fit) : VGG_FIT_CROP;
    changes.filter =
        p->filter != NULL ? (vgg_filter)number_of(filters, p->filter) : VGG_FILTER_BILINEAR;
    return changes;
}
