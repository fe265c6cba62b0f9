/* The options of `vgg train` that say how it is learnt, and from which views; and what all of them
 * say to the library. */
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/shared_options.h"
#include "cli/train.h"

static const char *const optimizers[] = {[VGG_OPTIMISER_SGD] = "sgd",
                                         [VGG_OPTIMISER_NESTEROV] = "nesterov",
                                         [VGG_OPTIMISER_ADAMW] = "adamw",
                                         NULL};
static const char *const class_weights[] = {"none", "balanced", NULL};
static const char *const policies[] = {"none", "trivial", NULL};

void vgg_cli_method_defaults(vgg_cli_train_options *o) {
    vgg_train_options training;
    vgg_optimiser_options optimising;
    vgg_train_options_init(&training, sizeof training);
    vgg_optimiser_options_init(&optimising, sizeof optimising);
    o->optimizer = optimizers[training.optimiser];
    o->class_weights = class_weights[0];
    o->policy = policies[0];
    o->decay_norm = true;
    o->cycle_momentum = training.cycle_momentum;
    o->patience = training.patience;
    o->norm_momentum = training.norm_momentum;
    o->lookahead_keep = optimising.lookahead_keep;
    o->bias_rate = optimising.bias_rate;
    o->head_rate = optimising.head_rate;
    o->logit_scale = optimising.logit_scale;
    o->scale_jitter = 1;
}

/* ---- rows ---- */

static vgg_cli_option number(const char *name, double *value, double maximum, const char *help) {
    return (vgg_cli_option){.type = VGG_CLI_NUMBER,
                            .name = name,
                            .argument = "X",
                            .value = value,
                            .minimum = 0,
                            .maximum = maximum,
                            .help = help};
}

/* A factor, which is not 0. */
static vgg_cli_option factor(const char *name, double *value, const char *help) {
    vgg_cli_option option = number(name, value, 1e6, help);
    option.above = true;
    return option;
}

/* A share that is less than 1. */
static vgg_cli_option fraction(const char *name, double *value, const char *help) {
    vgg_cli_option option = number(name, value, 1, help);
    option.below = true;
    return option;
}

static vgg_cli_option count(const char *name, size_t *value, const char *help) {
    return (vgg_cli_option){.type = VGG_CLI_SIZE,
                            .name = name,
                            .argument = "N",
                            .value = value,
                            .minimum = 0,
                            .maximum = 1e6,
                            .help = help};
}

static vgg_cli_option choice(const char *name, const char **value, const char *const *choices,
                             const char *help) {
    return (vgg_cli_option){.type = VGG_CLI_CHOICE,
                            .name = name,
                            .argument = "NAME",
                            .value = value,
                            .choices = choices,
                            .help = help};
}

static vgg_cli_option on_off(const char *name, bool *value, const char *help) {
    return (vgg_cli_option){.type = VGG_CLI_SWITCH, .name = name, .value = value, .help = help};
}

static void copy_rows(const vgg_cli_option *table, size_t rows, bool *given,
                      vgg_cli_option *options) {
    memcpy(options, table, rows * sizeof *table);
    for (size_t i = 0; i < rows; i++) {
        options[i].given = &given[i];
    }
}

