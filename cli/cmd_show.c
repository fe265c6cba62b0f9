/* vgg show: filters of a network, and what its layers give, as pictures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/filter_picture.h"
#include "cli/json.h"
#include "cli/layer_list.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/shared_options.h"
#include "cli/show.h"

/* Pixels of a filter's weight, and between two filters. */
#define WEIGHT_SIDE 14
#define GAP 6

static bool parse(vgg_cli_show_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    vgg_cli_option layer = vgg_cli_layer_option(&o->layer, "the layer: " VGG_CLI_LAYER_NAMES);
    layer.fallback = "filters are drawn";
    const vgg_cli_option showing[] = {
        layer,
        {.type = VGG_CLI_SIZE,
         .name = "channels",
         .argument = "N",
         .value = &o->channels,
         .given = &o->channels_given,
         .minimum = 1,
         .maximum = 4096,
         .help = "maps that are drawn: those of the channels with the largest values"},
        {.type = VGG_CLI_SIZE,
         .name = "channel",
         .argument = "C",
         .value = &o->channel,
         .given = &o->channel_given,
         .minimum = 0,
         .maximum = 1e6,
         .help = "look for the pictures that most excite this channel, by its number from 0 on",
         .fallback = "maps are drawn"},
        {.type = VGG_CLI_SIZE,
         .letter = 'k',
         .name = "top",
         .argument = "K",
         .value = &o->top,
         .given = &o->top_given,
         .minimum = 1,
         .maximum = 1000,
         .help = "of these pictures, how many"},
    };
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "out",
         .argument = "OUT.png",
         .value = &o->out,
         .help = "the picture"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT.png when it is there"},
        vgg_cli_format_option(
            &o->format,
            "text, or json: of filters {\"layer\", \"filters\", \"shape\"}, of maps "
            "{\"layer\", \"shape\", \"channels\": [{\"channel\", \"least\", \"most\"}]}, of "
            "--channel "
            "{\"layer\", \"channel\", \"pictures\", \"best\": [{\"image\", \"value\"}]}"),
        vgg_cli_threads_option(&o->threads),
        vgg_cli_exact_option(&o->exact),
        vgg_cli_device_option(&o->computing.device),
        vgg_cli_precision_option(&o->computing.precision),
    };
    const vgg_cli_group groups[] = {
        {"SHOWING", showing, sizeof showing / sizeof showing[0]},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
        /* The first is --model, which is MODEL here. */
        {"MODEL", model + 1, VGG_CLI_MODEL_OPTIONS - 1},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
    };
    const vgg_cli_usage usage = {
        .command = "show",
        .summary = "draw filters of a network and what its layers give",
        .synopsis = "vgg show MODEL [--layer LAYER [--channel C] IMAGE...] -o OUT.png [options]",
        .description =
            "Draws the filters of the first convolution of MODEL, which may be builtin: each on a "
            "scale of its own, grey being 0.\n"
            "With --layer it draws what the channels of that layer give for IMAGE, or for the "
            "picture on standard input (-), the strongest first: what the network sees, then a "
            "map for each channel with its number and its largest value, from dark (0, or the "
            "least value below it) to yellow (the largest).\n"
            "With --channel it prints which pictures, among IMAGE... and in folders, have the "
            "largest values of that channel, anywhere on its map, and draws them when -o is "
            "given.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    some pictures could not be read (1 when none could be)",
        .examples = "vgg show builtin -o filters.png\n"
                    "vgg show builtin --layer relu3_1 photo.jpg -o maps.png\n"
                    "vgg show builtin --layer relu3_1 --channel 5 --top 16 photos/ -o top.png",
        .operand = "MODEL or IMAGE",
        .operands_least = 1,
        .operands_most = SIZE_MAX,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* Whether the options suit each other; what does not is said. */
static bool goes_together(const vgg_cli_show_options *o, size_t images) {
    const char *wrong = NULL;
    if (o->layer == NULL && images > 0)
        wrong = "--layer is missing: the layer to look at";
    else if (o->layer == NULL && o->channels_given)
        wrong = "--channels: needs --layer";
    else if (o->layer == NULL && o->channel_given)
        wrong = "--channel: needs --layer";
    else if (o->top_given && !o->channel_given)
        wrong = "--top: needs --channel";
    else if (o->channels_given && o->channel_given)
        wrong = "--channels: is not for --channel, which looks at one";
    else if (images > 1 && !o->channel_given)
        wrong = "expected one IMAGE; with --channel there may be several";
    else if (o->layer != NULL && images == 0)
        wrong = "IMAGE is missing: the picture that --layer is computed for";
    else if (o->out == NULL && !o->channel_given)
        wrong = "-o OUT.png is missing";
    else if (o->out != NULL && !vgg_cli_ends_in(o->out, ".png"))
        wrong = "--out: expected a name that ends in .png";
    if (wrong != NULL)
        vgg_cli_complain("show", "%s", wrong);
    return wrong == NULL;
}

int vgg_cli_show_extractor(const vgg_cli_show_options *o, const vgg_model *model,
                           vgg_feature_pool pool, vgg_extractor **extractor, vgg_tap_info *info) {
    vgg_extractor_options options;
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = &o->tap;
    options.tap_count = 1;
    options.pool = pool;
    options.batch = pool == VGG_FEATURE_POOL_NONE ? 1 : 0;
    options.threads = o->threads;
    options.exact = o->exact;
    options.precision = vgg_precision_named(o->computing.precision);
    options.device = vgg_device_named(o->computing.device);
    vgg_error error;
    vgg_status status = vgg_extractor_create(model, &options, extractor, &error);
    if (status == VGG_OK)
        status = vgg_extractor_tap(*extractor, 0, info, &error);
    return status == VGG_OK ? VGG_CLI_OK : vgg_cli_fail("show", status, &error);
}

static bool print_filters(const vgg_cli_show_options *o, const vgg_cli_filter_picture *filters) {
    if (o->format[0] == 't') {
        vgg_cli_print_line("%s: %zu filters of %zu x %zu of %s", o->out, filters->count,
                           filters->height, filters->width, filters->layer);
        return true;
    }
    bool fine = vgg_cli_json_print(
        json_pack("{s:o, s:I, s:[I, I]}", "layer", vgg_cli_json_text(filters->layer), "filters",
                  (json_int_t)filters->count, "shape", (json_int_t)filters->height,
                  (json_int_t)filters->width),
        true, 0);
    if (fine)
        putchar('\n');
    else
        vgg_cli_complain("show", "out of memory for the JSON of the filters");
    return fine;
}

static int show_filters(const vgg_cli_show_options *o, const vgg_model *model) {
    vgg_cli_filter_picture filters;
    vgg_error error;
    vgg_status status = vgg_cli_filters_draw(model, SIZE_MAX, WEIGHT_SIDE, GAP, &filters, &error);
    if (status == VGG_OK)
        status = vgg_image_save_png(&filters.image, o->out, &error);
    vgg_image_free(&filters.image);
    if (status != VGG_OK) {
        vgg_cli_complain("show", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    return print_filters(o, &filters) ? VGG_CLI_OK : VGG_CLI_FAILURE;
}

static int run(vgg_cli_show_options *o, const vgg_model *model, char **images, size_t count) {
    if (o->layer == NULL)
        return show_filters(o, model);
    if (!vgg_cli_layer_find("show", vgg_model_network(model), o->layer, &o->tap.layer))
        return VGG_CLI_USAGE;
    if (o->channel_given)
        return vgg_cli_show_top(o, model, images, count);
    return vgg_cli_show_maps(o, model, images[0]);
}

int vgg_cli_show(int argc, char **argv) {
    vgg_cli_show_options o = {.source.without_classifier = true,
                              .format = vgg_cli_formats[0],
                              .channels = 64,
                              .top = 9,
                              .threads = vgg_cli_default_threads()};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    if (!goes_together(&o, operands - 1))
        return VGG_CLI_USAGE;
    status = vgg_cli_computing_settle("show", &o.computing, o.exact, o.layer == NULL);
    if (status != VGG_CLI_OK)
        return status;
    if (o.out != NULL && !vgg_cli_may_write("show", o.out, o.overwrite))
        return VGG_CLI_FAILURE;
    o.source.path = argv[1];
    o.source.any_preprocess = o.layer == NULL;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("show", &o.source, &model);
    if (status == VGG_CLI_OK)
        status = run(&o, model, argv + 2, operands - 1);
    vgg_model_free(model);
    return status;
}
