/* vgg predict: the classes of pictures. */
#include <errno.h>
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/predict_output.h"
#include "cli/standard_input.h"
#include "vgg/vgg.h"

typedef struct predict_options {
    vgg_cli_model_source source;
    const char *format;
    size_t top, threads;
    bool logits, exact;
} predict_options;

typedef struct predict_state {
    vgg_predictor *predictor;
    size_t top;
    vgg_prediction *best; /* room for `top` */
    vgg_cli_predict_output output;
    size_t failed; /* pictures that could not be read, and folders that have none */
    bool broken;   /* nothing more can be written, which was said */
} predict_state;

static const char *const formats[] = {"text", "json", "csv", NULL};

static bool parse(predict_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_model_options(&o->source, model);
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_SIZE,
         .name = "top",
         .argument = "K",
         .value = &o->top,
         .minimum = 1,
         .maximum = 1e6,
         .help = "how many classes to print, the likeliest first",
         .fallback = "5"},
        {.type = VGG_CLI_CHOICE,
         .name = "format",
         .argument = "FORMAT",
         .value = &o->format,
         .choices = formats,
         .help = "text, csv (image,rank,index,label,probability) or json, an array of {\"image\", "
                 "\"predictions\": [{\"index\", \"label\", \"probability\"}]}",
         .fallback = "text"},
        {.type = VGG_CLI_FLAG,
         .name = "logits",
         .value = &o->logits,
         .help = "print the values before softmax, as \"logit\", in place of probabilities"},
        {.type = VGG_CLI_SIZE,
         .name = "threads",
         .argument = "N",
         .value = &o->threads,
         .minimum = 1,
         .maximum = VGG_CLI_THREADS_MOST,
         .help = "threads that compute",
         .fallback = VGG_CLI_DEFAULT_THREADS_HELP},
        {.type = VGG_CLI_FLAG, .name = "exact", .value = &o->exact, .help = vgg_cli_exact_help},
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "predict",
        .summary = "say what is in pictures",
        .synopsis = "vgg predict --model FILE IMAGE... [options]",
        .description = "Prints the likeliest classes of each IMAGE: a picture (JPEG, PNG, WebP or "
                       "PNM), a folder, whose pictures and those of the folders in it are taken in "
                       "the order of their names, or - for a picture on standard input. One that "
                       "cannot be read is named on standard error and does not stop the others.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    some pictures could not be read (1 when none could be)",
        .examples = "vgg predict --model run/best.safetensors photo.jpg holiday/\n"
                    "vgg predict --model vgg16.safetensors --preprocess torchvision \\\n"
                    "    --labels imagenet --top 3 --format json cat.webp\n"
                    "curl -s https://example.org/cat.jpg |\n"
                    "    vgg predict --model run/best.safetensors -",
        .operand = "IMAGE",
        .operands_least = 1,
        .operands_most = SIZE_MAX,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

static bool is_standard_input(const char *path) {
    return strcmp(path, "-") == 0;
}

static vgg_status predict_standard_input(predict_state *state, size_t *found, vgg_error *error) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_image image = {0};
    vgg_status status = vgg_cli_read_standard_input(&bytes, &size, error);
    if (status == VGG_OK)
        status = vgg_image_decode(bytes, size, VGG_CLI_STANDARD_INPUT, &image, error);
    if (status == VGG_OK)
        status = vgg_predict_image(state->predictor, &image, state->top, state->best, found, error);
    vgg_image_free(&image);
    free(bytes);
    return status;
}

static void predict_file(predict_state *state, const char *path) {
    size_t found;
    vgg_error error;
    vgg_status status =
        is_standard_input(path)
            ? predict_standard_input(state, &found, &error)
            : vgg_predict_file(state->predictor, path, state->top, state->best, &found, &error);
    if (status != VGG_OK) {
        vgg_cli_complain("predict", "%s", error.message);
        state->failed++;
    } else if (!vgg_cli_predict_write(&state->output, path, state->best, found)) {
        state->broken = true;
    }
}

static int compare_names(const FTSENT **left, const FTSENT **right) {
    return strcmp((*left)->fts_name, (*right)->fts_name);
}

