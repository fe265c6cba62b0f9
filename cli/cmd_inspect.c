/* vgg inspect: what is in a weight file, and what is wrong with it. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/shared_options.h"
#include "cli/signals.h"
#include "vgg/vgg.h"

typedef struct inspect_options {
    vgg_cli_model_source source;
    const char *format;
} inspect_options;

static const char description[] =
    "Reads every value of the weight file FILE, or of builtin, the model that is part of vgg, and "
    "prints what the file is, its tensors, the "
    "network that they form, how pictures become its inputs, and whatever is wrong: NaN and "
    "infinite values, dead layers and outputs, tensors that are missing, not used or of another "
    "shape, and weights of implausible scale. A file that holds no VGG network is listed too.\n"
    "--format json prints the same as an object: file, format, bytes, values, network (an object "
    "or null), network_origin, network_reason, known (a list of fact, value, origin), graph, "
    "softmax (null when the graph was "
    "refused), preprocess (an object or null), preprocess_origin, classes (a list or null), "
    "classes_origin, remarks, metadata, tensors (a list of stored_name, name, dtype, shape, "
    "values, min, "
    "max, mean, rms, zeros, nans, infinities, first_not_finite), problems (a list of kind, "
    "tensor, count, message) and int8 (a list of layer, tile, error, cost: what is computed in "
    "int8, in tiles of 4x4 or 2x2 or, where tile is 1, directly, by what share that alone moves "
    "the "
    "logits, and its time as a share of that in float32). "
    "An origin is unknown, told, file, graph, shapes, convention, size, "
    "beside or assumed. "
    "A kind is network, metadata, missing, unused, shape, type, "
    "not-finite, dead or scale.";

static bool parse(inspect_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    const vgg_cli_option output[] = {
        vgg_cli_format_option(&o->format, "text, or json with all figures"),
    };
    const vgg_cli_group groups[] = {
        {"OUTPUT", output, sizeof output / sizeof output[0]},
        /* The first is --model, which is FILE here. */
        {"INPUT", model + 1, VGG_CLI_MODEL_OPTIONS - 1},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
    };
    const vgg_cli_usage usage = {
        .command = "inspect",
        .summary = "say what is in a weight file and what is wrong with it",
        .synopsis = "vgg inspect FILE [options]",
        .description = description,
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "4    the file could be read, but problems were found",
        .examples = "vgg inspect vgg16.pth\n"
                    "vgg inspect run/best.safetensors --format json\n"
                    "vgg inspect odd.pth --arch 64,L,M,128,M/256 --input 64",
        .operand = "FILE",
        .operands_least = 1,
        .operands_most = 1,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

static vgg_status inspect_file(const char *path, const vgg_model_options *told,
                               vgg_inspection **inspection, vgg_error *error) {
    const void *bytes;
    size_t size;
    if (!vgg_cli_is_builtin(path))
        return vgg_inspect_file(path, told, inspection, error);
    vgg_status status = vgg_builtin_model(&bytes, &size, error);
    return status == VGG_OK
               ? vgg_inspect_memory(bytes, size, VGG_CLI_BUILTIN, told, inspection, error)
               : status;
}

static int print(const inspect_options *o, const vgg_inspection *inspection) {
    if (strcmp(o->format, "json") != 0) {
        vgg_cli_inspect_text(o->source.path, inspection);
    } else if (!vgg_cli_inspect_json(o->source.path, inspection)) {
        vgg_cli_complain("inspect", "out of memory while writing JSON");
        return VGG_CLI_FAILURE;
    }
    return vgg_inspection_problem_count(inspection) > 0 ? VGG_CLI_PROBLEMS : VGG_CLI_OK;
}

int vgg_cli_inspect(int argc, char **argv) {
    inspect_options o = {.format = vgg_cli_formats[0]};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    o.source.path = vgg_cli_model_file(argv[1]);
    vgg_cli_file_progress progress = vgg_cli_file_progress_begin("inspecting");
    o.source.progress = &progress;
    vgg_preprocess_changes changes;
    vgg_model_options told = vgg_cli_model_told(&o.source, &changes);
    vgg_inspection *inspection;
    vgg_error error;
    vgg_cli_signals_model(o.source.path);
    vgg_status read = inspect_file(o.source.path, &told, &inspection, &error);
    vgg_cli_file_progress_end(&progress);
    if (read != VGG_OK) {
        vgg_cli_complain("inspect", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    status = print(&o, inspection);
    vgg_inspection_free(inspection);
    return status;
}
