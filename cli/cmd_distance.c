/* vgg distance: how far apart pictures are to a network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/distance_output.h"
#include "cli/distance_pairs.h"
#include "cli/environment.h"
#include "cli/layer_list.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/shared_options.h"
#include "cli/standard_input.h"
#include "vgg/vgg.h"

typedef struct distance_options {
    vgg_cli_model_source source;
    const char *metric, *weights, *layer, *format, *gradient;
    vgg_cli_computing computing;
    vgg_cli_input size;
    size_t threads;
    bool average_pools, exact, overwrite;
} distance_options;

/* A picture, at the size that is compared at. */
typedef struct distance_picture {
    const char *path; /* of the pair that it was read for; NULL: none */
    vgg_image image;
} distance_picture;

typedef struct distance_state {
    const distance_options *options;
    const vgg_model *model;
    vgg_cli_layers layers;
    vgg_distance *distance;
    size_t height, width; /* that it was made for */
    distance_picture left, right;
    bool left_is_reference; /* that others are compared with */
    const char *reference;  /* its path, once it is set */
    size_t samples;
    float *picture; /* so many, and behind them room for its gradient */
    double *parts;
    vgg_cli_distances found;
    size_t left_out;
} distance_state;

static const char *const metrics[] = {"lpips", "features", "gram", "dists", NULL};
static const char *const formats[] = {"text", "json", "csv", NULL};

static bool parse(distance_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_model_options(&o->source, model);
    vgg_cli_option layers = vgg_cli_layer_option(
        &o->layer,
        "for features and gram, the layers, with commas between them: " VGG_CLI_LAYER_NAMES);
    layers.fallback = "the last before each pool";
    const vgg_cli_option measuring[] = {
        {.type = VGG_CLI_CHOICE,
         .name = "metric",
         .argument = "METRIC",
         .value = &o->metric,
         .choices = metrics,
         .help = "lpips or dists, whose model is a VGG-16; features, the mean squared difference "
                 "of what layers give; or gram, that of their Gram matrices, which is one of "
                 "style"},
        {.type = VGG_CLI_TEXT,
         .name = "lin",
         .argument = "FILE",
         .value = &o->weights,
         .help = "the weights of LPIPS 0.1, vgg.pth of the Python package lpips, or of DISTS, "
                 "weights.pt of DISTS_pytorch. Without it all weights are alike, and distances are "
                 "not those that others publish"},
        layers,
        {.type = VGG_CLI_INPUT,
         .name = "size",
         .argument = "SIZE",
         .value = &o->size,
         .help = "resize all pictures to this size, HxW or N",
         .fallback = "as they are; those of a pair must have one size"},
        {.type = VGG_CLI_FLAG,
         .name = "average-pools",
         .value = &o->average_pools,
         .help = "for features and gram: averages in place of the model's max-pools"},
    };
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_CHOICE,
         .name = "format",
         .argument = "FORMAT",
         .value = &o->format,
         .choices = formats,
         .help = "text, json or csv, on standard output; the latter two with what each layer adds"},
        {.type = VGG_CLI_TEXT,
         .name = "gradient",
         .argument = "OUT.npy",
         .value = &o->gradient,
         .help = "of two pictures: write the gradient of the distance with respect to the samples "
                 "of A, which are 0 to 1; float32, (channels, height, width)"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT.npy when it is there"},
        vgg_cli_threads_option(&o->threads),
        vgg_cli_exact_option(&o->exact),
        vgg_cli_device_option(&o->computing.device),
        vgg_cli_precision_option(&o->computing.precision),
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"MEASURING", measuring, sizeof measuring / sizeof measuring[0]},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "distance",
        .summary = "measure how far apart pictures are to a network",
        .synopsis = "vgg distance --model FILE A B [--metric METRIC] [--lin FILE] [options]",
        .description =
            "Prints the distance between the pictures A and B by what layers of a network give for "
            "them: 0 for equal ones. Of two folders, pictures with equal names are compared; of a "
            "picture and a folder, the picture with each of the folder. The model may be a file "
            "without a classifier, and one that does not say how pictures become its inputs is "
            "taken for torchvision's.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples =
            "vgg distance --model vgg16.pth --lin vgg.pth photo.png photo.jpg\n"
            "vgg distance --model vgg16.pth --lin vgg.pth originals/ decoded/ --format csv\n"
            "vgg distance --model vgg16.pth --metric gram --layer relu1_1,relu2_1 \\\n"
            "    a.png b.png",
        .operand = "A or B",
        .operands_least = 2,
        .operands_most = 2,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* Whether the options suit each other; what does not is said. */