void vgg_cli_method_options(vgg_cli_train_options *o,
                            vgg_cli_option options[VGG_CLI_METHOD_OPTIONS]) {
    vgg_cli_option precision = vgg_cli_precision_option(&o->computing.precision);
    precision.help = "f32; bf16: the operands of most products are rounded to bfloat16 and summed "
                     "in float32, weights and files stay float32, in less time where the "
                     "processor has AMX, or AMD's AVX-512 BF16; or, on a GPU only, tf32 or f16";
    const vgg_cli_option table[VGG_CLI_METHOD_OPTIONS] = {
        choice("optimizer", &o->optimizer, optimizers, "sgd, nesterov or adamw, as PyTorch's"),
        number("min-lr", &o->min_rate, 1000, "the least learning rate of plateau and cosine"),
        count("warmup-epochs", &o->warmup_epochs,
              "the learning rate first rises in equal steps for so many epochs"),
        count("patience", &o->patience, "epochs that the plateau schedule waits"),
        on_off("cycle-momentum", &o->cycle_momentum,
               "the one-cycle schedule moves the momentum, too"),
        fraction("label-smoothing", &o->label_smoothing,
                 "share of the target that all classes have alike"),
        number("clip-grad", &o->clip, 1e9, "longest gradient of all weights together; 0: any"),
        fraction("ema", &o->ema,
                 "measure and save an average of the weights, of which a step keeps this share, "
                 "such as 0.999; 0: none"),
        count("lookahead", &o->lookahead,
              "after every N steps go back towards the weights of N steps before; 0: never"),
        fraction("lookahead-keep", &o->lookahead_keep, "how much of those weights is kept"),
        on_off("lookahead-ramp", &o->lookahead_ramp,
               "keep nothing of them at first, and that much in the end"),
        count("early-stop", &o->early_stop, "stop after N epochs without a new best; 0: never"),
        choice("class-weights", &o->class_weights, class_weights,
               "balanced: pictures of small classes count more in the loss"),
        on_off("balanced-sampling", &o->balanced_sampling,
               "show as many pictures of each class in an epoch, those of small classes several "
               "times"),
        on_off("decay-norm", &o->decay_norm,
               "weight decay also for biases and batch normalisation"),
        factor("bias-rate", &o->bias_rate,
               "times the learning rate for biases of batch normalisation, or of all layers "
               "without it"),
        factor("head-rate", &o->head_rate, "times the learning rate for the last layer"),
        factor("logit-scale", &o->logit_scale, "multiply what the last layer gives"),
        number("bn-momentum", &o->norm_momentum, 1,
               "share of a batch in the running statistics of batch normalisation"),
        on_off("fix-bn-scale", &o->fix_norm_scale,
               "leave the scales of batch normalisation as they are"),
        on_off("cache-features", &o->cache_features,
               "compute what the layers of --freeze give once, keep it in RUN while it trains, and "
               "learn from that: the same result in less time. No view but flips can be had "
               "with it"),
        vgg_cli_device_option(&o->computing.device),
        precision,
    };
    copy_rows(table, VGG_CLI_METHOD_OPTIONS, o->given.method, options);
}

void vgg_cli_view_options(vgg_cli_train_options *o, vgg_cli_option options[VGG_CLI_VIEW_OPTIONS]) {
    vgg_cli_option scale = number("scale-jitter", &o->scale_jitter, 16,
                                  "resize the short side to up to X times as much");
    scale.minimum = 1;
    const vgg_cli_option table[VGG_CLI_VIEW_OPTIONS] = {
        number("resized-crop", &o->resized_crop, 1,
               "in place of --crop a part of the whole picture of at least this share of its area, "
               "such as 0.08, resized; 0: off"),
        scale,
        count("translate", &o->translate,
              "move by up to N pixels; what comes in is the picture reflected"),
        number("rotate", &o->rotate, 180, "turn by up to X degrees"),
        choice("policy", &o->policy, policies,
               "trivial: one of 14 changes of random strength for each view, as TrivialAugment"),
        number("color-jitter", &o->colour, 1,
               "change brightness, contrast and saturation by up to this share"),
        number("pca-shift", &o->pca, 10,
               "shift colours along the principal ones of ImageNet; 0.1 in the paper"),
        number("random-erasing", &o->erase, 1, "probability that a rectangle is erased"),
        number("mixup", &o->mixup, 1, "mix pairs of pictures, in shares from Beta(X, X); 0: off"),
        number("cutmix", &o->cutmix, 1,
               "put parts of pictures into others, of areas from Beta(X, X); 0: off"),
    };
    copy_rows(table, VGG_CLI_VIEW_OPTIONS, o->given.views, options);
}

/* ---- views that cannot be had together with --cache-features ---- */

/* Whether the option makes a view, and what it is when it does not. */
static bool is_on(const vgg_cli_option *option) {
    switch (option->type) {
    case VGG_CLI_SIZE:
        return *(const size_t *)option->value > 0;
    case VGG_CLI_CHOICE:
        return strcmp(*(const char *const *)option->value, "none") != 0;
    default:
        return *(const double *)option->value > option->minimum;
    }
}

static void turn_off(const vgg_cli_option *option) {
    if (option->type == VGG_CLI_SIZE)
        *(size_t *)option->value = 0;
    else if (option->type == VGG_CLI_CHOICE)
        *(const char **)option->value = "none";
    else
        *(double *)option->value = option->minimum;
    *option->given = true;
}

