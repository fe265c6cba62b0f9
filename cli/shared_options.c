#include "cli/shared_options.h"

#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "vgg/threads.h"

const char *const vgg_cli_presets[] = {"torchvision", "caffe",    "paper", "unit", "signed",
                                       "cifar10",     "cifar100", "mnist", "clip", NULL};
const char *const vgg_cli_layouts[] = {"paper", "torchvision", "global", "global-max", NULL};
const char *const vgg_cli_paddings[] = {"same", "valid", NULL};
const char *const vgg_cli_formats[] = {"text", "json", NULL};

static vgg_cli_option thread_count(const char *name, size_t *value, const char *help,
                                   const char *fallback) {
    return (vgg_cli_option){.type = VGG_CLI_SIZE,
                            .name = name,
                            .argument = "N",
                            .value = value,
                            .minimum = 1,
                            .maximum = VGG_THREADS_MAX,
                            .help = help,
                            .fallback = fallback};
}

vgg_cli_option vgg_cli_state_dict_option(const char **value) {
    return (vgg_cli_option){.type = VGG_CLI_TEXT,
                            .name = "state-dict",
                            .argument = "KEY",
                            .value = value,
                            .help = "which state dict of a PyTorch checkpoint with several: its "
                                    "key, or keys with points between them",
                            .fallback = "the only one, or the one under a usual key"};
}

vgg_cli_option vgg_cli_batch_option(size_t *value) {
    return (vgg_cli_option){.type = VGG_CLI_SIZE,
                            .name = "batch",
                            .argument = "N",
                            .value = value,
                            .minimum = 1,
                            .maximum = 65536,
                            .help = "pictures that are computed at once",
                            .fallback = "32, or fewer where memory is short"};
}

vgg_cli_option vgg_cli_threads_option(size_t *value) {
    return thread_count("threads", value, "threads that compute",
                        "OMP_NUM_THREADS, or one per processor");
}

vgg_cli_option vgg_cli_workers_option(size_t *value) {
    return thread_count("workers", value, "threads that only read pictures",
                        "none: those that compute read, too");
}

vgg_cli_option vgg_cli_exact_option(bool *value) {
    return (vgg_cli_option){.type = VGG_CLI_FLAG,
                            .name = "exact",
                            .value = value,
                            .help = "convolve directly, without Winograd's transforms: slower, and "
                                    "less than half of the rounding error"};
}

static const char *const devices[] = {"cpu", "cuda", "auto", NULL};

vgg_cli_option vgg_cli_device_option(const char **value) {
    return (vgg_cli_option){
        .type = VGG_CLI_CHOICE,
        .name = "device",
        .argument = "DEVICE",
        .value = value,
        .choices = devices,
        .help = "cpu: the processor; cuda: an NVIDIA GPU; or auto: that where there is one",
        .fallback = devices[0]};
}

static const char *const precisions[] = {"f32", "bf16", "tf32", "f16", NULL};

vgg_cli_option vgg_cli_precision_option(const char **value) {
    return (vgg_cli_option){
        .type = VGG_CLI_CHOICE,
        .name = "precision",
        .argument = "NUMBERS",
        .value = value,
        .choices = precisions,
        .help =
            "f32; bf16: the operands of most products are rounded to bfloat16 and summed in "
            "float32, which is faster where the processor has AMX, or AMD's AVX-512 BF16; or, on "
            "a GPU only, tf32 or f16. Only f32 with --exact",
        .fallback = "f32, and bf16 on a GPU"};
}

/* What --device auto takes, and what it chose where nothing was asked for. */
static void say_device(const char *command, const vgg_cli_computing *computing,
                       const vgg_device_info *device, bool chosen) {
    bool automatic = strcmp(computing->device, vgg_device_name(VGG_DEVICE_AUTO)) == 0;
    if (device->kind == VGG_DEVICE_CUDA && (automatic || chosen))
        vgg_cli_complain(command, "note: on %s, in %s", device->name, computing->precision);
    else if (device->kind == VGG_DEVICE_CPU && automatic)
        vgg_cli_complain(command, "note: on the processor: %s", device->missing);
}

/* False, which is complained about, for numbers that the device does not compute in. */
static bool check_precision(const char *command, const char *name, vgg_device_kind device,
                            bool exact) {
    vgg_precision precision = vgg_precision_named(name);
    bool processor = precision == VGG_PRECISION_F32 || precision == VGG_PRECISION_BF16;
    const char *wrong = NULL;
    if (device == VGG_DEVICE_CPU && !processor)
        wrong = "is for a GPU, expected f32 or bf16 on the processor";
    else if (exact && precision != VGG_PRECISION_F32)
        wrong = "expected f32 with --exact";
    if (wrong != NULL)
        vgg_cli_complain(command, "--precision %s: %s", name, wrong);
    return wrong == NULL;
}

int vgg_cli_computing_settle(const char *command, vgg_cli_computing *computing, bool exact,
                             bool quiet) {
    vgg_device_info device = {.struct_size = sizeof device};
    vgg_error error;
    bool chosen = computing->precision == NULL;
    if (computing->device == NULL)
        computing->device = devices[0];
    /* Whether it goes together does not depend on what there is. */
    bool cuda = strcmp(computing->device, vgg_device_name(VGG_DEVICE_CUDA)) == 0;
    if (cuda && exact) {
        vgg_cli_complain(command, "--exact: is for the processor, not for --device cuda");
        return VGG_CLI_USAGE;
    }
    /* auto takes what can be exact. */
    if (exact)
        computing->device = devices[0];
    if (vgg_device_find(vgg_device_named(computing->device), &device, &error) != VGG_OK) {
        vgg_cli_complain(command, "--device %s: %s", computing->device, error.message);
        return VGG_CLI_FAILURE;
    }
    if (chosen)
        computing->precision = vgg_precision_name(device.precision);
    if (!check_precision(command, computing->precision, device.kind, exact))
        return VGG_CLI_USAGE;
    if (!quiet)
        say_device(command, computing, &device, chosen);
    if (!quiet && device.kind == VGG_DEVICE_CPU &&
        !vgg_precision_is_native(vgg_precision_named(computing->precision)))
        vgg_cli_complain(command, "note: %s takes longer than f32 on this processor",
                         computing->precision);
    computing->device = vgg_device_name(device.kind);
    memcpy(computing->name, device.name, sizeof computing->name);
    return VGG_CLI_OK;
}

const char *const vgg_cli_protocols[] = {"center", "flip", NULL};

vgg_cli_option vgg_cli_protocol_option(const char **value) {
    return (vgg_cli_option){.type = VGG_CLI_CHOICE,
                            .name = "protocol",
                            .argument = "VIEWS",
                            .value = value,
                            .choices = vgg_cli_protocols,
                            .help =
                                "center; or flip: the mirrored picture too, whose probabilities "
                                "or features are averaged with its own, in twice the time"};
}

vgg_cli_option vgg_cli_strict_option(bool *value) {
    return (vgg_cli_option){.type = VGG_CLI_FLAG,
                            .name = "strict",
                            .value = value,
                            .help = "stop at a picture that cannot be read"};
}

vgg_cli_option vgg_cli_format_option(const char **value, const char *help) {
    return (vgg_cli_option){.type = VGG_CLI_CHOICE,
                            .name = "format",
                            .argument = "FORMAT",
                            .value = value,
                            .choices = vgg_cli_formats,
                            .help = help};
}