static bool goes_together(const distance_options *o) {
    vgg_distance_metric metric = vgg_distance_metric_named(o->metric);
    bool own = metric == VGG_DISTANCE_LPIPS || metric == VGG_DISTANCE_DISTS;
    const char *wrong = NULL;
    if (o->weights != NULL && !own)
        wrong = "--lin: is for the metrics lpips and dists";
    else if (o->layer != NULL && own)
        wrong = "--layer: is for the metrics features and gram";
    else if (o->average_pools && own)
        wrong = "--average-pools: is for the metrics features and gram";
    else if (o->gradient != NULL && !vgg_cli_ends_in(o->gradient, ".npy"))
        wrong = "--gradient: expected a name that ends in .npy";
    if (wrong != NULL)
        vgg_cli_complain("distance", "%s", wrong);
    return wrong == NULL;
}

/* ---- pictures ---- */

static void forget(distance_picture *picture) {
    vgg_image_free(&picture->image);
    picture->path = NULL;
}

/* Reads the picture, unless it is the one that is there, and resizes it where that was asked for.
 */
static vgg_status read_picture(const distance_state *s, distance_picture *picture, const char *path,
                               vgg_error *error) {
    const vgg_cli_input *size = &s->options->size;
    if (picture->path != NULL && strcmp(picture->path, path) == 0)
        return VGG_OK;
    forget(picture);
    vgg_status status = vgg_cli_load_image(path, &picture->image, error);
    if (status != VGG_OK)
        return status;
    if (size->height > 0) {
        vgg_image whole = picture->image;
        picture->image = (vgg_image){0};
        status = vgg_image_resize(&whole, size->width, size->height, VGG_FILTER_BILINEAR,
                                  &picture->image, error);
        vgg_image_free(&whole);
    }
    if (status == VGG_OK)
        picture->path = path;
    return status;
}

static vgg_status check_sizes(const distance_state *s, vgg_error *error) {
    const vgg_image *left = &s->left.image, *right = &s->right.image;
    if (left->width == right->width && left->height == right->height)
        return VGG_OK;
    snprintf(error->message, sizeof error->message,
             "has %zux%zu pixels, and %.300s %zux%zu; --size makes them equal", right->width,
             right->height, s->left.path, left->width, left->height);
    return VGG_ERROR_SHAPE;
}

/* ---- measuring ---- */

static vgg_status make_distance(distance_state *s, vgg_error *error) {
    const distance_options *o = s->options;
    vgg_distance_free(s->distance);
    free(s->picture);
    free(s->parts);
    s->distance = NULL;
    s->picture = NULL;
    s->parts = NULL;
    s->reference = NULL;
    vgg_distance_options options;
    vgg_distance_options_init(&options, sizeof options);
    options.metric = vgg_distance_metric_named(o->metric);
    options.weights = o->weights;
    options.taps = s->layers.count > 0 ? s->layers.taps : NULL;
    options.tap_count = s->layers.count;
    options.height = s->height = s->left.image.height;
    options.width = s->width = s->left.image.width;
    options.gradient = o->gradient != NULL;
    options.average_pools = o->average_pools;
    options.exact = o->exact;
    options.precision = vgg_precision_named(o->computing.precision);
    options.device = vgg_device_named(o->computing.device);
    options.threads = o->threads;
    vgg_status status = vgg_distance_create(s->model, &options, &s->distance, error);
    if (status != VGG_OK)
        return status;
    s->samples = 3 * s->height * s->width;
    s->picture = calloc(s->samples, 2 * sizeof *s->picture);
    s->parts = calloc(vgg_distance_parts(s->distance), sizeof *s->parts);
    if (s->picture != NULL && s->parts != NULL)
        return VGG_OK;
    snprintf(error->message, sizeof error->message, "out of memory for a picture");
    return VGG_ERROR_MEMORY;
}

/* Makes the picture the one that others are compared with, unless it is. */
static vgg_status set_reference(distance_state *s, const distance_picture *picture,
                                vgg_error *error) {
    if (s->reference != NULL && strcmp(s->reference, picture->path) == 0)
        return VGG_OK;
    s->reference = NULL;
    vgg_status status = vgg_distance_picture(s->distance, &picture->image, s->picture, error);
    if (status == VGG_OK)
        status = vgg_distance_set_reference(s->distance, s->picture, error);
    if (status == VGG_OK)
        s->reference = picture->path;
    return status;
}

static vgg_status write_gradient(const distance_state *s, const float *gradient, vgg_error *error) {
    size_t channels = vgg_network_describe(vgg_model_network(s->model))->channels;
    const size_t shape[] = {channels, s->height, s->width};
    return vgg_array_save(gradient, shape, 3, s->options->gradient, error);
}

/* Both pictures are there, and of one size. */
static vgg_status measure(distance_state *s, double *value, vgg_error *error) {
    const distance_picture *reference = s->left_is_reference ? &s->left : &s->right;
    const distance_picture *other = s->left_is_reference ? &s->right : &s->left;
    bool fits =
        s->distance != NULL && s->height == s->left.image.height && s->width == s->left.image.width;
    vgg_status status = fits ? VGG_OK : make_distance(s, error);
    if (status == VGG_OK)
        status = set_reference(s, reference, error);
    if (status == VGG_OK)
        status = vgg_distance_picture(s->distance, &other->image, s->picture, error);
    if (status != VGG_OK)
        return status;
    float *gradient = s->options->gradient != NULL ? s->picture + s->samples : NULL;
    status = vgg_distance_measure(s->distance, s->picture, value, s->parts, gradient, error);
    return status == VGG_OK && gradient != NULL ? write_gradient(s, gradient, error) : status;
}

