/* vgg explain: what in a picture speaks for a class, as a picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/heat_picture.h"
#include "cli/layer_list.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/shared_options.h"
#include "cli/standard_input.h"
#include "cli/unnamed_model.h"
#include "vgg/vgg.h"

/* Steps in which faithfulness is measured. */
#define STEPS 50

typedef struct explain_options {
    vgg_cli_model_source source;
    const char *method, *layer, *class_name, *out, *map;
    vgg_cli_computing computing;
    size_t samples, window, stride, threads;
    double noise;
    uint64_t seed;
    bool noise_given, seed_given, faithfulness, overwrite, exact;
} explain_options;

typedef struct explain_state {
    const explain_options *options;
    const vgg_model *model;
    const vgg_preprocess *preprocess;
    size_t layer; /* of options->layer, where one is given */
    vgg_explainer *explainer;
    vgg_image image;
    float *map;
    vgg_explanation found;
    char class_text[256];
} explain_state;

static const char *const methods[] = {"gradcam",    "gradcam++",  "layercam",  "guided",
                                      "smoothgrad", "integrated", "occlusion", NULL};

static bool parse(explain_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_unnamed_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    vgg_cli_option layer = vgg_cli_layer_option(
        &o->layer, "for the first three methods, the layer: " VGG_CLI_LAYER_NAMES);
    layer.fallback = "behind the last convolution";
    const vgg_cli_option explaining[] = {
        {.type = VGG_CLI_CHOICE,
         .name = "method",
         .argument = "METHOD",
         .value = &o->method,
         .choices = methods,
         .help = "gradcam, gradcam++ and layercam weigh what a layer gives by gradients; guided, "
                 "smoothgrad and integrated are gradients of the input; occlusion covers one part "
                 "after another"},
        layer,
        {.type = VGG_CLI_TEXT,
         .name = "class",
         .argument = "CLASS",
         .value = &o->class_name,
         .help = "the class, by its name or its number",
         .fallback = "the likeliest"},
        {.type = VGG_CLI_SIZE,
         .name = "samples",
         .argument = "N",
         .value = &o->samples,
         .minimum = 1,
         .maximum = 1000,
         .help = "noisy inputs of smoothgrad, or steps of integrated",
         .fallback = "25, or 50 steps"},
        {.type = VGG_CLI_NUMBER,
         .name = "noise",
         .argument = "X",
         .value = &o->noise,
         .given = &o->noise_given,
         .minimum = 0,
         .maximum = 10,
         .help = "of smoothgrad: the deviation, as a share of the input's range"},
        {.type = VGG_CLI_SEED,
         .name = "seed",
         .argument = "K",
         .value = &o->seed,
         .given = &o->seed_given,
         .help = "of that noise, and of the random order of --faithfulness"},
        {.type = VGG_CLI_SIZE,
         .name = "window",
         .argument = "PIXELS",
         .value = &o->window,
         .minimum = 1,
         .maximum = 30000,
         .help = "side of the square of occlusion, in the network's input",
         .fallback = "a sixth of the input's"},
        {.type = VGG_CLI_SIZE,
         .name = "stride",
         .argument = "PIXELS",
         .value = &o->stride,
         .minimum = 1,
         .maximum = 30000,
         .help = "by how much that square moves",
         .fallback = "a third of its side"},
    };
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "out",
         .argument = "OUT.png",
         .value = &o->out,
         .help = "the picture: what the network sees, with the map laid over it in colours, the "
                 "class and its probability"},
        {.type = VGG_CLI_TEXT,
         .name = "map",
         .argument = "OUT.npy",
         .value = &o->map,
         .help = "write the map's numbers, float32, (height, width) of the network's input"},
        {.type = VGG_CLI_FLAG,
         .name = "faithfulness",
         .value = &o->faithfulness,
         .help = "print the mean probability of the class while pixels are deleted in the map's "
                 "order, and while they are inserted, beside those of a random order"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT.png and OUT.npy when they are there"},
        vgg_cli_threads_option(&o->threads),
        vgg_cli_exact_option(&o->exact),
        vgg_cli_device_option(&o->computing.device),
        vgg_cli_precision_option(&o->computing.precision),
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"EXPLAINING", explaining, sizeof explaining / sizeof explaining[0]},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "explain",
        .summary = "show what in a picture speaks for a class",
        .synopsis = "vgg explain IMAGE -o OUT.png [--method METHOD] [options]",
        .description =
            "Draws where in IMAGE, or in the picture on standard input (-), the network finds what "
            "speaks for a class: what the network sees, with a map laid over it from dark "
            "(nothing) "
            "to yellow (most). docs/inside.md says how the methods are defined and what they are "
            "good for. A map in which nothing speaks for the class is blank, which is said.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples = "vgg explain photo.jpg -o why.png\n"
                    "vgg explain --model vgg16.safetensors --labels imagenet --class tabby \\\n"
                    "    --method layercam --layer relu4_3 cat.jpg -o tabby.png\n"
                    "vgg explain photo.jpg -o why.png --method occlusion --map why.npy \\\n"
                    "    --faithfulness",
        .operand = "IMAGE",
        .operands_least = 1,
        .operands_most = 1,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* Whether the options suit each other; what does not is said. */
