/* vgg eval: a model measured on a data set. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/eval.h"
#include "cli/eval_page.h"
#include "cli/eval_table.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/scores_shown.h"
#include "cli/shared_options.h"
#include "cli/terminal.h"

static const char *const formats[] = {"text", "json", "csv", "html", NULL};
static const char *const parts[] = {"train", "validation", "test", "all", NULL};

/* False, which is complained about, for options that do not go together. */
static bool goes_together(const vgg_cli_eval_options *o) {
    const char *wrong = NULL;
    if (o->resume && o->predictions == NULL)
        wrong = "--resume: needs --predictions OUT, which the pictures that are done are in";
    else if (o->predictions != NULL && !vgg_cli_ends_in(o->predictions, ".csv") &&
             !vgg_cli_ends_in(o->predictions, ".npz"))
        wrong = "--predictions: expected a name that ends in .csv or .npz";
    else if (o->out != NULL && !o->fit_temperature)
        wrong = "--out: is for the model of --fit-temperature, which is not given";
    else if (o->models.count > 1 && o->fuse + o->compare + o->table != 1)
        wrong = "--model: is given several times: expected one of --fuse, --compare and --table";
    else if (o->fuse && o->models.count < 2)
        wrong = "--fuse: expected several models, --model A --model B";
    else if (o->compare && o->models.count != 2)
        wrong = "--compare: expected two models, --model A --model B";
    else if (o->fit_temperature && o->predictions != NULL)
        wrong = "--fit-temperature: does not go with --predictions";
    else if (o->compare && (o->predictions != NULL || o->fit_temperature || o->page != NULL))
        wrong = "--compare: goes with none of --predictions, --fit-temperature and --report";
    else if (o->fuse && (o->fit_temperature || o->page != NULL))
        wrong = "--fuse: goes with none of --fit-temperature and --report, which are of one model";
    else if (o->fit_temperature && !o->table &&
             (strcmp(o->views.protocol, vgg_cli_protocols[0]) != 0 || o->views.scale != NULL))
        wrong = "--fit-temperature: divides the logits of one view, and goes with neither --scale "
                "nor a --protocol but center";
    else if (o->table && (o->predictions != NULL || o->fit_temperature || o->page != NULL ||
                          o->hardest > 0 || strcmp(o->views.protocol, vgg_cli_protocols[0]) != 0))
        wrong = "--table: goes with none of --protocol, of which it takes two, --predictions, "
                "--fit-temperature, --hardest and --report";
    else if (o->table && strcmp(o->format, "json") == 0)
        wrong = "--format: found json, and --table is printed as text, csv or html";
    else if (!o->table && strcmp(o->format, "html") == 0)
        wrong = "--format: html is for --table; --report OUT.html writes the page of a model";
    if (wrong != NULL)
        vgg_cli_complain("eval", "%s", wrong);
    vgg_cli_scales scales;
    return wrong == NULL && vgg_cli_scales_read("eval", o->views.scale, &scales);
}

