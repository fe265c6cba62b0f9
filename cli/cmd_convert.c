/* vgg convert: a model file in another format, or with its weights in 16 or 8 bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/convert_int8.h"
#include "cli/message.h"
#include "cli/model_facts.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/wrap.h"
#include "vgg/vgg.h"

typedef struct convert_options {
    vgg_cli_model_source source;
    const char *dtype, *format, *names_from, *calibrate;
    double max_drop;
    bool max_drop_given;
    bool convolutions, softmax, overwrite;
} convert_options;

static const char *const dtypes[] = {"f32", "f16", "bf16", "int8-linear", "int8", NULL};
static const char *const formats[] = {"safetensors", "pth", "onnx", NULL};
/* How the library writes them. */
static const char *const stored_dtypes[] = {"F32", "F16", "BF16", "I8", "I8"};

static bool parse(convert_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_CHOICE,
         .name = "dtype",
         .argument = "TYPE",
         .value = &o->dtype,
         .choices = dtypes,
         .help =
             "store the weights of linear layers, nine tenths of a VGG, as f16 (half the size; "
             "logits move by less than a thousandth of the largest), bf16 (half the size, "
             "eight times as coarse) or int8-linear (a quarter; logits move by a hundredth or two; "
             "safetensors only), or all weights as f32; arithmetic stays float32. int8 is "
             "int8-linear and convolutions that are computed in int8, for which --calibrate "
             "has pictures, by what is the fastest on the processor at hand",
         .fallback = "as in IN"},
        {.type = VGG_CLI_TEXT,
         .name = "calibrate",
         .argument = "PICTURES",
         .value = &o->calibrate,
         .help =
             "with --dtype int8: a folder of pictures like those that the model will see, "
             "without labels, by which numbers are scaled; up to 128 are used, spread over all, "
             "and 32 are enough"},
        {.type = VGG_CLI_NUMBER,
         .name = "max-drop",
         .argument = "SHARE",
         .value = &o->max_drop,
         .given = &o->max_drop_given,
         .minimum = 0,
         .maximum = 1,
         .help = "with --dtype int8: the largest share of pictures that may get another first "
                 "class; layers with the largest errors take smaller tiles, or stay in float32, "
                 "until so many are expected"},
        {.type = VGG_CLI_FLAG,
         .name = "convolutions",
         .value = &o->convolutions,
         .help = "with --dtype f16 or bf16, store the weights of convolutions so too: a smaller "
                 "file, for networks that have most of their weights there"},
        {.type = VGG_CLI_CHOICE,
         .name = "format",
         .argument = "FORMAT",
         .value = &o->format,
         .choices = formats,
         .help = "the format of OUT",
         .fallback = "as OUT's name ends; safetensors for one without an ending"},
        {.type = VGG_CLI_TEXT,
         .name = "names-from",
         .argument = "THEIRS",
         .value = &o->names_from,
         .help = "write the tensors under the names that the PyTorch file THEIRS has for them, in "
                 "its order and shapes, so that load_state_dict(strict=True) of its class takes "
                 "OUT",
         .fallback = "torchvision's names"},
        {.type = VGG_CLI_FLAG,
         .name = "softmax",
         .value = &o->softmax,
         .help = "end the graph with a softmax, or the sigmoid of a model for several labels, in "
                 "formats that have a graph"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT when it is there already"},
    };
    const vgg_cli_group groups[] = {
        {"OUTPUT", output, sizeof output / sizeof output[0]},
        /* The first is --model, which is IN here. */
        {"INPUT", model + 1, VGG_CLI_MODEL_OPTIONS - 1},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
    };
    const vgg_cli_usage usage = {
        .command = "convert",
        .summary = "write a model file in another format or with smaller weights",
        .synopsis = "vgg convert IN OUT [options]",
        .description =
            "Reads the model IN, a file or builtin, and writes it to OUT, with its preprocessing "
            "and the "
            "names of its classes, which can be given here for a file that lacks "
            "them.\n"
            "IN, like the model of any command, may be safetensors, PyTorch (.pth), "
            "ONNX, Keras (.h5, .keras), Caffe (.caffemodel), Darknet (.weights) or NumPy "
            "(.npz, .npy); its "
            "first bytes say which. OUT is safetensors, pth or onnx.\n"
            "With --dtype f16 the file is half as large, and large linear layers, "
            "which are as slow as memory is, take half the time; with --dtype int8-linear, "
            "size and time are less than a third. With --dtype int8 and pictures, convolutions "
            "take about a third of the time, too, where the processor has AVX-512 VNNI.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples = "vgg convert run/best.safetensors small.safetensors --dtype f16\n"
                    "vgg convert vgg16.safetensors vgg16-f16.safetensors --dtype f16 \\\n"
                    "    --preprocess torchvision --labels imagenet\n"
                    "vgg convert run/best.safetensors int8.safetensors --dtype int8 \\\n"
                    "    --calibrate photos\n"
                    "vgg convert VGG_ILSVRC_16_layers.caffemodel vgg16.onnx\n"
                    "vgg convert run/best.safetensors back.pth --names-from theirs.pth",
        .operand = "IN or OUT",
        .operands_least = 2,
        .operands_most = 2,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* Without --format the ending of OUT says the format. Of formats that are only read the library
 * says that they are. */
static bool has_known_ending(const convert_options *o, const char *out) {
    static const char *const read_only[] = {".h5",      ".hdf5", ".keras", ".caffemodel",
                                            ".weights", ".npz",  ".npy"};
    for (size_t i = 0; i < sizeof read_only / sizeof read_only[0]; i++) {
        if (vgg_cli_ends_in(out, read_only[i]))
            return true;
    }
    return o->format != NULL || vgg_cli_model_ending_check("convert", out, ", or --format");
}

static const char *stored_dtype(const char *dtype) {
    for (size_t i = 0; dtypes[i] != NULL; i++) {
        if (dtype != NULL && strcmp(dtype, dtypes[i]) == 0)
            return stored_dtypes[i];
    }
    return NULL;
}

static bool writes_safetensors(const convert_options *o, const char *out) {
    if (o->format != NULL)
        return strcmp(o->format, "safetensors") == 0;
    return !vgg_cli_ends_in(out, ".pth") && !vgg_cli_ends_in(out, ".pt") &&
           !vgg_cli_ends_in(out, ".onnx");
}

/* Whether the options go together. */
static bool check_options(const convert_options *o, const char *out) {
    bool narrow =
        o->dtype != NULL && (strcmp(o->dtype, "f16") == 0 || strcmp(o->dtype, "bf16") == 0);
    bool int8 = o->dtype != NULL && strcmp(o->dtype, "int8") == 0;
    if (int8 && o->calibrate == NULL) {
        vgg_cli_complain("convert",
                         "--dtype int8: needs pictures, --calibrate FOLDER; int8-linear, "
                         "the weights of linear layers alone, needs none");
        return false;
    }
    if (!int8 && (o->calibrate != NULL || o->max_drop_given)) {
        vgg_cli_complain("convert", "--%s: is for --dtype int8",
                         o->calibrate != NULL ? "calibrate" : "max-drop");
        return false;
    }
    if (int8 && (o->names_from != NULL || !writes_safetensors(o, out))) {
        vgg_cli_complain("convert", "--dtype int8: is for safetensors, with its own names%s",
                         o->names_from != NULL ? ", not for --names-from" : "");
        return false;
    }
    if (o->convolutions && !narrow)
        vgg_cli_complain("convert", "--convolutions: is for --dtype f16 and bf16");
    return narrow || !o->convolutions;
}

/* Stores the weights of convolutions as those of linear layers. */
static vgg_status narrow_convolutions(vgg_network *network, const char *dtype, vgg_error *error) {
    vgg_tensor_info info = {.struct_size = sizeof info};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && vgg_network_tensor(network, i, &info, NULL) == VGG_OK;
         i++) {
        if (info.dimensions == 4)
            status = vgg_network_set_tensor_dtype(network, i, dtype, error);
    }
    return status;
}

