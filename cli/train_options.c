/* The options of `vgg train`. */
#include <string.h>

#include "cli/environment.h"
#include "cli/habits.h"
#include "cli/shared_options.h"
#include "cli/train.h"

#define START_OPTIONS 3
#define RUNNING_OPTIONS 15

static const char *const schemes[] = {"kaiming", "glorot", "paper", "dirac", "whiten", NULL};
static const char *const schedules[] = {[VGG_SCHEDULE_CONSTANT] = "constant",
                                        [VGG_SCHEDULE_STEP] = "step",
                                        [VGG_SCHEDULE_PLATEAU] = "plateau",
                                        [VGG_SCHEDULE_COSINE] = "cosine",
                                        [VGG_SCHEDULE_ONE_CYCLE] = "one-cycle",
                                        [VGG_SCHEDULE_TRIANGLE] = "triangle",
                                        NULL};
static const char *const mirrors[] = {"random", "alternate", "none", NULL};

static void base_options(vgg_cli_train_options *o, vgg_cli_option options[VGG_CLI_BASE_OPTIONS]) {
    const vgg_cli_option table[VGG_CLI_BASE_OPTIONS] = {
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
        {.type = VGG_CLI_TEXT,
         .name = "freeze",
         .argument = "WHAT",
         .value = &o->freeze,
         .given = &o->given.freeze,
         .help = "do not train the first N blocks of convolutions, up to the Nth max-pool, or the "
                 "layers of these names, as in features.0,features.3; takes less time and memory",
         .fallback = "nothing"},
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
         .help = "momentum of sgd and nesterov, beta1 of adamw"},
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
         .help = "constant; step: the learning rate is multiplied by --gamma after every "
                 "--step-epochs epochs; plateau: when the validation loss was no better for "
                 "--patience epochs and one more; cosine: falls to --min-lr; one-cycle: rises from "
                 "a 25th, then falls to nothing; triangle: rises from a fifth in straight lines, "
                 "then falls"},
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
         .help = "what step and plateau multiply the learning rate by"},
        {.type = VGG_CLI_CHOICE,
         .name = "init",
         .argument = "SCHEME",
         .value = &o->init,
         .given = &o->given.init,
         .choices = schemes,
         .help =
             "initial weights: kaiming, glorot, paper, dirac (filters begin by passing a channel "
             "on) or whiten (likewise, and the first layer is made from the data)"},
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
        {.type = VGG_CLI_CHOICE,
         .name = "flip",
         .argument = "WHEN",
         .value = &o->mirror,
         .given = &o->given.flip,
         .choices = mirrors,
         .help = "random: views are mirrored half of the time; alternate: in every other epoch; "
                 "none, or --no-flip",
         .except = "none for MNIST's format, where a mirrored digit is no digit"},
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

void vgg_cli_learning_options(vgg_cli_train_options *o,
                              vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS]) {
    base_options(o, options);
    vgg_cli_method_options(o, options + VGG_CLI_BASE_OPTIONS);
    vgg_cli_view_options(o, options + VGG_CLI_BASE_OPTIONS + VGG_CLI_METHOD_OPTIONS);
}

void vgg_cli_train_network_options(vgg_cli_train_options *o,
                                   vgg_cli_option options[VGG_CLI_TRAIN_NETWORK_OPTIONS]) {
    const vgg_cli_option table[VGG_CLI_TRAIN_NETWORK_OPTIONS] = {
        {.type = VGG_CLI_TEXT,
         .name = "arch",
         .argument = "ARCH",
         .value = &o->arch,
         .given = &o->given.arch,
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
         .given = &o->given.input,
         .help = "size of the network's input: CxHxW, HxW or N",
         .fallback = "the pictures' size when all have the same of at most 64, else 96; channels "
                     "as in the data"},
        {.type = VGG_CLI_CHOICE,
         .name = "preprocess",
         .argument = "PRESET",
         .value = &o->preprocess,
         .given = &o->given.preprocess,
         .choices = vgg_cli_presets,
         .help = "how pictures become inputs: torchvision, caffe, paper, unit, signed, cifar10, "
                 "cifar100, mnist or clip, whose figures the options below change",
         .fallback = "torchvision; unit for grey pictures"},
    };
    memcpy(options, table, sizeof table);
}

