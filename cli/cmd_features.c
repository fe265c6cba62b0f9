/* vgg features: what layers give for pictures, as a file of arrays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/layer_list.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/picture_progress.h"
#include "cli/predict_walk.h"
#include "cli/shared_options.h"
#include "cli/standard_input.h"
#include "cli/terminal.h"
#include "cli/unnamed_model.h"
#include "vgg/vgg.h"

typedef struct features_options {
    vgg_cli_model_source source;
    const char *layer, *pool, *scale, *protocol, *out;
    vgg_cli_computing computing;
    size_t batch, threads;
    bool normalise, average_pools, overwrite, resume, exact;
} features_options;

typedef struct features_state {
    vgg_cli_predict_walk walk;
    vgg_extractor *extractor;
    vgg_feature_file *file;
    vgg_picture picture; /* the next */
    size_t begun, held;  /* pictures of an earlier run, and those of them that are still to come */
    size_t done, total, failed, read;
    double started;
    vgg_cli_progress line;
    bool broken; /* nothing more can be written, which was said */
} features_state;

static const char *const pools[] = {"none", "avg", "max", "gem", NULL};

static bool parse(features_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_unnamed_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    const vgg_cli_option features[] = {
        vgg_cli_layer_option(&o->layer,
                             "the layers, with commas between them: " VGG_CLI_LAYER_NAMES),
        {.type = VGG_CLI_CHOICE,
         .name = "pool",
         .argument = "POOL",
         .value = &o->pool,
         .choices = pools,
         .help = "what becomes of a channel's values at all places: none keeps them; avg, max or "
                 "gem, the generalised mean of exponent 3, makes one number of them"},
        {.type = VGG_CLI_FLAG,
         .name = "normalise",
         .value = &o->normalise,
         .help = "divide the features of a picture by their length, the root of the sum of their "
                 "squares"},
        {.type = VGG_CLI_TEXT,
         .name = "scale",
         .argument = "Q,...",
         .value = &o->scale,
         .help = "resize pictures so that the short side has Q pixels, take the centre of Q x Q, "
                 "and average the features of all the Q",
         .fallback = "the model's own size"},
        vgg_cli_protocol_option(&o->protocol),
        {.type = VGG_CLI_FLAG,
         .name = "average-pools",
         .value = &o->average_pools,
         .help = "take averages in the network's max-pools"},
    };
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "out",
         .argument = "OUT",
         .value = &o->out,
         .help = "the file: .npy, with the names of the pictures in a .txt; or with them .npz, "
                 ".safetensors or, for features that are pooled, .csv"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT, and the .txt of a .npy, when they are there"},
        {.type = VGG_CLI_FLAG,
         .name = "resume",
         .value = &o->resume,
         .help = "go on where a run of the same features was ended: what lies in OUT.part and the "
                 "files beside it is not computed again"},
        vgg_cli_batch_option(&o->batch),
        vgg_cli_threads_option(&o->threads),
        vgg_cli_exact_option(&o->exact),
        vgg_cli_device_option(&o->computing.device),
        vgg_cli_precision_option(&o->computing.precision),
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"FEATURES", features, sizeof features / sizeof features[0]},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "features",
        .summary = "write what layers of a network give for pictures",
        .synopsis = "vgg features [--model FILE] --layer LAYER -o OUT IMAGE... [options]",
        .description =
            "Writes a row of features for each IMAGE, which is what vgg predict takes: pictures, "
            "folders of them, and - for standard input. A picture that cannot be read is named on "
            "standard error and has no row. Nothing above the highest layer is computed. While it "
            "runs, results lie in OUT.part and files beside it, which a run that was ended leaves "
            "for --resume; memory does not grow with the number of pictures.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    some pictures could not be read (1 when none could be)",
        .examples = "vgg features --layer relu4_2 --pool avg --normalise -o photos.npy photos/\n"
                    "vgg features --model vgg16.safetensors --preprocess torchvision \\\n"
                    "    --layer relu3_3,relu5_3 --pool gem --scale 256,384,512 \\\n"
                    "    -o photos.npz photos/",
        .operand = "IMAGE",
        .operands_least = 1,
        .operands_most = SIZE_MAX,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* ---- pictures ---- */