static bool parse(vgg_cli_eval_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    vgg_cli_models_take(model, &o->models);
    vgg_cli_option workers = vgg_cli_workers_option(&o->workers);
    workers.help = "threads that only read pictures; with --protocol dense or crops, --scale and "
                   "--fuse those that compute read all";
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
         .given = &o->batch_given,
         .minimum = 1,
         .maximum = 65536,
         .help = "pictures that are computed at once; of --protocol crops, --scale and --fuse: "
                 "views of one picture, at most"},
        vgg_cli_threads_option(&o->views.threads),
        workers,
        vgg_cli_exact_option(&o->views.exact),
        vgg_cli_device_option(&o->views.computing.device),
        vgg_cli_precision_option(&o->views.computing.precision),
        vgg_cli_views_option(&o->views.protocol),
        vgg_cli_scale_option(&o->views.scale),
    };
    const vgg_cli_option report[] = {
        {.type = VGG_CLI_CHOICE,
         .name = "format",
         .argument = "FORMAT",
         .value = &o->format,
         .choices = formats,
         .help =
             "text; json: {\"images\", \"skipped\", \"top1\", \"top5\", \"loss\", \"part\", ...}, "
             "shares as fractions, with intervals, figures of classes, the confusion matrix "
             "(a row for each true class), the calibration and by which views it was measured; "
             "csv: the figures with a line for each; html: a page, with --table"},
        vgg_cli_hardest_option(&o->hardest),
        {.type = VGG_CLI_TEXT,
         .name = "predictions",
         .argument = "OUT",
         .value = &o->predictions,
         .help = "keep each picture's logits in OUT.csv or OUT.npz, which vgg score reads; takes 4 "
                 "bytes of memory for each picture and class"},
        {.type = VGG_CLI_FLAG,
         .name = "resume",
         .value = &o->resume,
         .help = "with --predictions: go on where an evaluation was ended; what is in OUT, or in "
                 "OUT.part, is not computed again"},
        {.type = VGG_CLI_FLAG,
         .name = "fit-temperature",
         .value = &o->fit_temperature,
         .help = "on the validation part, find the number by which logits are divided so that "
                 "probabilities are what they say, and store it in the model"},
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "out",
         .argument = "FILE",
         .value = &o->out,
         .help = "with --fit-temperature: write the model there, not over itself"},
        {.type = VGG_CLI_FLAG,
         .name = "compare",
         .value = &o->compare,
         .help = "two models, each given by --model: where they differ, and whether that may be "
                 "chance"},
        {.type = VGG_CLI_FLAG,
         .name = "fuse",
         .value = &o->fuse,
         .help = "several models, each given by --model: the mean of their probabilities"},
        {.type = VGG_CLI_FLAG,
         .name = "table",
         .value = &o->table,
         .help = "the paper's Tables 3 to 6 of the models, at the scales of --scale: errors by "
                 "dense views at each scale and at all, by grids, by both, and of all models "
                 "fused; as text, csv or html. Takes 8 bytes of memory for each model, picture "
                 "and class"},
        {.type = VGG_CLI_TEXT,
         .name = "report",
         .argument = "OUT.html",
         .value = &o->page,
         .help =
             "write a page with the confusion matrix, the pictures behind it, mistakes, classes "
             "and calibration"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT, FILE and OUT.html when they are there; --resume replaces the FILE "
                 "that it goes on with"},
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"DATA", data, sizeof data / sizeof data[0]},
        {"RUNNING", running, sizeof running / sizeof running[0]},
        {"REPORT", report, sizeof report / sizeof report[0]},
    };
    const vgg_cli_usage usage = {
        .command = "eval",
        .summary = "measure a model on labelled pictures",
        .synopsis = "vgg eval --model FILE DATA [options]",
        .description =
            "Prints how often the right class is the likeliest (top-1) and, of more than five "
            "classes, among the five likeliest (top-5), the mean cross-entropy, figures of each "
            "class and which are confused; docs/evaluation.md says how they are defined. DATA is "
            "what vgg train "
            "takes: folders of pictures per class, a table of labels, a tar or zip of "
            "them, MNIST or CIFAR. With --labels imagenet the folders may also be called "
            "by their WordNet ids (n01440764).",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    measured, but pictures could not be read and were left out",
        .examples = "vgg eval --model run/best.safetensors pictograms\n"
                    "vgg eval --model vgg16.safetensors --preprocess torchvision \\\n"
                    "    --labels imagenet ilsvrc/ --format json\n"
                    "vgg eval --model run/best.safetensors photos \\\n"
                    "    --protocol dense --scale S-32,S,S+32\n"
                    "vgg eval --model old.safetensors --model new.safetensors --compare photos",
        .operand = "DATA",
        .operands_least = 1,
        .operands_most = 1,
    };
    if (!vgg_cli_parse(&usage, argc, argv, operands, status))
        return false;
    o->source.path = o->models.count > 0 ? o->models.values[0] : NULL;
    o->views.batch = o->batch_given ? o->batch : 0;
    *status = VGG_CLI_USAGE;
    return goes_together(o);
}

static vgg_cli_eval_options defaults(void) {
    vgg_eval_options measuring;
    vgg_dataset_options data;
    vgg_eval_options_init(&measuring, sizeof measuring);
    vgg_dataset_options_init(&data, sizeof data);
    return (vgg_cli_eval_options){
        .format = vgg_cli_score_formats[0],
        .views = {.protocol = vgg_cli_protocols[0], .threads = vgg_cli_default_threads()},
        .batch = measuring.batch,
        .validation_split = data.validation_split,
        .seed = data.seed};
}

static bool write_page(const vgg_cli_eval_options *o, const char *path, const vgg_model *model,
                       const vgg_cli_eval_data *data, const vgg_scores *scores, double seconds) {
    return vgg_cli_eval_page_write(&(vgg_cli_eval_page){.path = o->page,
                                                        .line = o->line,
                                                        .model_name = o->source.path,
                                                        .data_name = path,
                                                        .part = data->name,
                                                        .model = model,
                                                        .sets = data->chosen,
                                                        .set_count = data->count,
                                                        .scores = scores,
                                                        .threads = o->views.threads,
                                                        .seconds = seconds});
}