static bool goes_together(const explain_options *o) {
    vgg_explain_method method = vgg_explain_method_named(o->method);
    bool smooth = method == VGG_EXPLAIN_SMOOTHGRAD, occlusion = method == VGG_EXPLAIN_OCCLUSION;
    const char *wrong = NULL;
    if (o->out == NULL && o->map == NULL && !o->faithfulness)
        wrong = "-o OUT.png is missing";
    else if (o->out != NULL && !vgg_cli_ends_in(o->out, ".png"))
        wrong = "--out: expected a name that ends in .png";
    else if (o->map != NULL && !vgg_cli_ends_in(o->map, ".npy"))
        wrong = "--map: expected a name that ends in .npy";
    else if (o->layer != NULL && method > VGG_EXPLAIN_LAYERCAM)
        wrong = "--layer: is for the methods gradcam, gradcam++ and layercam";
    else if (o->samples > 0 && !smooth && method != VGG_EXPLAIN_INTEGRATED)
        wrong = "--samples: is for the methods smoothgrad and integrated";
    else if (o->noise_given && !smooth)
        wrong = "--noise: is for the method smoothgrad";
    else if (o->seed_given && !smooth && !o->faithfulness)
        wrong = "--seed: is for the method smoothgrad and for --faithfulness";
    else if (o->window > 0 && !occlusion)
        wrong = "--window: is for the method occlusion";
    else if (o->stride > 0 && !occlusion)
        wrong = "--stride: is for the method occlusion";
    if (wrong != NULL)
        vgg_cli_complain("explain", "%s", wrong);
    return wrong == NULL;
}

/* ---- the class ---- */

/* False, which is complained about, for a class that the model does not know. */
static bool find_class(const explain_options *o, const vgg_model *model, size_t *index) {
    *index = VGG_EXPLAIN_USUAL;
    if (o->class_name == NULL)
        return true;
    const char *const *names = vgg_model_class_names(model);
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    for (size_t c = 0; names != NULL && c < classes; c++) {
        if (strcmp(names[c], o->class_name) == 0) {
            *index = c;
            return true;
        }
    }
    char *end;
    unsigned long number = strtoul(o->class_name, &end, 10);
    if (*end == '\0' && o->class_name[0] >= '0' && o->class_name[0] <= '9' && number < classes) {
        *index = number;
        return true;
    }
    vgg_cli_complain("explain", "--class: %s is none of the model's %zu classes%s", o->class_name,
                     classes, names == NULL ? ", which have no names: expected a number" : "");
    return false;
}

/* ---- output ---- */

static bool write_map(const explain_state *s) {
    const size_t shape[] = {s->preprocess->height, s->preprocess->width};
    vgg_error error;
    if (vgg_array_save(s->map, shape, 2, s->options->map, &error) == VGG_OK)
        return true;
    vgg_cli_complain("explain", "%s", error.message);
    return false;
}

static bool draw(const explain_state *s) {
    char title[512], method[128];
    snprintf(title, sizeof title, "%s  %.1f %%", s->class_text, 100 * s->found.probability);
    snprintf(method, sizeof method, "%s%s%s", s->options->method,
             s->options->layer != NULL ? "  " : "",
             s->options->layer != NULL ? s->options->layer : "");
    const vgg_cli_heat heat = {.preprocess = s->preprocess,
                               .image = &s->image,
                               .map = s->map,
                               .most = s->found.most,
                               .title = title,
                               .method = method,
                               .blank = s->found.blank};
    vgg_error error;
    if (vgg_cli_heat_save(&heat, s->options->out, &error) == VGG_OK)
        return true;
    vgg_cli_complain("explain", "%s", error.message);
    return false;
}

static bool print_faithfulness(explain_state *s) {
    vgg_faithfulness found = {.struct_size = sizeof found};
    vgg_error error;
    if (vgg_explain_faithfulness(s->explainer, &s->image, s->found.index, s->map, STEPS, &found,
                                 &error) != VGG_OK) {
        vgg_cli_complain("explain", "%s", error.message);
        return false;
    }
    printf("deletion  %.4f  (random %.4f; less is better)\n", found.deletion,
           found.random_deletion);
    printf("insertion %.4f  (random %.4f; more is better)\n", found.insertion,
           found.random_insertion);
    return true;
}

