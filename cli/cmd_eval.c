/* vgg eval: a model measured on a data set. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/data_split.h"
#include "cli/environment.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/shared_options.h"
#include "cli/skipped.h"
#include "cli/terminal.h"
#include "vgg/vgg.h"

typedef struct eval_options {
    vgg_cli_model_source source;
    const char *part, *format, *protocol;
    size_t batch, threads, workers;
    double validation_split;
    bool split_given;
    uint64_t seed;
    bool strict, exact;
} eval_options;

/* What is measured: one part of the data or several. */
typedef struct eval_data {
    vgg_dataset_parts parts;
    const vgg_dataset *chosen[3];
    size_t count;
    const char *name;  /* of the part, or "all" */
    const char *noted; /* what is to be said of it; "" */
} eval_data;

/* What the callbacks share. */
typedef struct eval_state {
    vgg_cli_progress progress;
    vgg_cli_skipped skipped;
    double started;
} eval_state;

static const char *const parts[] = {"train", "validation", "test", "all", NULL};

static bool parse(eval_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    const vgg_cli_option data[] = {
        {.type = VGG_CLI_CHOICE,
         .name = "part",
         .argument = "PART",
         .value = &o->part,
         .choices = parts,
         .help = "which part of the data: train, validation, test or all",
         .fallback = "the first that there is: test, validation, what the model's training set "
                     "aside, all"},
        {.type = VGG_CLI_NUMBER,
         .name = "validation-split",
         .argument = "X",
         .value = &o->validation_split,
         .given = &o->split_given,
         .minimum = 0,
         .maximum = 1,
         .below = true,
         .help = "set this share of each class aside, for data without a validation part, as vgg "
                 "train does",
         .except = "what the model's own training set aside"},
        {.type = VGG_CLI_SEED,
         .name = "seed",
         .argument = "K",
         .value = &o->seed,
         .help = "chooses what --validation-split sets aside"},
        vgg_cli_strict_option(&o->strict),
    };
    const vgg_cli_option running[] = {
        {.type = VGG_CLI_SIZE,
         .name = "batch",
         .argument = "N",
         .value = &o->batch,
         .minimum = 1,
         .maximum = 65536,
         .help = "pictures that are computed at once"},
        vgg_cli_threads_option(&o->threads),
        vgg_cli_workers_option(&o->workers),
        vgg_cli_exact_option(&o->exact),
        vgg_cli_protocol_option(&o->protocol),
        vgg_cli_format_option(
            &o->format, "text, or json: {\"images\", \"skipped\", \"top1\", \"top5\", \"loss\", "
                        "\"part\"}, the accuracies as fractions"),
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"DATA", data, sizeof data / sizeof data[0]},
        {"RUNNING", running, sizeof running / sizeof running[0]},
    };
    const vgg_cli_usage usage = {
        .command = "eval",
        .summary = "measure a model on labelled pictures",
        .synopsis = "vgg eval --model FILE DATA [options]",
        .description =
            "Prints how often the right class is the likeliest (top-1) and among the "
            "five likeliest (top-5), and the mean cross-entropy. DATA is what vgg train "
            "takes: folders of pictures per class, a table of labels, a tar or zip of "
            "them, MNIST or CIFAR. With --labels imagenet the folders may also be called "
            "by their WordNet ids (n01440764).",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    measured, but pictures could not be read and were left out",
        .examples = "vgg eval --model run/best.safetensors pictograms\n"
                    "vgg eval --model vgg16.safetensors --preprocess torchvision \\\n"
                    "    --labels imagenet ilsvrc/ --format json",
        .operand = "DATA",
        .operands_least = 1,
        .operands_most = 1,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* The names of ImageNet's classes go with their WordNet ids. */
static bool are_imagenet(const char *const *names, size_t count) {
    bool same = names != NULL && count == VGG_IMAGENET_CLASSES;
    for (size_t i = 0; same && i < count; i++) {
        same = strcmp(names[i], vgg_imagenet_class_names()[i]) == 0;
    }
    return same;
}

/* Opens the data with the classes in the order of the model. */
static bool open_parts(const eval_options *o, const char *path, const vgg_model *model,
                       vgg_dataset_parts *opened) {
    char split[VGG_CLI_SPLIT_SIZE];
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.temporary_folder = vgg_cli_temporary_folder();
    options.warn = vgg_cli_note;
    options.warn_user = (void *)"eval";
    options.classes = vgg_model_class_names(model);
    if (options.classes != NULL)
        options.class_count = vgg_network_describe(vgg_model_network(model))->classes;
    if (are_imagenet(options.classes, options.class_count))
        options.class_ids = vgg_imagenet_class_ids();
    if (o->split_given) {
        options.validation_split = o->validation_split;
        options.seed = o->seed;
    } else {
        options.split = vgg_cli_recorded_split(model, false, split);
    }
    vgg_error error;
    if (vgg_dataset_open_parts(path, &options, opened, &error) == VGG_OK)
        return true;
    vgg_cli_complain("eval", "%s", error.message);
    return false;
}

static void choose(eval_data *data, const vgg_dataset *part, const char *name) {
    if (part != NULL)
        data->chosen[data->count++] = part;
    data->name = name;
}

/* The part that was asked for, or that says most of how good the model is. */
static void choose_part(const char *asked, eval_data *data) {
    const vgg_dataset_parts *p = &data->parts;
    data->noted = "";
    if (asked == NULL)
        asked = p->test != NULL ? "test" : p->validation != NULL ? "validation" : "all";
    bool all = strcmp(asked, "all") == 0;
    if (all || strcmp(asked, "train") == 0)
        choose(data, p->train, asked);
    if (all || strcmp(asked, "validation") == 0)
        choose(data, p->validation, asked);
    if (all || strcmp(asked, "test") == 0)
        choose(data, p->test, asked);
    if (p->split != NULL && strcmp(asked, "validation") == 0)
        data->noted = ", set aside from what was trained on";
    else if (p->split != NULL && strcmp(asked, "train") == 0)
        data->noted = ", without what was set aside from it";
}

/* "a train part", "train and validation parts". */
static const char *parts_text(const vgg_dataset_parts *p, char buffer[VGG_CLI_TEXT_SIZE]) {
    const char *const names[] = {"train", "validation", "test"};
    const bool there[] = {p->train != NULL, p->validation != NULL, p->test != NULL};
    size_t length = 0, count = (size_t)there[0] + there[1] + there[2], named = 0;
    for (size_t i = 0; i < 3; i++) {
        if (there[i])
            length += (size_t)snprintf(buffer + length, VGG_CLI_TEXT_SIZE - length, "%s%s",
                                       named++ > 0  ? " and "
                                       : count == 1 ? "a "
                                                    : "",
                                       names[i]);
    }
    snprintf(buffer + length, VGG_CLI_TEXT_SIZE - length, " part%s", count > 1 ? "s" : "");
    return buffer;
}

static bool open_data(const eval_options *o, const char *path, const vgg_model *model,
                      eval_data *data) {
    char text[VGG_CLI_TEXT_SIZE];
    if (!open_parts(o, path, model, &data->parts))
        return false;
    choose_part(o->part, data);
    if (data->count > 0)
        return true;
    vgg_cli_complain("eval", "%s: has no %s part, only %s", path, data->name,
                     parts_text(&data->parts, text));
    return false;
}

static bool show_progress(void *user, size_t done, size_t total) {
    eval_state *state = user;
    if (vgg_cli_progress_due(&state->progress)) {
        char right[3 * VGG_CLI_TEXT_SIZE], left[VGG_CLI_TEXT_SIZE];
        double seconds = vgg_cli_now() - state->started;
        double rate = (double)done / (seconds > 1e-3 ? seconds : 1e-3);
        snprintf(right, sizeof right, "%zu/%zu  %.0f images/s  %s left", done, total, rate,
                 vgg_cli_duration_text(left, (double)(total - done) / (rate > 0 ? rate : 1)));
        vgg_cli_progress_draw(&state->progress, "measuring", (double)done / (double)total, right);
    }
    return true;
}

static bool skip(void *user, const char *name, const vgg_error *why) {
    eval_state *state = user;
    return vgg_cli_skip(&state->skipped, name, why);
}

static bool print_result(const eval_options *o, const eval_data *data, const vgg_eval_result *r) {
    if (strcmp(o->format, "json") == 0) {
        json_t *object = json_pack(
            "{s:I, s:I, s:o, s:o, s:o, s:s}", "images", (json_int_t)r->images, "skipped",
            (json_int_t)r->skipped, "top1", vgg_cli_json_number(r->top1), "top5",
            vgg_cli_json_number(r->top5), "loss", vgg_cli_json_number(r->loss), "part", data->name);
        if (!vgg_cli_json_print(object, false, 0)) {
            vgg_cli_complain("eval", "out of memory while writing JSON");
            return false;
        }
        putchar('\n');
        return true;
    }
    char count[VGG_CLI_TEXT_SIZE];
    printf("images   %s\n", vgg_cli_count_text(count, r->images));
    if (r->skipped > 0)
        printf("skipped  %s\n", vgg_cli_count_text(count, r->skipped));
    printf("top-1    %.2f %%\ntop-5    %.2f %%\nloss     %.4f\n", 100.0 * r->top1, 100.0 * r->top5,
           r->loss);
    printf("part     %s%s\n", data->name, data->noted);
    return true;
}

/* Adds the measures of one more part to those of the others. */
static void add_result(vgg_eval_result *sum, const vgg_eval_result *more) {
    double images = (double)(sum->images + more->images);
    double old = (double)sum->images / images, new = (double)more->images / images;
    sum->top1 = old * sum->top1 + new * more->top1;
    sum->top5 = old * sum->top5 + new * more->top5;
    sum->loss = old * sum->loss + new * more->loss;
    sum->images += more->images;
    sum->skipped += more->skipped;
}

static int measure(const eval_options *o, const vgg_model *model, const eval_data *data) {
    eval_state state = {.progress = vgg_cli_progress_on(stderr), .started = vgg_cli_now()};
    state.skipped =
        (vgg_cli_skipped){.command = "eval", .strict = o->strict, .progress = &state.progress};
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.batch = o->batch;
    options.threads = o->threads;
    options.workers = o->workers;
    options.exact = o->exact;
    options.protocol = vgg_protocol_named(o->protocol);
    options.skipped = skip;
    options.progress = show_progress;
    options.user = &state;
    options.warn = vgg_cli_picture_note;
    options.warn_user = &state.skipped;
    vgg_eval_result result = {.struct_size = sizeof result};
    vgg_error error;
    vgg_status measured = VGG_OK;
    for (size_t i = 0; measured == VGG_OK && i < data->count; i++) {
        vgg_eval_result part = {.struct_size = sizeof part};
        measured = vgg_evaluate(model, data->chosen[i], &options, &part, &error);
        if (measured == VGG_OK)
            add_result(&result, &part);
    }
    vgg_cli_progress_clear(&state.progress);
    vgg_cli_skipped_sum(&state.skipped);
    if (measured != VGG_OK) {
        vgg_cli_complain("eval", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    if (!print_result(o, data, &result))
        return VGG_CLI_FAILURE;
    return result.skipped > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

static eval_options defaults(void) {
    vgg_eval_options measuring;
    vgg_dataset_options data;
    vgg_eval_options_init(&measuring, sizeof measuring);
    vgg_dataset_options_init(&data, sizeof data);
    return (eval_options){.format = vgg_cli_formats[0],
                          .protocol = vgg_cli_protocols[0],
                          .batch = measuring.batch,
                          .threads = vgg_cli_default_threads(),
                          .validation_split = data.validation_split,
                          .seed = data.seed};
}

int vgg_cli_eval(int argc, char **argv) {
    eval_options o = defaults();
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    if (!vgg_cli_model_is_given("eval", &o.source, argv[1]))
        return VGG_CLI_USAGE;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("eval", &o.source, &model);
    if (status != VGG_CLI_OK)
        return status;
    eval_data data = {.parts = {.struct_size = sizeof data.parts}};
    status = open_data(&o, argv[1], model, &data) ? measure(&o, model, &data) : VGG_CLI_FAILURE;
    vgg_dataset_parts_free(&data.parts);
    vgg_model_free(model);
    return status;
}
