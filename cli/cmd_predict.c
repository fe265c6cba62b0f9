/* vgg predict: the classes of pictures. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/predict_json.h"
#include "cli/predict_output.h"
#include "cli/predict_sort.h"
#include "cli/predict_walk.h"
#include "cli/shared_options.h"
#include "cli/standard_input.h"
#include "cli/unnamed_model.h"
#include "cli/views.h"
#include "vgg/vgg.h"

typedef struct predict_options {
    vgg_cli_model_source source;
    vgg_cli_texts models;
    vgg_cli_viewing views;
    const char *format, *sort_into;
    size_t top;
    double minimum;
    bool logits, link, fuse;
} predict_options;

typedef struct predict_state {
    vgg_cli_predict_walk walk;
    vgg_predictor *predictor;
    size_t top;
    vgg_prediction *best; /* room for `top` */
    vgg_cli_predict_output output;
    vgg_cli_sorting sorting;
    vgg_picture picture; /* the next */
    size_t failed;       /* pictures that could not be read, and folders that have none */
    bool broken;         /* nothing more can be written, which was said */
} predict_state;

static const char *const formats[] = {"text", "json", "csv", NULL};

/* False, which is complained about, for options that do not go together. */
static bool goes_together(const predict_options *o) {
    const char *wrong = NULL;
    vgg_cli_scales scales;
    if (o->link && o->sort_into == NULL)
        wrong = "--link: is for --sort-into DIR";
    else if (o->models.count > 1 && !o->fuse)
        wrong = "--model: is given several times: expected --fuse, which averages what they say";
    else if (o->fuse && o->models.count < 2)
        wrong = "--fuse: expected several models, --model A --model B";
    if (wrong != NULL)
        vgg_cli_complain("predict", "%s", wrong);
    return wrong == NULL && vgg_cli_scales_read("predict", o->views.scale, &scales);
}

static bool parse(predict_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_unnamed_model_options(&o->source, model);
    vgg_cli_models_take(model, &o->models);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_SIZE,
         .letter = 'k',
         .name = "top",
         .argument = "K",
         .value = &o->top,
         .minimum = 1,
         .maximum = 1e6,
         .help = "how many classes to print, the likeliest first"},
        {.type = VGG_CLI_CHOICE,
         .name = "format",
         .argument = "FORMAT",
         .value = &o->format,
         .choices = formats,
         .help = "text, csv (image,rank,index,label,probability) or json, an array of {\"image\", "
                 "\"predictions\": [{\"index\", \"label\", \"probability\"}]}, and in it "
                 "\"multi_label\": true where each class has a probability of its own"},
        {.type = VGG_CLI_NUMBER,
         .name = "min-probability",
         .argument = "P",
         .value = &o->minimum,
         .minimum = 0,
         .maximum = 1,
         .above = true,
         .help = "answer \"" VGG_CLI_NONE "\" for a picture whose likeliest class is less likely "
                 "than P; json then has \"none\": true or false for each picture, csv one line "
                 "with an empty index",
         .fallback = "the likeliest is always the answer"},
        {.type = VGG_CLI_TEXT,
         .name = "sort-into",
         .argument = "DIR",
         .value = &o->sort_into,
         .help = "copy each picture into a folder of DIR that is called as its likeliest class, or "
                 "\"" VGG_CLI_NONE "\"; nothing there is replaced: where a name is taken, "
                 "photo.jpg becomes photo-2.jpg, unless the files are the same"},
        {.type = VGG_CLI_FLAG,
         .name = "link",
         .value = &o->link,
         .help = "with --sort-into, make symbolic links in place of copies"},
        {.type = VGG_CLI_FLAG,
         .name = "logits",
         .value = &o->logits,
         .help = "print the values before softmax, as \"logit\", in place of probabilities"},
        vgg_cli_threads_option(&o->views.threads),
        vgg_cli_exact_option(&o->views.exact),
        vgg_cli_device_option(&o->views.computing.device),
        vgg_cli_precision_option(&o->views.computing.precision),
        vgg_cli_views_option(&o->views.protocol),
        vgg_cli_scale_option(&o->views.scale),
        {.type = VGG_CLI_FLAG,
         .name = "fuse",
         .value = &o->fuse,
         .help = "with several models, each given by --model: the mean of their probabilities"},
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "predict",
        .summary = "say what is in pictures",
        .synopsis = "vgg predict [--model FILE] IMAGE... [options]",
        .description =
            "Prints the likeliest classes of each IMAGE: a picture (JPEG, PNG, WebP, BMP, GIF, "
            "TIFF, PNM, and HEIC and AVIF where it was built with them), a folder, whose pictures "
            "and those of the folders in it are taken in the order of their names, or - for a "
            "picture on standard input. Transparency is laid over white, 16-bit samples are "
            "rounded to 8. A picture that cannot be read is named on standard error and does not "
            "stop the others.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    some pictures could not be read, or sorted (1 when none could be)",
        .examples = "vgg predict photo.jpg\n"
                    "vgg predict --model run/best.safetensors photo.jpg holiday/\n"
                    "vgg predict --model vgg16.safetensors --preprocess torchvision \\\n"
                    "    --labels imagenet --top 3 --format json cat.webp\n"
                    "vgg predict holiday/ --sort-into sorted --min-probability 0.6\n"
                    "curl -s https://example.org/cat.jpg |\n"
                    "    vgg predict --model run/best.safetensors -",
        .operand = "IMAGE",
        .operands_least = 1,
        .operands_most = SIZE_MAX,
    };
    if (!vgg_cli_parse(&usage, argc, argv, operands, status))
        return false;
    o->source.path = o->models.count > 0 ? o->models.values[0] : NULL;
    *status = VGG_CLI_USAGE;
    return goes_together(o);
}