/* A line that is not to stand in the bar. */
static void say(features_state *state, const char *message) {
    vgg_cli_progress_clear(&state->line);
    vgg_cli_complain("features", "%s", message);
}

static bool stop(features_state *state, const vgg_error *error) {
    say(state, error->message);
    state->broken = true;
    return false;
}

/* Keeps the features of a picture, or notes that there are none. */
static bool finish(features_state *state, const char *name, const float *const *values,
                   const vgg_error *error) {
    if (error != NULL) {
        say(state, error->message);
        state->failed++;
    }
    state->read += error == NULL;
    state->done++;
    vgg_error why;
    if (vgg_feature_file_add(state->file, name, error == NULL ? values : NULL, &why) != VGG_OK)
        return stop(state, &why);
    if (state->done % vgg_extractor_batch(state->extractor) == 0 &&
        vgg_feature_file_flush(state->file, &why) != VGG_OK)
        return stop(state, &why);
    vgg_cli_picture_progress(&state->line, "features", state->done, state->begun, state->total,
                             state->started);
    return true;
}

/* Passes over a picture that an earlier run has computed. False: it is not one of those. */
static bool pass(features_state *state, const char *name) {
    bool readable = false;
    vgg_error error;
    if (vgg_feature_file_pass(state->file, name, &readable, &error) != VGG_OK)
        return stop(state, &error);
    state->held--;
    state->done++;
    state->read += readable;
    state->failed += !readable;
    return true;
}

static const vgg_picture *next_picture(void *user) {
    features_state *state = user;
    for (;;) {
        const char *path = vgg_cli_predict_walk_next(&state->walk);
        state->picture.path = path;
        if (path == NULL || state->broken)
            return NULL;
        if (state->held == 0)
            return &state->picture;
        if (!pass(state, path))
            return NULL;
    }
}

static bool finish_one_of_many(void *user, const vgg_extract_result *result) {
    features_state *state = user;
    if (result->warning != NULL) {
        vgg_cli_progress_clear(&state->line);
        vgg_cli_note((void *)"features", result->warning);
    }
    return finish(state, result->name, result->values, result->error);
}

/* A picture that others would have to wait for. */
typedef struct lonely {
    features_state *state;
    vgg_picture picture;
    bool given;
} lonely;

static const vgg_picture *next_lonely(void *user) {
    lonely *alone = user;
    bool first = !alone->given;
    alone->given = true;
    return first ? &alone->picture : NULL;
}

static bool finish_lonely(void *user, const vgg_extract_result *result) {
    lonely *alone = user;
    return finish_one_of_many(alone->state, result);
}

static void extract_alone(features_state *state, const char *path) {
    if (state->held > 0) {
        pass(state, path);
        return;
    }
    vgg_image image = {0};
    vgg_error error;
    lonely alone = {.state = state};
    vgg_picture_init(&alone.picture, sizeof alone.picture);
    alone.picture.image = &image;
    alone.picture.name = path;
    if (vgg_cli_load_image(path, &image, &error) != VGG_OK)
        finish(state, path, NULL, &error);
    else if (vgg_extract_many(state->extractor, next_lonely, finish_lonely, &alone, &error) !=
                 VGG_OK &&
             !state->broken)
        stop(state, &error);
    vgg_image_free(&image);
}

static void pass_pause(features_state *state) {
    if (state->walk.alone != NULL) {
        extract_alone(state, state->walk.alone);
        return;
    }
    state->failed++;
    vgg_cli_progress_clear(&state->line);
    vgg_cli_predict_walk_complain(&state->walk, "features");
}