/* Reads the pictures of a pair. False, which is complained about, when that cannot be. */
static bool read_pair(distance_state *s, const vgg_cli_pair *pair) {
    vgg_error error;
    const char *wrong = pair->left;
    vgg_status status = read_picture(s, &s->left, pair->left, &error);
    if (status == VGG_OK) {
        wrong = pair->right;
        status = read_picture(s, &s->right, pair->right, &error);
    }
    if (status == VGG_OK && check_sizes(s, &error) == VGG_OK)
        return true;
    vgg_cli_complain("distance", "%s%s%s", status == VGG_OK ? wrong : "",
                     status == VGG_OK ? ": " : "", error.message);
    s->left_out++;
    return false;
}

static int compare_all(distance_state *s, const vgg_cli_pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        const vgg_cli_pair *pair = &pairs->items[i];
        double value;
        vgg_error error;
        if (!read_pair(s, pair))
            continue;
        vgg_status status = measure(s, &value, &error);
        if (status == VGG_ERROR_SHAPE && s->distance == NULL && s->options->size.height > 0)
            status = VGG_ERROR_ARGUMENT; /* too small for the network */
        if (status != VGG_OK && s->distance == NULL)
            return vgg_cli_fail("distance", status, &error);
        if (status != VGG_OK) {
            vgg_cli_complain("distance", "%s", error.message);
            return VGG_CLI_FAILURE;
        }
        if (!vgg_cli_distances_add(&s->found, s->distance, pair, value, s->parts))
            return VGG_CLI_FAILURE;
    }
    if (!vgg_cli_distances_end(&s->found))
        return VGG_CLI_FAILURE;
    if (s->left_out > 0 && pairs->folders)
        vgg_cli_complain("distance", "%zu of %zu pairs were left out", s->left_out, pairs->count);
    return s->left_out > 0 || pairs->unreadable > 0 ? VGG_CLI_FAILURE : VGG_CLI_OK;
}

/* ---- running ---- */

static int run(const distance_options *o, const vgg_model *model, const vgg_cli_pairs *pairs) {
    distance_state state = {
        .options = o,
        .model = model,
        .left_is_reference = pairs->right_folder && !pairs->left_folder,
        .found = {.format = o->format, .metric = o->metric, .folders = pairs->folders}};
    int status = VGG_CLI_OK;
    if (o->layer != NULL)
        status = vgg_cli_layers_read("distance", vgg_model_network(model), o->layer, &state.layers);
    if (status == VGG_CLI_OK)
        status = compare_all(&state, pairs);
    vgg_cli_layers_free(&state.layers);
    vgg_distance_free(state.distance);
    vgg_image_free(&state.left.image);
    vgg_image_free(&state.right.image);
    free(state.picture);
    free(state.parts);
    json_decref(state.found.rows);
    return status;
}

/* The pairs, and then the model, so that a slip in a name is found first. */
static int find_and_run(const distance_options *o, char **operands) {
    vgg_cli_pairs pairs = {0};
    vgg_model *model = NULL;
    int status = VGG_CLI_FAILURE;
    if (!vgg_cli_pairs_find(&pairs, operands[0], operands[1]))
        goto end;
    if (o->gradient != NULL && pairs.folders) {
        vgg_cli_complain("distance", "--gradient: is for two pictures, not folders");
        status = VGG_CLI_USAGE;
        goto end;
    }
    status = vgg_cli_model_open("distance", &o->source, &model);
    if (status == VGG_CLI_OK && vgg_model_preprocess(model) == NULL)
        vgg_cli_complain("distance",
                         "note: %s: does not say how pictures become its inputs; torchvision's "
                         "figures are taken, which are those of LPIPS and DISTS",
                         o->source.path);
    if (status == VGG_CLI_OK)
        status = run(o, model, &pairs);
end:
    vgg_model_free(model);
    vgg_cli_pairs_free(&pairs);
    return status;
}

int vgg_cli_distance(int argc, char **argv) {
    distance_options o = {.source = {.without_classifier = true, .any_preprocess = true},
                          .metric = metrics[0],
                          .format = formats[0],
                          .threads = vgg_cli_default_threads()};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    if (!goes_together(&o) || !vgg_cli_model_is_given("distance", &o.source, argv[1]))
        return VGG_CLI_USAGE;
    status = vgg_cli_computing_settle("distance", &o.computing, o.exact, false);
    if (status != VGG_CLI_OK)
        return status;
    if (o.gradient != NULL && !vgg_cli_may_write("distance", o.gradient, o.overwrite))
        return VGG_CLI_FAILURE;
    return vgg_cli_finish_output("distance", find_and_run(&o, argv + 1));
}
