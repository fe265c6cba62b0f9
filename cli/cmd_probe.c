/* vgg probe: a linear classifier on features, as a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/layer_list.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/picture_progress.h"
#include "cli/shared_options.h"
#include "cli/terminal.h"
#include "cli/unnamed_model.h"
#include "vgg/vgg.h"

typedef struct probe_options {
    vgg_cli_model_source source;
    const char *layer, *pool, *scale, *classifier, *cache, *out;
    vgg_cli_computing computing;
    double c;
    size_t folds, batch, threads;
    uint64_t seed;
    bool check_data, overwrite;
    size_t sides[VGG_PREPROCESS_SIDES], side_count; /* of `scale` */
} probe_options;

/* Rows of the pictures of the training part. */
typedef struct probe_rows {
    const vgg_dataset *data;
    vgg_extractor *extractor;
    size_t features;
    float *values;
    size_t *classes; /* of each row; before, the number of its picture */
    vgg_extract_dataset_result result;
    double started;
    int refused; /* the exit status when the options were, else VGG_CLI_OK */
    vgg_cli_progress line;
} probe_rows;

static const char *const pools[] = {"avg", "max", "none", "gem", NULL};
static const char *const classifiers[] = {"svm", "softmax", NULL};

static bool parse(probe_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_unnamed_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    vgg_cli_option layer = vgg_cli_layer_option(&o->layer, "the layer: " VGG_CLI_LAYER_NAMES);
    const vgg_cli_option fitting[] = {
        layer,
        {.type = VGG_CLI_CHOICE,
         .name = "pool",
         .argument = "POOL",
         .value = &o->pool,
         .choices = pools,
         .help = "what becomes of a channel's values at all places; none keeps all of them; gem is "
                 "for layers of rows alone, as no network has it behind maps"},
        {.type = VGG_CLI_TEXT,
         .name = "scale",
         .argument = "Q[,Q...]",
         .value = &o->scale,
         .help = "the short side of pictures, of which the centre of Q x Q is taken, here and by "
                 "the model; features of several are averaged, and by the model the scores",
         .fallback = "the model's own size"},
        {.type = VGG_CLI_CHOICE,
         .name = "classifier",
         .argument = "KIND",
         .value = &o->classifier,
         .choices = classifiers,
         .help = "svm: a support-vector machine for each class against the rest; softmax: "
                 "logistic regression of all classes"},
        {.type = VGG_CLI_NUMBER,
         .name = "c",
         .argument = "C",
         .value = &o->c,
         .minimum = 0,
         .maximum = 1e12,
         .above = true,
         .help = "how much a mistake costs beside large weights",
         .fallback = "by cross-validation, of 1e-5, 1e-4, ... 10"},
        {.type = VGG_CLI_SIZE,
         .name = "folds",
         .argument = "N",
         .value = &o->folds,
         .minimum = 2,
         .maximum = 100,
         .help = "parts that cross-validation leaves out in turn"},
        {.type = VGG_CLI_SEED,
         .name = "seed",
         .argument = "S",
         .value = &o->seed,
         .help = "which pictures are in which part"},
    };
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "out",
         .argument = "OUT",
         .value = &o->out,
         .help = "the model file, of the format that its ending says, as vgg convert writes it"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT when it is there"},
        {.type = VGG_CLI_TEXT,
         .name = "cache-features",
         .argument = "FILE",
         .value = &o->cache,
         .help = "keep the features in FILE, and take them from there where it has those of this "
                 "model, layer and data: another classifier or C then needs no network"},
        {.type = VGG_CLI_FLAG,
         .name = "check-data",
         .value = &o->check_data,
         .help = "compare the data with that of FILE by all bytes, not by names and sizes alone"},
        vgg_cli_batch_option(&o->batch),
        vgg_cli_threads_option(&o->threads),
        vgg_cli_device_option(&o->computing.device),
        vgg_cli_precision_option(&o->computing.precision),
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"CLASSIFIER", fitting, sizeof fitting / sizeof fitting[0]},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "probe",
        .summary = "fit a linear classifier to what a layer gives",
        .synopsis = "vgg probe DATA --layer LAYER -o OUT [--model FILE] [options]",
        .description =
            "Computes what LAYER gives for the training pictures of DATA, which is what vgg train "
            "takes, fits a linear classifier to it, and writes the layers up to LAYER with the "
            "classifier behind them as a model, for vgg predict, eval and all others. The layers "
            "stay as they are. Features are brought to mean 0 and variance 1 first, which the "
            "classifier's weights take in. The accuracy by cross-validation is that of the best "
            "C on the folds that chose it, behind means and variances of all pictures, and may "
            "flatter: vgg eval measures the model on the validation part.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    some pictures could not be read",
        .examples = "vgg probe my-photos --layer relu5_2 -o mine.safetensors\n"
                    "vgg probe my-photos --model vgg16.safetensors --preprocess torchvision \\\n"
                    "    --layer relu7 --classifier softmax -o mine.safetensors",
        .operand = "DATA",
        .operands_least = 1,
        .operands_most = 1,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* ---- rows ---- */