int vgg_cli_cached_views(vgg_cli_train_options *o) {
    vgg_cli_option options[VGG_CLI_VIEW_OPTIONS];
    vgg_cli_view_options(o, options);
    if (!o->cache_features || !o->augment)
        return VGG_CLI_OK;
    const char *wrong = o->given.crop && o->crop ? "crop" : NULL;
    for (size_t i = 0; wrong == NULL && i < VGG_CLI_VIEW_OPTIONS; i++) {
        if (*options[i].given && is_on(&options[i]))
            wrong = options[i].name;
    }
    if (wrong != NULL) {
        vgg_cli_complain("train",
                         "--%s: cannot be had with --cache-features, which knows a picture and its "
                         "mirror image only; leave out either",
                         wrong);
        return VGG_CLI_USAGE;
    }
    for (size_t i = 0; i < VGG_CLI_VIEW_OPTIONS; i++) {
        turn_off(&options[i]);
    }
    o->crop = false;
    o->given.crop = true;
    return VGG_CLI_OK;
}

/* ---- to the library ---- */

static size_t number_of(const char *const *names, const char *name) {
    size_t i = 0;
    while (names[i] != NULL && strcmp(names[i], name) != 0) {
        i++;
    }
    return i;
}

static vgg_schedule schedule_named(const char *name) {
    vgg_schedule schedule = VGG_SCHEDULE_CONSTANT;
    for (int i = 0; vgg_schedule_name((vgg_schedule)i) != NULL; i++) {
        if (strcmp(vgg_schedule_name((vgg_schedule)i), name) == 0)
            schedule = (vgg_schedule)i;
    }
    return schedule;
}

static void fill_optimising(const vgg_cli_train_options *o, vgg_optimiser_options *optimising) {
    vgg_optimiser_options_init(optimising, sizeof *optimising);
    optimising->clip = o->clip;
    optimising->ema = o->ema;
    optimising->lookahead = o->lookahead;
    optimising->lookahead_keep = o->lookahead_keep;
    optimising->lookahead_ramp = o->lookahead_ramp;
    optimising->no_decay_norm = !o->decay_norm;
    optimising->fix_norm_scale = o->fix_norm_scale;
    optimising->bias_rate = o->bias_rate;
    optimising->head_rate = o->head_rate;
    optimising->logit_scale = o->logit_scale;
}

static void fill_views(const vgg_cli_train_options *o, vgg_augment *views) {
    vgg_augment_init(views, sizeof *views);
    views->crop = o->augment && o->crop;
    views->flip = o->augment && strcmp(o->mirror, "none") != 0;
    if (!o->augment)
        return;
    views->alternate = strcmp(o->mirror, "alternate") == 0;
    views->area = o->resized_crop;
    views->scale = o->scale_jitter;
    views->translate = o->translate;
    views->rotate = o->rotate;
    views->policy = strcmp(o->policy, "trivial") == 0;
    views->colour = o->colour;
    views->pca = o->pca;
    views->erase = o->erase;
}

static void fill_training(const vgg_cli_train_options *o, vgg_train_options *training) {
    vgg_train_options_init(training, sizeof *training);
    training->epochs = o->epochs;
    training->batch = o->batch;
    training->micro_batch = o->micro_batch;
    training->rate = o->rate;
    training->momentum = o->momentum;
    training->weight_decay = o->weight_decay;
    training->schedule = schedule_named(o->schedule);
    training->step_epochs = o->step_epochs;
    training->gamma = o->gamma;
    training->seed = o->seed;
    training->threads = o->threads;
    training->workers = o->workers;
    training->shuffle = o->shuffle;
    training->optimiser = (vgg_optimiser_kind)number_of(optimizers, o->optimizer);
    training->min_rate = o->min_rate;
    training->warmup_epochs = o->warmup_epochs;
    training->patience = o->patience;
    training->cycle_momentum = o->cycle_momentum;
    training->label_smoothing = o->label_smoothing;
    training->early_stop = o->early_stop;
    training->balance_loss = strcmp(o->class_weights, "balanced") == 0;
    training->balance_samples = o->balanced_sampling;
    training->norm_momentum = o->norm_momentum;
    training->mixup = o->augment ? o->mixup : 0;
    training->cutmix = o->augment ? o->cutmix : 0;
    training->cache_features = o->cache_features;
    training->precision = vgg_precision_named(o->computing.precision);
    training->device = vgg_device_named(o->computing.device);
}

void vgg_cli_method_fill(const vgg_cli_train_options *o, vgg_cli_method *method) {
    fill_training(o, &method->training);
    fill_optimising(o, &method->optimising);
    fill_views(o, &method->views);
    method->training.optimising = &method->optimising;
    method->training.augment = &method->views;
}