static vgg_status write_model(const convert_options *o, vgg_model *model, const char *out,
                              vgg_error *error) {
    vgg_status status = VGG_OK;
    const char *dtype = stored_dtype(o->dtype);
    vgg_cli_file_progress rounding = vgg_cli_file_progress_begin("rounding");
    /* int8-linear is linear layers alone. */
    if (o->dtype != NULL && strcmp(o->dtype, "int8-linear") == 0 &&
        vgg_cli_has_int8(vgg_model_network(model)))
        status = vgg_network_set_dtype(vgg_model_mutable_network(model), "F32", error);
    if (status == VGG_OK && dtype != NULL)
        status = vgg_network_set_dtype_told(vgg_model_mutable_network(model), dtype,
                                            vgg_cli_file_progress_tell, &rounding, error);
    vgg_cli_file_progress_end(&rounding);
    if (status == VGG_OK && o->convolutions)
        status = narrow_convolutions(vgg_model_mutable_network(model), dtype, error);
    vgg_save_options options;
    vgg_save_options_init(&options, sizeof options);
    options.format = o->format;
    options.softmax = o->softmax;
    options.names_from = o->names_from;
    vgg_cli_file_progress progress = vgg_cli_file_progress_begin("writing");
    options.progress = vgg_cli_file_progress_tell;
    options.progress_user = &progress;
    if (status == VGG_OK)
        status = vgg_model_save_as(model, out, &options, error);
    vgg_cli_file_progress_end(&progress);
    return status;
}