static bool say(void *user, const char *name, const vgg_error *why) {
    (void)name;
    vgg_cli_progress_clear(&((probe_rows *)user)->line);
    vgg_cli_complain("probe", "%s", why->message);
    return true;
}

static void warn(void *user, const char *message) {
    vgg_cli_progress_clear(&((probe_rows *)user)->line);
    vgg_cli_note((void *)"probe", message);
}

static bool show_progress(void *user, size_t done, size_t total) {
    probe_rows *rows = user;
    vgg_cli_picture_progress(&rows->line, "probe", done, 0, total, rows->started);
    return true;
}

static void free_rows(probe_rows *rows) {
    vgg_extractor_free(rows->extractor);
    free(rows->values);
    free(rows->classes);
}

static bool fail(const vgg_error *error) {
    vgg_cli_complain("probe", "%s", error->message);
    return false;
}

/* Whether pictures of each class could be read; complains about the first of which none could. */
static bool has_all_classes(const probe_rows *rows) {
    size_t classes = vgg_dataset_class_count(rows->data), k = 0;
    bool *found = calloc(classes + 1, sizeof *found);
    if (found == NULL) {
        vgg_cli_complain("probe", "out of memory for %zu classes", classes);
        return false;
    }
    for (size_t i = 0; i < rows->result.rows; i++) {
        found[rows->classes[i]] = true;
    }
    while (k < classes && found[k]) {
        k++;
    }
    free(found);
    if (k < classes)
        vgg_cli_complain("probe", "class \"%s\": no picture could be read, expected one or more",
                         vgg_dataset_class_name(rows->data, k));
    return k == classes;
}

static bool fill_rows(const probe_options *o, probe_rows *rows) {
    vgg_extract_dataset_options options;
    vgg_error error;
    vgg_extract_dataset_options_init(&options, sizeof options);
    options.cache = o->cache;
    options.contents = o->check_data;
    options.skipped = say;
    options.warn = warn;
    options.progress = show_progress;
    options.user = rows;
    rows->started = vgg_cli_now();
    rows->line = vgg_cli_progress_on(stderr);
    rows->result.struct_size = sizeof rows->result;
    vgg_status status = vgg_extract_dataset(rows->extractor, rows->data, &options, rows->values,
                                            rows->classes, &rows->result, &error);
    vgg_cli_progress_clear(&rows->line);
    for (size_t i = 0; status == VGG_OK && i < rows->result.rows; i++) {
        rows->classes[i] = vgg_dataset_item_class(rows->data, rows->classes[i]);
    }
    return status == VGG_OK || fail(&error);
}

static bool make_rows(const probe_options *o, const vgg_model *model, size_t layer,
                      probe_rows *rows) {
    const vgg_tap tap = {.layer = layer};
    vgg_tap_info info = {.struct_size = sizeof info};
    vgg_extractor_options options;
    vgg_error error;
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = &tap;
    options.tap_count = 1;
    options.pool = vgg_feature_pool_named(o->pool);
    options.batch = o->batch;
    options.precision = vgg_precision_named(o->computing.precision);
    options.device = vgg_device_named(o->computing.device);
    options.threads = o->threads;
    options.scales = o->side_count > 1 ? o->scale : NULL;
    vgg_status status = vgg_extractor_create(model, &options, &rows->extractor, &error);
    if (status == VGG_OK)
        status = vgg_extractor_tap(rows->extractor, 0, &info, &error);
    if (status != VGG_OK) {
        rows->refused = vgg_cli_fail("probe", status, &error);
        return false;
    }
    rows->features = info.values;
    size_t pictures = vgg_dataset_count(rows->data);
    rows->values = calloc(pictures + 1, rows->features * sizeof *rows->values);
    rows->classes = calloc(pictures + 1, sizeof *rows->classes);
    if (rows->values == NULL || rows->classes == NULL) {
        vgg_cli_complain("probe", "out of memory for %zu rows of %zu features", pictures,
                         rows->features);
        return false;
    }
    return fill_rows(o, rows) && has_all_classes(rows);
}

