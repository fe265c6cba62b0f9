#include "cli/shared_options.h"

#include "cli/environment.h"
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

const char *const vgg_cli_precisions[] = {"f32", "bf16", NULL};

vgg_cli_option vgg_cli_precision_option(const char **value) {
    return (vgg_cli_option){
        .type = VGG_CLI_CHOICE,
        .name = "precision",
        .argument = "NUMBERS",
        .value = value,
        .choices = vgg_cli_precisions,
        .help = "f32; or bf16: the operands of most products are rounded to bfloat16 and summed in "
                "float32, which is faster where the processor has AVX-512 BF16; not with --exact"};
}

bool vgg_cli_precision_check(const char *command, const char *name, bool exact) {
    vgg_precision precision = vgg_precision_named(name);
    if (exact && precision != VGG_PRECISION_F32) {
        vgg_cli_complain(command, "--precision %s: expected f32 with --exact", name);
        return false;
    }
    if (!vgg_precision_is_native(precision))
        vgg_cli_complain(command, "note: no instructions for %s here; --precision f32 is faster",
                         name);
    return true;
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
                                "are averaged with its own, in twice the time"};
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