static int report(const vgg_cli_eval_options *o, const char *path, const vgg_cli_models *models,
                  const vgg_cli_eval_data *data) {
    vgg_model *model = models->models[0];
    vgg_scores *scores = NULL;
    double images_per_s, started = vgg_cli_now();
    const char *fitted = o->fit_temperature ? vgg_cli_eval_fit_file(o, model) : NULL;
    if (o->fit_temperature && fitted == NULL)
        return VGG_CLI_FAILURE;
    if (o->fit_temperature)
        vgg_model_set_temperature(model, 1, NULL);
    int status = vgg_cli_eval_measure(o, "measuring", models, data, &scores, &images_per_s);
    double seconds = vgg_cli_now() - started;
    bool fine = status == VGG_CLI_OK || status == VGG_CLI_SKIPPED;
    if (fine && o->fit_temperature)
        fine = vgg_cli_eval_fit(fitted, model, scores);
    const vgg_cli_scores_shown shown = {.command = "eval",
                                        .scores = scores,
                                        .part = data->name,
                                        .noted = data->noted,
                                        .temperature =
                                            models->count == 1 ? vgg_model_temperature(model) : 0,
                                        .views = &o->views,
                                        .models = models->count,
                                        .hardest = o->hardest};
    fine = fine && vgg_cli_scores_show(&shown, o->format);
    if (fine && o->page != NULL)
        fine = write_page(o, path, model, data, scores, seconds);
    if (scores != NULL && !fine)
        status = VGG_CLI_FAILURE;
    vgg_scores_free(scores);
    return status;
}

static int measure(const vgg_cli_eval_options *o, const char *path, const vgg_cli_models *models,
                   vgg_cli_eval_data *data) {
    bool several = vgg_model_output(models->models[0]) == VGG_OUTPUT_SIGMOID;
    if (several && !vgg_cli_eval_labels_allow(o))
        return VGG_CLI_USAGE;
    if (!vgg_cli_eval_open(o, path, models->models[0], data))
        return VGG_CLI_FAILURE;
    return several ? vgg_cli_eval_labels(o, models, data) : report(o, path, models, data);
}

/* Asked before anything is measured. --resume goes on with the predictions, and replaces them. */
static bool may_write_all(const vgg_cli_eval_options *o) {
    const char *const files[] = {o->predictions, o->out, o->page};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        bool own = i == 0 && o->resume;
        if (files[i] != NULL && !vgg_cli_may_write("eval", files[i], o->overwrite || own))
            return false;
        for (size_t other = 0; other < i; other++) {
            if (files[i] == NULL || files[other] == NULL || strcmp(files[i], files[other]) != 0)
                continue;
            vgg_cli_complain("eval", "%s: two files are to have this name", files[i]);
            return false;
        }
    }
    return true;
}

static int run(const vgg_cli_eval_options *o, const char *path) {
    if (!vgg_cli_model_is_given("eval", &o->source, path))
        return VGG_CLI_USAGE;
    if (!may_write_all(o))
        return VGG_CLI_FAILURE;
    if (o->compare)
        return vgg_cli_eval_compare(o, path);
    if (o->table)
        return vgg_cli_eval_table(o, path);
    vgg_cli_models models = {0};
    int status =
        vgg_cli_models_open("eval", &o->source, o->models.values, o->models.count, &models);
    vgg_cli_eval_data data = {.parts = {.struct_size = sizeof data.parts}};
    if (status == VGG_CLI_OK)
        status = measure(o, path, &models, &data);
    vgg_dataset_parts_free(&data.parts);
    vgg_cli_models_close(&models);
    return status;
}

int vgg_cli_eval(int argc, char **argv) {
    vgg_cli_eval_options o = defaults();
    size_t operands;
    int status;
    char *line = vgg_cli_command_line("eval", argc, argv);
    if (!parse(&o, argc, argv, &operands, &status)) {
        free(line);
        return status;
    }
    o.line = line;
    status = vgg_cli_computing_settle("eval", &o.views.computing, o.views.exact, false);
    if (line == NULL) {
        vgg_cli_complain("eval", "out of memory for the command line");
        status = VGG_CLI_FAILURE;
    }
    if (status == VGG_CLI_OK)
        status = run(&o, argv[1]);
    free(line);
    return status;
}