/* ---- the classifier ---- */

/* The names of the classes; freed by the caller. NULL when memory ran out. */
static const char **name_classes(const vgg_dataset *data) {
    size_t classes = vgg_dataset_class_count(data);
    const char **names = calloc(classes + 1, sizeof *names);
    for (size_t k = 0; names != NULL && k < classes; k++) {
        names[k] = vgg_dataset_class_name(data, k);
    }
    return names;
}

static bool save(const probe_options *o, const vgg_model *model, size_t layer,
                 const probe_rows *rows, const float *weights, const float *biases) {
    size_t classes = vgg_dataset_class_count(rows->data);
    const char **names = name_classes(rows->data);
    vgg_model *probe = NULL;
    vgg_error error;
    bool fine = names != NULL;
    if (!fine)
        vgg_cli_complain("probe", "out of memory for the names of %zu classes", classes);
    else if (vgg_probe_model(model, layer, vgg_feature_pool_named(o->pool), weights, biases, names,
                             classes, &probe, &error) != VGG_OK ||
             (o->side_count > 1 &&
              vgg_model_set_sides(probe, o->sides, o->side_count, &error) != VGG_OK) ||
             vgg_model_save_as(probe, o->out, NULL, &error) != VGG_OK)
        fine = fail(&error);
    vgg_model_free(probe);
    free(names);
    return fine;
}

static void print_result(const probe_options *o, const probe_rows *rows,
                         const vgg_probe_result *result) {
    char pictures[VGG_CLI_TEXT_SIZE], c[VGG_CLI_TEXT_SIZE];
    vgg_cli_print_line("%s: %s of %zu features of %s pictures, C %s", o->out, o->classifier,
                       rows->features, vgg_cli_count_text(pictures, rows->result.rows),
                       vgg_cli_number_text(c, result->c));
    if (rows->result.cached)
        vgg_cli_print_line("the features are those of %s", o->cache);
    else if (o->cache != NULL && !rows->result.kept)
        vgg_cli_print_line("the features are not kept in %s: another time pictures may be read "
                           "that could not be now",
                           o->cache);
    if (o->c <= 0)
        vgg_cli_print_line("by cross-validation %.1f %% are right", 100 * result->accuracy);
}

static bool fit(const probe_options *o, const vgg_model *model, size_t layer,
                const probe_rows *rows) {
    size_t classes = vgg_dataset_class_count(rows->data);
    float *weights = calloc(classes + 1, rows->features * sizeof *weights);
    float *biases = calloc(classes + 1, sizeof *biases);
    vgg_probe_options options;
    vgg_probe_result result = {.struct_size = sizeof result};
    vgg_error error;
    vgg_probe_options_init(&options, sizeof options);
    options.kind = vgg_probe_kind_named(o->classifier);
    options.c = o->c;
    options.folds = o->folds;
    options.seed = o->seed;
    options.threads = o->threads;
    bool fine = weights != NULL && biases != NULL;
    if (!fine)
        vgg_cli_complain("probe", "out of memory for a classifier of %zu classes", classes);
    else if (vgg_probe_fit(rows->values, rows->classes, rows->result.rows, rows->features, classes,
                           &options, weights, biases, &result, &error) != VGG_OK)
        fine = fail(&error);
    if (fine && !result.converged)
        vgg_cli_complain("probe",
                         "note: the minimum was not reached in %zu iterations; a smaller --c has "
                         "one that is easier to reach",
                         result.iterations);
    fine = fine && save(o, model, layer, rows, weights, biases);
    if (fine)
        print_result(o, rows, &result);
    free(weights);
    free(biases);
    return fine;
}

/* ---- all ---- */