static void start_options(vgg_cli_train_options *o, vgg_cli_option options[START_OPTIONS]) {
    const vgg_cli_option table[START_OPTIONS] = {
        {.type = VGG_CLI_CHOICE,
         .name = "recipe",
         .argument = "NAME",
         .value = &o->recipe,
         .choices = vgg_cli_recipes,
         .help = "sets options that go together and prints them; any that is given beside it wins. "
                 "paper and torchvision: as those trained on ImageNet; finetune: from a trained "
                 "model; small: some thousand photographs from scratch; fast: as good as minutes "
                 "allow, for pictures of 32x32; digits: small pictures of signs that cannot be "
                 "mirrored",
         .fallback = "small for less than 20,000 pictures where none of --arch, --from, "
                     "--init-from, --lr, --schedule and --optimizer is given; else none"},
        {.type = VGG_CLI_TEXT,
         .name = "from",
         .argument = "MODEL",
         .value = &o->from,
         .help =
             "begin with the weights, the network and the preprocessing of this model, a file or "
             "builtin; for other classes its last layer is made anew"},
        {.type = VGG_CLI_TEXT,
         .name = "init-from",
         .argument = "MODEL",
         .value = &o->init_from,
         .help =
             "copy the first four convolutions and the last linear layers of this trained model, "
             "a file or builtin, "
             "where they fit, as the paper does it with A"},
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
         .help = "the folder for best.safetensors, last.safetensors, log.jsonl, "
                 "results.csv and what --resume needs",
         .fallback = "vgg-run, or the first of vgg-run-2, vgg-run-3, ... that is free"},
        {.type = VGG_CLI_FLAG,
         .name = "resume",
         .value = &o->resume,
         .help = "continue the stopped run in RUN; options that are not given are taken from it"},
        {.type = VGG_CLI_FLAG,
         .name = "dry-run",
         .value = &o->dry_run,
         .help = "say what the training would take in time, memory and disk, from a few steps, and "
                 "write nothing"},
        {.type = VGG_CLI_FLAG,
         .name = "find-rate",
         .value = &o->find_rate,
         .help = "instead of training, try 100 steps at a rising learning rate and suggest --lr; "
                 "with -o the curve is RUN/find-rate.csv and RUN/find-rate.svg"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace the run that is in RUN"},
        {.type = VGG_CLI_NUMBER,
         .name = "save-minutes",
         .argument = "N",
         .value = &o->save_minutes,
         .minimum = 0,
         .maximum = 1e6,
         .help = "save when so many minutes have passed since the last checkpoint; 0: only at the "
                 "ends of epochs"},
        {.type = VGG_CLI_FLAG,
         .name = "check-data",
         .value = &o->check_data,
         .help = "read all pictures before the first step, and note a sum over them in RUN; with "
                 "--resume, compare it. Without, their names and sizes are compared"},
        {.type = VGG_CLI_FLAG,
         .name = "allow-changed-data",
         .value = &o->allow_changed_data,
         .help = "resume even though the data is not what RUN began with"},
        {.type = VGG_CLI_SWITCH,
         .name = "report",
         .value = &o->page,
         .help = "write RUN/report.html, a page about the run, at the ends of epochs"},
        {.type = VGG_CLI_SWITCH,
         .name = "tensorboard",
         .value = &o->tensorboard,
         .help = "write curves and views into RUN/tensorboard, which TensorBoard opens"},
        {.type = VGG_CLI_FLAG,
         .name = "histograms",
         .value = &o->histograms,
         .help = "write histograms of weights and gradients there as well, after each epoch; "
                 "results then differ by rounding"},
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
        .mirror = mirrors[0],
        .shuffle = training.shuffle,
        .rate = training.rate,
        .momentum = training.momentum,
        .weight_decay = training.weight_decay,
        .gamma = training.gamma,
        .validation_split = 0.1,
        .save_minutes = training.save_minutes,
        .tensorboard = true,
        .page = true,
        .epochs = training.epochs,
        .batch = training.batch,
        .micro_batch = training.micro_batch,
        .seed = training.seed,
        .threads = vgg_cli_default_threads(),
    };
    vgg_cli_method_defaults(o);
}

void vgg_cli_take_old_flip(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        bool valued = false;
        for (size_t m = 0; i + 1 < argc && mirrors[m] != NULL; m++) {
            valued = valued || strcmp(argv[i + 1], mirrors[m]) == 0;
        }
        if (strcmp(argv[i], "--no-flip") == 0)
            argv[i] = (char *)"--flip=none";
        else if (strcmp(argv[i], "--flip") == 0 && !valued)
            argv[i] = (char *)"--flip=random";
    }
}

bool vgg_cli_train_parse(vgg_cli_train_options *o, int argc, char **argv, int *status) {
    vgg_cli_option network[VGG_CLI_TRAIN_NETWORK_OPTIONS], learning[VGG_CLI_LEARNING_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS], running[RUNNING_OPTIONS];
    vgg_cli_option start[START_OPTIONS];
    vgg_cli_preprocess_options(&o->pictures, pictures);
    vgg_cli_train_network_options(o, network);
    vgg_cli_learning_options(o, learning);
    running_options(o, running);
    start_options(o, start);
    const vgg_cli_group groups[] = {
        {"START", start, START_OPTIONS},
        {"NETWORK", network, VGG_CLI_TRAIN_NETWORK_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"LEARNING", learning, VGG_CLI_BASE_OPTIONS},
        {"METHOD", learning + VGG_CLI_BASE_OPTIONS, VGG_CLI_METHOD_OPTIONS},
        {"VIEWS", learning + VGG_CLI_BASE_OPTIONS + VGG_CLI_METHOD_OPTIONS, VGG_CLI_VIEW_OPTIONS},
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
            "continues it, however it ended.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    trained, but pictures could not be read and were left out\n"
                    "130  stopped by Ctrl-C or SIGTERM; RUN/last.safetensors is saved",
        .examples = "vgg train pictograms\n"
                    "vgg train mnist --recipe digits --arch \"32,32,M,64,64,M/256\" -o digits\n"
                    "vgg train cifar --recipe fast\n"
                    "vgg train photos --from vgg16.pth --recipe finetune --freeze 4\n"
                    "vgg train photos --input 96 --batch-norm --epochs 30 --schedule step \\\n"
                    "    --arch \"24,M,48,M,96,96,M,192,192,M,192,192,M/256\"\n"
                    "vgg train photos -o vgg-run --resume",
        .operand = "DATA",
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operands;
    vgg_cli_take_old_flip(argc, argv);
    if (!vgg_cli_parse(&usage, argc, argv, &operands, status))
        return false;
    o->data = argv[1];
    bool batch_norm = o->batch_norm;
    o->arch = vgg_cli_arch_name(o->arch, &o->batch_norm);
    o->given.batch_norm = o->given.batch_norm || o->batch_norm != batch_norm;
    return true;
}
