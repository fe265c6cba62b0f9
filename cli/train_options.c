/* The options of `vgg train`. */
#include <string.h>

#include "cli/environment.h"
#include "cli/habits.h"
#include "cli/shared_options.h"
#include "cli/train.h"

#define NETWORK_OPTIONS 7
#define RUNNING_OPTIONS 7

static const char *const schemes[] = {"kaiming", "glorot", "paper", NULL};
static const char *const schedules[] = {
    [VGG_SCHEDULE_CONSTANT] = "constant", [VGG_SCHEDULE_STEP] = "step", NULL};

void vgg_cli_learning_options(vgg_cli_train_options *o,
                              vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS]) {
    const vgg_cli_option table[VGG_CLI_LEARNING_OPTIONS] = {
        {.type = VGG_CLI_SIZE,
         .name = "epochs",
         .argument = "N",
         .value = &o->epochs,
         .given = &o->given.epochs,
         .minimum = 1,
         .maximum = 1e6,
         .help = "passes over the training pictures"},
        {.type = VGG_CLI_SIZE,
         .name = "batch",
         .argument = "N",
         .value = &o->batch,
         .given = &o->given.batch,
         .minimum = 1,
         .maximum = 65536,
         .help = "pictures per step"},
        {.type = VGG_CLI_SIZE,
         .name = "freeze",
         .argument = "N",
         .value = &o->freeze,
         .given = &o->given.freeze,
         .minimum = 0,
         .maximum = 1000,
         .help = "do not train the first N blocks of convolutions, up to the Nth max-pool; takes "
                 "less time and memory"},
        {.type = VGG_CLI_SIZE,
         .name = "micro-batch",
         .argument = "N",
         .value = &o->micro_batch,
         .given = &o->given.micro_batch,
         .minimum = 0,
         .maximum = 65536,
         .help = "compute so many pictures of a step at a time, to save memory; 0: all at once. "
                 "Batch normalisation sees each part by itself; otherwise the result is the same "
                 "but for rounding"},
        {.type = VGG_CLI_NUMBER,
         .name = "lr",
         .argument = "X",
         .value = &o->rate,
         .given = &o->given.rate,
         .minimum = 0,
         .above = true,
         .maximum = 1000,
         .help = "learning rate"},
        {.type = VGG_CLI_NUMBER,
         .name = "momentum",
         .argument = "X",
         .value = &o->momentum,
         .given = &o->given.momentum,
         .minimum = 0,
         .maximum = 1,
         .below = true,
         .help = "momentum of SGD"},
        {.type = VGG_CLI_NUMBER,
         .name = "weight-decay",
         .argument = "X",
         .value = &o->weight_decay,
         .given = &o->given.weight_decay,
         .minimum = 0,
         .maximum = 1,
         .help = "how strongly weights are pulled towards 0"},
        {.type = VGG_CLI_CHOICE,
         .name = "schedule",
         .argument = "NAME",
         .value = &o->schedule,
         .given = &o->given.schedule,
         .choices = schedules,
         .help = "constant, or step: the learning rate is multiplied by --gamma after every "
                 "--step-epochs epochs"},
        {.type = VGG_CLI_SIZE,
         .name = "step-epochs",
         .argument = "N",
         .value = &o->step_epochs,
         .given = &o->given.step_epochs,
         .minimum = 1,
         .maximum = 1e6,
         .help = "epochs after which the step schedule lowers the learning rate",
         .fallback = "a third of the epochs, rounded up"},
        {.type = VGG_CLI_NUMBER,
         .name = "gamma",
         .argument = "X",
         .value = &o->gamma,
         .given = &o->given.gamma,
         .minimum = 0,
         .above = true,
         .maximum = 1,
         .help = "what the step schedule multiplies the learning rate by"},
        {.type = VGG_CLI_CHOICE,
         .name = "init",
         .argument = "SCHEME",
         .value = &o->init,
         .given = &o->given.init,
         .choices = schemes,
         .help = "initial weights: kaiming, glorot or paper"},
        {.type = VGG_CLI_SEED,
         .name = "seed",
         .argument = "K",
         .value = &o->seed,
         .given = &o->given.seed,
         .help = "decides initial weights, order, random views, dropout and split; the same number "
                 "gives the same model, with any number of threads"},
        {.type = VGG_CLI_SWITCH,
         .name = "augment",
         .value = &o->augment,
         .given = &o->given.augment,
         .help = "train on random views of the pictures; --no-augment: on their centres"},
        {.type = VGG_CLI_SWITCH,
         .name = "crop",
         .value = &o->crop,
         .given = &o->given.crop,
         .help = "random views are cut out at random places"},
        {.type = VGG_CLI_SWITCH,
         .name = "flip",
         .value = &o->flip,
         .given = &o->given.flip,
         .help = "random views are mirrored half of the time",
         .except = "off for MNIST's format, where a mirrored digit is no digit"},
        {.type = VGG_CLI_SWITCH,
         .name = "shuffle",
         .value = &o->shuffle,
         .given = &o->given.shuffle,
         .help = "show the pictures in a new order in each epoch"},
        {.type = VGG_CLI_NUMBER,
         .name = "validation-split",
         .argument = "X",
         .value = &o->validation_split,
         .given = &o->given.validation_split,
         .minimum = 0,
         .maximum = 1,
         .below = true,
         .help =
             "share of each class to set aside for validation, for data without a validation part; "
             "0: none, and the last epoch is the best"},
    };
    memcpy(options, table, sizeof table);
}