static int run(const probe_options *o, const vgg_model *model, const char *path) {
    vgg_dataset *data = NULL;
    probe_rows rows = {0};
    size_t layer = 0;
    vgg_error error;
    if (!vgg_cli_layer_find("probe", vgg_model_network(model), o->layer, &layer))
        return VGG_CLI_USAGE;
    bool fine = vgg_dataset_open(path, NULL, &data, NULL, &error) == VGG_OK || fail(&error);
    if (fine && data == NULL) {
        vgg_cli_complain("probe", "%s: has no train part, expected train/ or a folder per class",
                         path);
        fine = false;
    }
    if (fine && vgg_dataset_several_labels(data)) {
        vgg_cli_complain("probe", "%s: has several labels for a picture, expected one", path);
        fine = false;
    }
    rows.data = data;
    if (fine)
        fine = vgg_probe_model_check(model, layer, vgg_feature_pool_named(o->pool),
                                     vgg_dataset_class_count(data), &error) == VGG_OK ||
               fail(&error);
    fine = fine && make_rows(o, model, layer, &rows) && fit(o, model, layer, &rows);
    int skipped = rows.result.skipped > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
    free_rows(&rows);
    vgg_dataset_free(data);
    int failed = rows.refused != VGG_CLI_OK ? rows.refused : VGG_CLI_FAILURE;
    return fine ? skipped : failed;
}

/* Reads the scales; false when they are none. */
static bool read_scales(probe_options *o) {
    for (const char *at = o->scale;; at++) {
        char *end;
        unsigned long side = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (side == 0 || side > VGG_IMAGE_MAX_SIDE || (*end != ',' && *end != '\0') ||
            o->side_count == VGG_PREPROCESS_SIDES)
            return false;
        o->sides[o->side_count++] = side;
        at = end;
        if (*at == '\0')
            return true;
    }
}

/* One scale is the model's own; of several it is the smallest, and the model is told of all. */
static bool take_scales(probe_options *o) {
    if (o->scale == NULL)
        return true;
    if (!read_scales(o)) {
        vgg_cli_complain("probe",
                         "--scale: found \"%s\", expected a size from 1 to %d, or up to %d of them "
                         "with commas between",
                         o->scale, VGG_IMAGE_MAX_SIDE, VGG_PREPROCESS_SIDES);
        return false;
    }
    if (o->source.input.height > 0 || o->source.pictures.resize_given) {
        vgg_cli_complain("probe",
                         "--scale says what --input and --short-side say; leave out either");
        return false;
    }
    size_t side = o->sides[0];
    for (size_t i = 1; i < o->side_count; i++) {
        side = o->sides[i] < side ? o->sides[i] : side;
    }
    o->source.input.height = o->source.input.width = side;
    o->source.pictures.resize = side;
    o->source.pictures.resize_given = true;
    return true;
}

int vgg_cli_probe(int argc, char **argv) {
    probe_options o = {.pool = pools[0],
                       .classifier = classifiers[0],
                       .folds = 5,
                       .threads = vgg_cli_default_threads()};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    const char *missing = o.layer == NULL ? "--layer LAYER" : o.out == NULL ? "-o OUT" : NULL;
    if (missing != NULL) {
        vgg_cli_complain("probe", "%s is missing", missing);
        return VGG_CLI_USAGE;
    }
    if (o.cache != NULL && vgg_cli_same_file(o.cache, o.out)) {
        vgg_cli_complain("probe", "--cache-features: %s is OUT, expected another file", o.cache);
        return VGG_CLI_USAGE;
    }
    if (!take_scales(&o) || !vgg_cli_model_ending_check("probe", o.out, ""))
        return VGG_CLI_USAGE;
    status = vgg_cli_computing_settle("probe", &o.computing, false, false);
    if (status != VGG_CLI_OK)
        return status;
    if (!vgg_cli_may_write("probe", o.out, o.overwrite) ||
        (o.cache != NULL && !vgg_cli_may_write("probe", o.cache, true)))
        return VGG_CLI_FAILURE;
    bool unnamed;
    if (!vgg_cli_unnamed_model_take("probe", &o.source, argv[1], &unnamed))
        return VGG_CLI_USAGE;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("probe", &o.source, &model);
    if (status == VGG_CLI_OK && unnamed)
        vgg_cli_unnamed_model_note("probe", model);
    if (status == VGG_CLI_OK)
        status = run(&o, model, argv[1]);
    vgg_model_free(model);
    return status;
}