/* Whether nothing can be known of what is behind the entry, which is then complained about. */
static bool is_unreadable(const FTSENT *entry) {
    switch (entry->fts_info) {
    case FTS_DNR:
        vgg_cli_complain("predict", "%s: cannot read the folder: %s", entry->fts_path,
                         strerror(entry->fts_errno));
        return true;
    case FTS_ERR:
    case FTS_NS:
        vgg_cli_complain("predict", "%s: cannot read: %s", entry->fts_path,
                         strerror(entry->fts_errno));
        return true;
    case FTS_SLNONE:
        vgg_cli_complain("predict", "%s: is a link that leads nowhere", entry->fts_path);
        return true;
    default:
        return false;
    }
}

/* Predicts the pictures of a folder and of those beneath. A link to a folder that it lies in is not
 * followed: what is behind it is predicted already. */
static void predict_folder(predict_state *state, char *path) {
    char *roots[] = {path, NULL};
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, compare_names);
    size_t pictures = 0;
    FTSENT *entry = NULL;
    while (walk != NULL && !state->broken && (entry = fts_read(walk)) != NULL) {
        bool hidden = entry->fts_level > 0 && entry->fts_name[0] == '.';
        if (entry->fts_info == FTS_D && hidden) {
            fts_set(walk, entry, FTS_SKIP);
        } else if (!hidden && is_unreadable(entry)) {
            state->failed++;
            pictures++;
        } else if (entry->fts_info == FTS_F && !hidden &&
                   vgg_image_name_is_picture(entry->fts_name)) {
            pictures++;
            predict_file(state, entry->fts_path);
        }
    }
    if (walk == NULL) {
        vgg_cli_complain("predict", "%s: cannot read the folder: %s", path, strerror(errno));
        state->failed++;
    } else if (pictures == 0) {
        vgg_cli_complain("predict", "%s: has no pictures, expected .jpg, .png, .webp or .pnm files",
                         path);
        state->failed++;
    }
    if (walk != NULL)
        fts_close(walk);
}

static int predict_all(predict_state *state, char **images, size_t count) {
    vgg_cli_predict_begin(&state->output);
    for (size_t i = 0; i < count && !state->broken; i++) {
        struct stat info;
        if (!is_standard_input(images[i]) && stat(images[i], &info) == 0 && S_ISDIR(info.st_mode))
            predict_folder(state, images[i]);
        else
            predict_file(state, images[i]);
    }
    if (state->broken)
        return VGG_CLI_FAILURE;
    vgg_cli_predict_end(&state->output);
    if (state->output.written == 0)
        return VGG_CLI_FAILURE;
    return state->failed > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

static vgg_cli_predict_format format_of(const char *name) {
    if (strcmp(name, "json") == 0)
        return VGG_CLI_PREDICT_JSON;
    return strcmp(name, "csv") == 0 ? VGG_CLI_PREDICT_CSV : VGG_CLI_PREDICT_TEXT;
}

static int predict(const predict_options *o, const vgg_model *model, char **images, size_t count) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    predict_state state = {.top = o->top < classes ? o->top : classes,
                           .output = {.format = format_of(o->format), .logits = o->logits}};
    vgg_error error;
    vgg_predictor_options options;
    vgg_predictor_options_init(&options, sizeof options);
    options.threads = o->threads;
    options.exact = o->exact;
    if (vgg_predictor_create(model, &options, &state.predictor, &error) != VGG_OK) {
        vgg_cli_complain("predict", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    int status = VGG_CLI_FAILURE;
    state.best = calloc(state.top, sizeof *state.best);
    if (state.best == NULL)
        vgg_cli_complain("predict", "out of memory for %zu predictions", state.top);
    else
        status = predict_all(&state, images, count);
    free(state.best);
    vgg_predictor_free(state.predictor);
    return status;
}

int vgg_cli_predict(int argc, char **argv) {
    predict_options o = {.format = "text", .top = 5, .threads = vgg_cli_default_threads()};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("predict", &o.source, &model);
    if (status != VGG_CLI_OK)
        return status;
    status = predict(&o, model, argv + 1, operands);
    vgg_model_free(model);
    return status;
}