static bool show(explain_state *s) {
    const explain_options *o = s->options;
    printf("%s: %.4f\n", s->class_text, s->found.probability);
    if (s->found.blank)
        printf("the map is blank: nothing in it speaks for %s\n", s->class_text);
    else
        printf("map from %.4g to %.4g\n", s->found.least, s->found.most);
    if (strcmp(o->method, "integrated") == 0)
        printf("the sum of the map misses the difference of the logits by %.2g %%\n",
               100 * s->found.gap);
    return (o->map == NULL || write_map(s)) && (o->out == NULL || draw(s)) &&
           (!o->faithfulness || print_faithfulness(s));
}

/* ---- running ---- */

static vgg_status create(explain_state *s, vgg_error *error) {
    const explain_options *o = s->options;
    vgg_explain_options options;
    vgg_explain_options_init(&options, sizeof options);
    options.method = vgg_explain_method_named(o->method);
    options.samples = o->samples;
    options.noise = o->noise;
    options.seed = o->seed;
    options.window = o->window;
    options.stride = o->stride;
    options.threads = o->threads;
    options.exact = o->exact;
    options.precision = vgg_precision_named(o->computing.precision);
    options.device = vgg_device_named(o->computing.device);
    if (o->layer != NULL)
        options.layer = s->layer;
    return vgg_explainer_create(s->model, &options, &s->explainer, error);
}

static void name_class(explain_state *s) {
    const char *const *names = vgg_model_class_names(s->model);
    char clean[200];
    if (names != NULL)
        snprintf(s->class_text, sizeof s->class_text, "%s",
                 vgg_cli_clean_text(clean, sizeof clean, names[s->found.index]));
    else
        snprintf(s->class_text, sizeof s->class_text, "class %zu", s->found.index);
}

static vgg_status explain(explain_state *s, const char *path, size_t index, vgg_error *error) {
    vgg_status status = vgg_cli_load_image(path, &s->image, error);
    if (status != VGG_OK)
        return status;
    s->map = calloc(s->preprocess->height * s->preprocess->width, sizeof *s->map);
    if (s->map == NULL) {
        snprintf(error->message, sizeof error->message, "out of memory for a map");
        return VGG_ERROR_MEMORY;
    }
    status = vgg_explain_image(s->explainer, &s->image, index, s->map, &s->found, error);
    if (status == VGG_OK)
        name_class(s);
    return status;
}

static int run(const explain_options *o, const vgg_model *model, const char *path) {
    explain_state state = {.options = o,
                           .model = model,
                           .preprocess = vgg_model_preprocess(model),
                           .found = {.struct_size = sizeof state.found}};
    size_t index;
    if (!find_class(o, model, &index) ||
        (o->layer != NULL &&
         !vgg_cli_layer_find("explain", vgg_model_network(model), o->layer, &state.layer)))
        return VGG_CLI_USAGE;
    vgg_error error;
    int status = VGG_CLI_FAILURE;
    vgg_status created = create(&state, &error);
    if (created != VGG_OK)
        status = vgg_cli_fail("explain", created, &error);
    else if (explain(&state, path, index, &error) != VGG_OK)
        vgg_cli_complain("explain", "%s", error.message);
    else if (show(&state))
        status = VGG_CLI_OK;
    free(state.map);
    vgg_image_free(&state.image);
    vgg_explainer_free(state.explainer);
    return status;
}

int vgg_cli_explain(int argc, char **argv) {
    vgg_explain_options usual;
    vgg_explain_options_init(&usual, sizeof usual);
    explain_options o = {
        .method = methods[0], .noise = usual.noise, .threads = vgg_cli_default_threads()};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    if (!goes_together(&o))
        return VGG_CLI_USAGE;
    status = vgg_cli_computing_settle("explain", &o.computing, o.exact, false);
    if (status != VGG_CLI_OK)
        return status;
    if ((o.out != NULL && !vgg_cli_may_write("explain", o.out, o.overwrite)) ||
        (o.map != NULL && !vgg_cli_may_write("explain", o.map, o.overwrite)))
        return VGG_CLI_FAILURE;
    bool unnamed;
    if (!vgg_cli_unnamed_model_take("explain", &o.source, argv[1], &unnamed))
        return VGG_CLI_USAGE;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("explain", &o.source, &model);
    if (status == VGG_CLI_OK && unnamed)
        vgg_cli_unnamed_model_note("explain", model);
    if (status == VGG_CLI_OK)
        status = run(&o, model, argv[1]);
    vgg_model_free(model);
    return status;
}