static bool extract_runs(features_state *state) {
    bool paused = true;
    while (paused && !state->broken) {
        vgg_error error;
        vgg_status status =
            vgg_extract_many(state->extractor, next_picture, finish_one_of_many, state, &error);
        if (status != VGG_OK && status != VGG_ERROR_STOPPED)
            return stop(state, &error);
        paused = vgg_cli_predict_walk_paused(&state->walk);
        if (paused && !state->broken)
            pass_pause(state);
    }
    vgg_cli_progress_clear(&state->line);
    return !state->broken;
}

/* ---- the file ---- */

/* "OUT: 3,000 x 512 of relu5_3" for each layer, and how long it took. */
static void print_shapes(const features_options *o, const features_state *state,
                         const vgg_cli_layers *layers) {
    char rows[VGG_CLI_TEXT_SIZE], name[1024];
    vgg_cli_count_text(rows, state->read);
    for (size_t t = 0; t < layers->count; t++) {
        vgg_tap_info info = {.struct_size = sizeof info};
        vgg_extractor_tap(state->extractor, t, &info, NULL);
        printf("%s: %s", vgg_cli_clean_text(name, sizeof name, o->out), rows);
        for (size_t d = 0; d < info.dimensions; d++) {
            printf(" x %zu", info.shape[d]);
        }
        printf(" of %s\n", layers->names[t]);
    }
}