/* Writes down the predictions of a picture, or why there are none. */
static bool finish(predict_state *state, const char *name, const vgg_prediction *best, size_t found,
                   const vgg_error *error) {
    if (error != NULL) {
        vgg_cli_complain("predict", "%s", error->message);
        state->failed++;
        return true;
    }
    bool none = vgg_cli_predict_is_none(&state->output, best, found);
    state->broken = !vgg_cli_predict_write(&state->output, name, best, found);
    if (!state->broken)
        vgg_cli_sorting_put(&state->sorting, name, none ? state->sorting.classes : best[0].index);
    return !state->broken;
}

static const vgg_picture *next_picture(void *user) {
    predict_state *state = user;
    state->picture.path = vgg_cli_predict_walk_next(&state->walk);
    return state->picture.path != NULL ? &state->picture : NULL;
}

static bool finish_one_of_many(void *user, const vgg_predict_result *result) {
    if (result->warning != NULL)
        vgg_cli_note((void *)"predict", result->warning);
    return finish(user, result->name, result->best, result->found, result->error);
}

static vgg_status predict_standard_input(predict_state *state, size_t *found, vgg_error *error) {
    vgg_image image = {0};
    vgg_status status = vgg_cli_load_image("-", &image, error);
    if (status == VGG_OK)
        status = vgg_predict_image(state->predictor, &image, state->top, state->best, found, error);
    vgg_image_free(&image);
    return status;
}

/* A picture that others would have to wait for. */
static void predict_alone(predict_state *state, const char *path) {
    size_t found = 0;
    vgg_error error;
    vgg_status status =
        strcmp(path, "-") == 0
            ? predict_standard_input(state, &found, &error)
            : vgg_predict_file(state->predictor, path, state->top, state->best, &found, &error);
    finish(state, path, state->best, found, status == VGG_OK ? NULL : &error);
}

/* What lies between two runs of pictures: all before it have been written by now. */
static void pass_pause(predict_state *state) {
    const vgg_cli_predict_walk *walk = &state->walk;
    if (walk->alone != NULL) {
        predict_alone(state, walk->alone);
        return;
    }
    state->failed++;
    vgg_cli_predict_walk_complain(walk, "predict");
}

/* Runs of pictures in batches, and what lies between them. */
static bool predict_runs(predict_state *state) {
    bool paused = true;
    while (paused && !state->broken) {
        vgg_error error;
        vgg_status status = vgg_predict_many(state->predictor, next_picture, state->top,
                                             finish_one_of_many, state, &error);
        if (status != VGG_OK && status != VGG_ERROR_STOPPED) {
            vgg_cli_complain("predict", "%s", error.message);
            return false;
        }
        paused = vgg_cli_predict_walk_paused(&state->walk);
        if (paused && !state->broken)
            pass_pause(state);
    }
    return !state->broken;
}