static void network_options(vgg_cli_train_options *o, vgg_cli_option options[NETWORK_OPTIONS]) {
    const vgg_cli_option table[NETWORK_OPTIONS] = {
        {.type = VGG_CLI_TEXT,
         .name = "arch",
         .argument = "ARCH",
         .value = &o->arch,
         .help = "A, A-LRN, B, C, D, E (vgg16, vgg16_bn and the like too), or a list such as "
                 "32,32,M,64,64,M/256, which vgg summary "
                 "--help explains",
         .fallback =
             "a small network with batch normalisation that suits the input; it is printed"},
        {.type = VGG_CLI_SWITCH,
         .name = "batch-norm",
         .value = &o->batch_norm,
         .given = &o->given.batch_norm,
         .help = "batch normalisation after every convolution",
         .except = "on without --arch"},
        {.type = VGG_CLI_CHOICE,
         .name = "layout",
         .argument = "LAYOUT",
         .value = &o->layout,
         .given = &o->given.layout,
         .choices = vgg_cli_layouts,
         .help = "paper, torchvision, global or global-max; vgg summary --help explains them"},
        {.type = VGG_CLI_CHOICE,
         .name = "padding",
         .argument = "PADDING",
         .value = &o->padding,
         .given = &o->given.padding,
         .choices = vgg_cli_paddings,
         .help = "same or valid; vgg summary --help explains them"},
        {.type = VGG_CLI_NUMBER,
         .name = "dropout",
         .argument = "P",
         .value = &o->dropout,
         .given = &o->given.dropout,
         .minimum = 0,
         .maximum = 1,
         .below = true,
         .help = "probability of dropping a feature of a hidden linear layer",
         .except = "less without --arch, and printed"},
        {.type = VGG_CLI_INPUT,
         .name = "input",
         .argument = "SIZE",
         .value = &o->input,
         .help = "size of the network's input: CxHxW, HxW or N",
         .fallback = "the pictures' size when all have the same of at most 64, else 128; channels "
                     "as in the data"},
        {.type = VGG_CLI_CHOICE,
         .name = "preprocess",
         .argument = "PRESET",
         .value = &o->preprocess,
         .choices = vgg_cli_presets,
         .help = "how pictures become inputs: torchvision, caffe, paper, unit, signed, cifar10, "
                 "cifar100, mnist or clip, whose figures the options below change",
         .fallback = "torchvision; unit for grey pictures"},
    };
    memcpy(options, table, sizeof table);
}

