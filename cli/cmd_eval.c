/* vgg eval: a model measured on a data set. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
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
    const char *part, *format;
    size_t batch, threads, workers;
    double validation_split;
    uint64_t seed;
    bool strict, exact;
} eval_options;

/* What the callbacks share. */
typedef struct eval_state {
    vgg_cli_progress progress;
    vgg_cli_skipped skipped;
    double started;
} eval_state;

static const char *const parts[] = {"train", "validation", NULL};

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
         .help = "which part of the data: train or validation",
         .fallback = "validation, or all pictures of data without parts"},
        {.type = VGG_CLI_NUMBER,
         .name = "validation-split",
         .argument = "X",
         .value = &o->validation_split,
         .minimum = 0,
         .maximum = 1,
         .below = true,
         .help = "the share that training set aside, for data without a validation part"},
        {.type = VGG_CLI_SEED,
         .name = "seed",
         .argument = "K",
         .value = &o->seed,
         .help = "the seed of that training"},
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
        vgg_cli_format_option(
            &o->format,
            "text, or json: {\"images\", \"skipped\", \"top1\", \"top5\", \"loss\"}, the "
            "accuracies as fractions"),
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
        .description = "Prints how often the right class is the likeliest (top-1) and among the "
                       "five likeliest (top-5), and the mean cross-entropy. DATA is what vgg train "
                       "takes: folders of pictures per class, a tar of them, MNIST or CIFAR.",
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

/* Opens the part that was asked for, with the classes in the order of the model. */
static bool open_data(const eval_options *o, const char *path, const vgg_model *model,
                      vgg_dataset **dataset) {
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.validation_split = o->validation_split;
    options.seed = o->seed;
    options.temporary_folder = vgg_cli_temporary_folder();
    options.warn = vgg_cli_note;
    options.warn_user = (void *)"eval";
    options.classes = vgg_model_class_names(model);
    if (options.classes != NULL)
        options.class_count = vgg_network_describe(vgg_model_network(model))->classes;
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_error error;
    if (vgg_dataset_open(path, &options, &train, &validation, &error) != VGG_OK) {
        vgg_cli_complain("eval", "%s", error.message);
        return false;
    }
    bool wants_train = o->part != NULL ? strcmp(o->part, "train") == 0 : validation == NULL;
    *dataset = wants_train ? train : validation;
    vgg_dataset_free(wants_train ? validation : train);
    if (*dataset == NULL)
        vgg_cli_complain("eval", "%s: has no %s part, only a %s part", path,
                         wants_train ? "train" : "validation",
                         wants_train ? "validation" : "train");
    return *dataset != NULL;
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

static bool print_result(const eval_options *o, const vgg_eval_result *r) {
    if (strcmp(o->format, "json") == 0) {
        json_t *object =
            json_pack("{s:I, s:I, s:o, s:o, s:o}", "images", (json_int_t)r->images, "skipped",
                      (json_int_t)r->skipped, "top1", vgg_cli_json_number(r->top1), "top5",
                      vgg_cli_json_number(r->top5), "loss", vgg_cli_json_number(r->loss));
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
    return true;
}

static int measure(const eval_options *o, const vgg_model *model, const vgg_dataset *dataset) {
    eval_state state = {.progress = vgg_cli_progress_on(stderr), .started = vgg_cli_now()};
    state.skipped =
        (vgg_cli_skipped){.command = "eval", .strict = o->strict, .progress = &state.progress};
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.batch = o->batch;
    options.threads = o->threads;
    options.workers = o->workers;
    options.exact = o->exact;
    options.skipped = skip;
    options.progress = show_progress;
    options.user = &state;
    vgg_eval_result result = {.struct_size = sizeof result};
    vgg_error error;
    vgg_status measured = vgg_evaluate(model, dataset, &options, &result, &error);
    vgg_cli_progress_clear(&state.progress);
    vgg_cli_skipped_sum(&state.skipped);
    if (measured != VGG_OK) {
        vgg_cli_complain("eval", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    if (!print_result(o, &result))
        return VGG_CLI_FAILURE;
    return result.skipped > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

static eval_options defaults(void) {
    vgg_eval_options measuring;
    vgg_dataset_options data;
    vgg_eval_options_init(&measuring, sizeof measuring);
    vgg_dataset_options_init(&data, sizeof data);
    return (eval_options){.format = vgg_cli_formats[0],
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
    vgg_model *model = NULL;
    status = vgg_cli_model_open("eval", &o.source, &model);
    if (status != VGG_CLI_OK)
        return status;
    vgg_dataset *dataset = NULL;
    status =
        open_data(&o, argv[1], model, &dataset) ? measure(&o, model, dataset) : VGG_CLI_FAILURE;
    vgg_dataset_free(dataset);
    vgg_model_free(model);
    return status;
}