static int predict_all(predict_state *state) {
    bool text = state->output.format == VGG_CLI_PREDICT_TEXT;
    vgg_cli_predict_begin(&state->output);
    bool done = predict_runs(state);
    if (done)
        vgg_cli_predict_end(&state->output);
    if (text && state->sorting.folder != NULL && state->output.written > 0)
        putchar('\n');
    vgg_cli_sorting_print(&state->sorting, text ? stdout : stderr);
    if (!done)
        return VGG_CLI_FAILURE;
    size_t unsorted = state->sorting.failed;
    if (state->output.written == 0 || (unsorted > 0 && state->sorting.done == 0))
        return VGG_CLI_FAILURE;
    return state->failed + unsorted > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

/* Says what lies in the folders and is no picture, before anything is predicted. */
static void note_left_out(const predict_options *o, char **images, size_t count) {
    vgg_cli_predict_walk walk = {.operands = images, .count = count, .passed = o->sort_into};
    do {
        while (vgg_cli_predict_walk_next(&walk) != NULL) {
        }
    } while (vgg_cli_predict_walk_paused(&walk));
    vgg_cli_left_out_note(&walk.left_out, "predict");
    vgg_cli_predict_walk_end(&walk);
}

static vgg_cli_predict_format format_of(const char *name) {
    if (strcmp(name, "json") == 0)
        return VGG_CLI_PREDICT_JSON;
    return strcmp(name, "csv") == 0 ? VGG_CLI_PREDICT_CSV : VGG_CLI_PREDICT_TEXT;
}

static int predict(const predict_options *o, const vgg_cli_models *models, char **images,
                   size_t count) {
    const vgg_model *model = models->models[0];
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    predict_state state = {
        .walk = {.operands = images, .count = count, .passed = o->sort_into},
        .sorting = {.folder = o->sort_into, .link = o->link},
        .top = o->top < classes ? o->top : classes,
        .output = {.format = format_of(o->format),
                   .logits = o->logits,
                   .minimum = o->minimum,
                   .multi_label = vgg_model_output(model) == VGG_OUTPUT_SIGMOID}};
    vgg_picture_init(&state.picture, sizeof state.picture);
    int status = vgg_cli_predictor_create("predict", &o->views, models, &state.predictor);
    if (status != VGG_CLI_OK)
        return status;
    status = VGG_CLI_FAILURE;
    state.best = calloc(state.top, sizeof *state.best);
    if (state.best == NULL)
        vgg_cli_complain("predict", "out of memory for %zu predictions", state.top);
    else if (vgg_cli_sorting_begin(&state.sorting, model, images, count)) {
        note_left_out(o, images, count);
        status = predict_all(&state);
    }
    vgg_cli_predict_walk_end(&state.walk);
    vgg_cli_sorting_end(&state.sorting);
    free(state.best);
    vgg_predictor_free(state.predictor);
    return status;
}

int vgg_cli_predict(int argc, char **argv) {
    predict_options o = {
        .format = "text",
        .views = {.protocol = vgg_cli_protocols[0], .threads = vgg_cli_default_threads()},
        .top = 5};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    status = vgg_cli_computing_settle("predict", &o.views.computing, o.views.exact, false);
    if (status != VGG_CLI_OK)
        return status;
    bool unnamed;
    if (!vgg_cli_unnamed_model_take("predict", &o.source, argv[1], &unnamed))
        return VGG_CLI_USAGE;
    if (unnamed)
        o.models = (vgg_cli_texts){1, {o.source.path}};
    vgg_cli_models models = {0};
    status = vgg_cli_models_open("predict", &o.source, o.models.values, o.models.count, &models);
    if (status == VGG_CLI_OK && unnamed)
        vgg_cli_unnamed_model_note("predict", models.models[0]);
    if (status == VGG_CLI_OK)
        status = predict(&o, &models, argv + 1, operands);
    vgg_cli_models_close(&models);
    return status;
}