static void running_options(vgg_cli_train_options *o, vgg_cli_option options[RUNNING_OPTIONS]) {
    const vgg_cli_option table[RUNNING_OPTIONS] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "output",
         .argument = "RUN",
         .value = &o->folder,
         .help = "the folder for best.safetensors, last.safetensors, state.safetensors and "
                 "log.jsonl",
         .fallback = "vgg-run, or the first of vgg-run-2, vgg-run-3, ... that is free"},
        {.type = VGG_CLI_FLAG,
         .name = "resume",
         .value = &o->resume,
         .help = "continue the stopped run in RUN; options that are not given are taken from it"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace the run that is in RUN"},
        vgg_cli_threads_option(&o->threads),
        vgg_cli_workers_option(&o->workers),
        vgg_cli_strict_option(&o->strict),
        {.type = VGG_CLI_FLAG,
         .name = "quiet",
         .value = &o->quiet,
         .help = "print nothing but errors"},
    };
    memcpy(options, table, sizeof table);
}

void vgg_cli_train_defaults(vgg_cli_train_options *o) {
    vgg_network_options network;
    vgg_train_options training;
    vgg_network_options_init(&network, sizeof network);
    vgg_train_options_init(&training, sizeof training);
    *o = (vgg_cli_train_options){
        .layout = vgg_layout_name(network.layout),
        .padding = vgg_padding_name(network.padding),
        .batch_norm = network.batch_norm,
        .dropout = network.dropout,
        .init = schemes[0],
        .schedule = schedules[training.schedule],
        .augment = true,
        .crop = true,
        .flip = true,
        .shuffle = training.shuffle,
        .rate = training.rate,
        .momentum = training.momentum,
        .weight_decay = training.weight_decay,
        .gamma = training.gamma,
        .validation_split = 0.1,
        .epochs = training.epochs,
        .batch = training.batch,
        .micro_batch = training.micro_batch,
        .freeze = training.freeze,
        .seed = training.seed,
        .threads = vgg_cli_default_threads(),
    };
}

bool vgg_cli_train_parse(vgg_cli_train_options *o, int argc, char **argv, int *status) {
    vgg_cli_option network[NETWORK_OPTIONS], learning[VGG_CLI_LEARNING_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS], running[RUNNING_OPTIONS];
    vgg_cli_preprocess_options(&o->pictures, pictures);
    network_options(o, network);
    vgg_cli_learning_options(o, learning);
    running_options(o, running);
    const vgg_cli_group groups[] = {
        {"NETWORK", network, NETWORK_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"LEARNING", learning, VGG_CLI_LEARNING_OPTIONS},
        {"RUNNING", running, RUNNING_OPTIONS},
    };
    const vgg_cli_usage usage = {
        .command = "train",
        .summary = "train a network on labelled pictures",
        .synopsis = "vgg train DATA [-o RUN] [options]",
        .description =
            "Trains a VGG network on DATA: a folder with a folder of pictures per class, or with "
            "such folders in parts called train, val and test or the like; a folder with "
            "labels.csv, or a .csv of image,label; a tar or zip of one; the IDX files of MNIST; or "
            "the binary files of CIFAR-10 or CIFAR-100. The classes are those of the data. What is "
            "left out is said first. A test part is never used; data without a validation part "
            "sets --validation-split of each class aside.\n"
            "After each epoch the model is measured on the validation pictures and written to "
            "RUN/last.safetensors, and to RUN/best.safetensors when it is the best so far, or "
            "nothing validates. Ctrl-C saves last.safetensors and ends the training; --resume "
            "continues it.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    trained, but pictures could not be read and were left out\n"
                    "130  stopped by Ctrl-C or SIGTERM; RUN/last.safetensors is saved",
        .examples = "vgg train pictograms\n"
                    "vgg train mnist --arch \"32,32,M,64,64,M/256\" --epochs 5 -o digits\n"
                    "vgg train photos --input 96 --batch-norm --epochs 30 --schedule step \\\n"
                    "    --arch \"24,M,48,M,96,96,M,192,192,M,192,192,M/256\"\n"
                    "vgg train photos -o vgg-run --resume",
        .operand = "DATA",
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operands;
    if (!vgg_cli_parse(&usage, argc, argv, &operands, status))
        return false;
    o->data = argv[1];
    bool batch_norm = o->batch_norm;
    o->arch = vgg_cli_arch_name(o->arch, &o->batch_norm);
    o->given.batch_norm = o->given.batch_norm || o->batch_norm != batch_norm;
    return true;
}