static int write_all(const features_options *o, features_state *state,
                     const vgg_cli_layers *layers) {
    state->held = state->begun = vgg_feature_file_count(state->file);
    state->started = vgg_cli_now();
    state->line = vgg_cli_progress_on(stderr);
    if (!extract_runs(state))
        return VGG_CLI_FAILURE;
    if (state->read == 0)
        return VGG_CLI_FAILURE;
    vgg_error error;
    if (vgg_feature_file_finish(state->file, &error) != VGG_OK) {
        vgg_cli_complain("features", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    print_shapes(o, state, layers);
    return state->failed > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

/* What the features follow from: the options, and the model by its description and by the place,
 * size and time of its file. */
static char *facts_of(const features_options *o, const vgg_model *model) {
    char *description = NULL, *facts = NULL;
    struct stat info;
    if (vgg_model_describe(model, &description, NULL) != VGG_OK)
        return NULL;
    vgg_cli_model_stat(o->source.path, &info);
    bool gpu = vgg_device_named(o->computing.device) == VGG_DEVICE_CUDA;
    bool rounded = vgg_precision_named(o->computing.precision) != VGG_PRECISION_F32;
    if (asprintf(&facts, "%s %d %s %s %d %d%s%s%s\n%s %lld %lld.%09ld\n%s", o->pool, o->normalise,
                 o->scale != NULL ? o->scale : "-", o->protocol, o->average_pools, o->exact,
                 rounded ? " " : "", rounded ? o->computing.precision : "", gpu ? " cuda" : "",
                 o->source.path, (long long)info.st_size, (long long)info.st_mtim.tv_sec,
                 info.st_mtim.tv_nsec, description) < 0)
        facts = NULL;
    vgg_string_free(description);
    return facts;
}

static vgg_status open_file(const features_options *o, const vgg_model *model,
                            const vgg_cli_layers *layers, features_state *state, vgg_error *error) {
    vgg_feature_file_options options;
    vgg_feature_file_options_init(&options, sizeof options);
    char *facts = facts_of(o, model);
    options.layers = layers->names;
    options.facts = facts != NULL ? facts : "";
    options.resume = o->resume;
    vgg_status status =
        vgg_feature_file_open(o->out, state->extractor, &options, &state->file, error);
    free(facts);
    return status;
}

static vgg_status create_extractor(const features_options *o, const vgg_model *model,
                                   const vgg_cli_layers *layers, vgg_extractor **extractor,
                                   vgg_error *error) {
    vgg_extractor_options options;
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = layers->taps;
    options.tap_count = layers->count;
    options.pool = vgg_feature_pool_named(o->pool);
    options.normalise = o->normalise;
    options.scales = o->scale;
    options.protocol = vgg_protocol_named(o->protocol);
    options.batch = o->batch;
    options.threads = o->threads;
    options.exact = o->exact;
    options.precision = vgg_precision_named(o->computing.precision);
    options.device = vgg_device_named(o->computing.device);
    options.average_pools = o->average_pools;
    return vgg_extractor_create(model, &options, extractor, error);
}

static int run(const features_options *o, const vgg_model *model, char **images, size_t count) {
    vgg_cli_layers layers = {0};
    features_state state = {.walk = {.operands = images, .count = count}};
    vgg_picture_init(&state.picture, sizeof state.picture);
    int status = vgg_cli_layers_read("features", vgg_model_network(model), o->layer, &layers);
    if (status == VGG_CLI_OK) {
        vgg_error error;
        vgg_status made = create_extractor(o, model, &layers, &state.extractor, &error);
        if (made == VGG_OK)
            made = open_file(o, model, &layers, &state, &error);
        if (made != VGG_OK)
            status = vgg_cli_fail("features", made, &error);
    }
    if (status == VGG_CLI_OK) {
        state.total = vgg_cli_predict_walk_count(images, count, "features");
        status = write_all(o, &state, &layers);
    }
    vgg_cli_predict_walk_end(&state.walk);
    vgg_feature_file_free(state.file);
    vgg_extractor_free(state.extractor);
    vgg_cli_layers_free(&layers);
    return status;
}

static bool has_known_ending(const features_options *o) {
    static const char *const endings[] = {".npy", ".npz", ".safetensors", ".csv"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (vgg_cli_ends_in(o->out, endings[i]))
            return true;
    }
    vgg_cli_complain("features",
                     "--out: expected a name that ends in .npy, .npz, .safetensors or .csv");
    return false;
}

/* Whether OUT may be written, and beside a .npy the names. */
static bool may_write_all(const features_options *o) {
    size_t length = strlen(o->out), ending = strlen(".npy");
    if (!vgg_cli_may_write("features", o->out, o->overwrite))
        return false;
    if (!vgg_cli_ends_in(o->out, ".npy"))
        return true;
    char *names = NULL;
    if (asprintf(&names, "%.*s.txt", (int)(length - ending), o->out) < 0) {
        vgg_cli_complain("features", "out of memory for the name of a file");
        return false;
    }
    bool may = vgg_cli_may_write("features", names, o->overwrite);
    free(names);
    return may;
}

int vgg_cli_features(int argc, char **argv) {
    features_options o = {.pool = pools[0],
                          .protocol = vgg_cli_protocols[0],
                          .source.without_classifier = true,
                          .threads = vgg_cli_default_threads()};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    const char *missing = o.layer == NULL ? "--layer LAYER" : o.out == NULL ? "-o OUT" : NULL;
    if (missing != NULL) {
        vgg_cli_complain("features", "%s is missing", missing);
        return VGG_CLI_USAGE;
    }
    if (!has_known_ending(&o))
        return VGG_CLI_USAGE;
    status = vgg_cli_computing_settle("features", &o.computing, o.exact, false);
    if (status != VGG_CLI_OK)
        return status;
    if (!may_write_all(&o))
        return VGG_CLI_FAILURE;
    bool unnamed;
    if (!vgg_cli_unnamed_model_take("features", &o.source, argv[1], &unnamed))
        return VGG_CLI_USAGE;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("features", &o.source, &model);
    if (status == VGG_CLI_OK && unnamed)
        vgg_cli_unnamed_model_note("features", model);
    if (status == VGG_CLI_OK)
        status = run(&o, model, argv + 1, operands);
    vgg_model_free(model);
    return status;
}