/* Of the last weights of so many dimensions, or else the first tensor. The first convolution stays
 * in float32 where others are int8. */
static const char *dtype_of(const vgg_network *network, size_t dimensions) {
    vgg_tensor_info info = {.struct_size = sizeof info};
    size_t last = 0;
    for (size_t i = 0; vgg_network_tensor(network, i, &info, NULL) == VGG_OK; i++) {
        last = info.dimensions == dimensions ? i : last;
    }
    return vgg_network_dtype(network, last);
}

static void report(const vgg_model *model, const char *in, const char *out) {
    const vgg_network *network = vgg_model_network(model);
    char parameters[VGG_CLI_TEXT_SIZE], bytes[VGG_CLI_TEXT_SIZE];
    struct stat info;
    size_t size = stat(out, &info) == 0 ? (size_t)info.st_size : 0;
    vgg_cli_print_line("%s (%s) -> %s (%s)", in, vgg_model_format(model), out,
                       vgg_cli_bytes_text(bytes, size));
    vgg_cli_print_network(vgg_network_describe(network));
    if (vgg_model_assumed(model) != NULL) {
        printf("%10s", "");
        vgg_cli_print_wrapped(vgg_model_assumed(model), 10, 10);
    }
    const char *convolutions = dtype_of(network, 4), *linear = dtype_of(network, 2);
    vgg_cli_print_line("weights   %s values, %s%s%s",
                       vgg_cli_count_text(parameters, vgg_network_parameters(network)),
                       convolutions, strcmp(convolutions, linear) == 0 ? "" : ", linear layers ",
                       strcmp(convolutions, linear) == 0 ? "" : linear);
    vgg_cli_print_int8(network);
    vgg_cli_print_pictures(vgg_model_preprocess(model), vgg_model_preprocess_origin(model),
                           vgg_model_format(model));
    printf("classes   %s\n",
           vgg_model_class_names(model) == NULL ? "no names: --labels gives them" : "named");
    const char *remark;
    for (size_t i = 0; (remark = vgg_model_remark(model, i)) != NULL; i++) {
        vgg_cli_print_line("%-10s%s", i == 0 ? "remarks" : "", remark);
    }
    if (vgg_model_softmax(model))
        vgg_cli_print_line("softmax   ends the graph of IN; the network ends before it, in logits");
}

int vgg_cli_convert(int argc, char **argv) {
    convert_options o = {.max_drop = 0.01};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    const char *in = argv[1], *out = argv[2];
    o.source.path = in;
    if (!check_options(&o, out) || !has_known_ending(&o, out))
        return VGG_CLI_USAGE;
    if (!vgg_cli_may_write("convert", out, o.overwrite))
        return VGG_CLI_FAILURE;
    vgg_cli_file_progress progress = vgg_cli_file_progress_begin("reading");
    o.source.progress = &progress;
    vgg_model *model;
    status = vgg_cli_model_load("convert", &o.source, &model);
    if (status != VGG_CLI_OK)
        return status;
    vgg_error error;
    if (o.calibrate != NULL && !vgg_cli_convert_int8(model, o.calibrate, o.max_drop)) {
        status = VGG_CLI_FAILURE;
    } else {
        vgg_status written = write_model(&o, model, out, &error);
        if (written == VGG_OK)
            report(model, in, out);
        else
            status = vgg_cli_fail("convert", written, &error);
    }
    vgg_model_free(model);
    return status;
}
