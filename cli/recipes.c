/* Options of `vgg train` that go together. A recipe is a list of options as they would be typed; it
 * knows nothing that the options do not. */
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/message.h"
#include "cli/train.h"
#include "cli/wrap.h"

typedef struct recipe_option {
    const char *name, *value; /* of a switch: "on" or "off"; NULL: chosen by looking at the data */
} recipe_option;

/* The paper's, section 3.1: the rate falls when the validation loss stops falling. */
static const recipe_option paper[] = {
    {"epochs", "74"},         {"batch", "256"},   {"lr", "0.01"},          {"momentum", "0.9"},
    {"weight-decay", "5e-4"}, {"dropout", "0.5"}, {"schedule", "plateau"}, {"gamma", "0.1"},
    {"patience", "3"},        {"crop", "on"},     {"scale-jitter", "2"},   {"flip", "random"},
    {"pca-shift", "0.1"},     {NULL, NULL},
};

/* Its reference script for VGG. */
static const recipe_option torchvision[] = {
    {"epochs", "90"},         {"batch", "256"},     {"lr", "0.01"},   {"momentum", "0.9"},
    {"weight-decay", "1e-4"}, {"schedule", "step"}, {"gamma", "0.1"}, {"step-epochs", "30"},
    {"resized-crop", "0.08"}, {"flip", "random"},   {NULL, NULL},
};

/* A trained start needs small steps, and its new last layer larger ones. */
static const recipe_option finetune[] = {
    {"epochs", "10"},
    {"batch", "32"},
    {"optimizer", "nesterov"},
    {"lr", "0.002"},
    {"momentum", "0.9"},
    {"weight-decay", "1e-4"},
    {"schedule", "cosine"},
    {"head-rate", "10"},
    {"warmup-epochs", "1"},
    {"label-smoothing", "0.1"},
    {"resized-crop", "0.35"},
    {"flip", "random"},
    {NULL, NULL},
};

/* Share of a run's steps that the average of the weights is over. */
#define AVERAGED 0.28

/* As many epochs, and such views, as the pictures suggest. */
static const recipe_option small[] = {
    {"epochs", NULL},
    {"batch", "32"},
    {"optimizer", "nesterov"},
    {"lr", "0.04"},
    {"weight-decay", "5e-4"},
    {"schedule", "one-cycle"},
    {"label-smoothing", "0.1"},
    {"decay-norm", "off"},
    {"resized-crop", "0.35"},
    {"flip", "random"},
    {"color-jitter", "0.2"},
    {"policy", NULL},
    {"ema", NULL},
    {NULL, NULL},
};

/* After airbench94 (Jordan 2024), in terms of the mean loss of a batch; its momentum of batch
 * normalisation is said the other way round. */
static const recipe_option fast[] = {
    {"arch", "54,64,M,64,256,M,256,256,M,256"},
    {"batch-norm", "on"},
    {"layout", "global-max"},
    {"dropout", "0"},
    {"input", "32"},
    {"preprocess", "cifar10"},
    {"epochs", "10"},
    {"batch", "1000"},
    {"optimizer", "nesterov"},
    {"lr", "1.5"},
    {"momentum", "0.85"},
    {"weight-decay", "0.00133"},
    {"schedule", "triangle"},
    {"label-smoothing", "0.2"},
    {"init", "whiten"},
    {"freeze", "features.0"},
    {"bias-rate", "64"},
    {"fix-bn-scale", "on"},
    {"bn-momentum", "0.4"},
    {"logit-scale", "0.1111"},
    {"lookahead", "5"},
    {"lookahead-keep", "0.774"},
    {"lookahead-ramp", "on"},
    {"crop", "off"},
    {"flip", "alternate"},
    {"translate", "2"},
    {NULL, NULL},
};

/* Signs that are something else when they are mirrored, written a little here or there. */
static const recipe_option digits[] = {
    {"batch-norm", "on"},
    {"dropout", "0.2"},
    {"epochs", "5"},
    {"batch", "64"},
    {"optimizer", "nesterov"},
    {"lr", "0.04"},
    {"weight-decay", "5e-4"},
    {"schedule", "one-cycle"},
    {"label-smoothing", "0.1"},
    {"decay-norm", "off"},
    {"crop", "off"},
    {"flip", "none"},
    {"translate", "2"},
    {"rotate", "10"},
    {"validation-split", "0.02"},
    {NULL, NULL},
};

static const recipe_option none[] = {{NULL, NULL}};

const char *const vgg_cli_recipes[] = {"none",  "paper", "torchvision", "finetune",
                                       "small", "fast",  "digits",      NULL};
static const recipe_option *const contents[] = {none,  paper, torchvision, finetune,
                                                small, fast,  digits};

static const recipe_option *contents_of(const char *name) {
    size_t i = 0;
    while (strcmp(vgg_cli_recipes[i], name) != 0) {
        i++;
    }
    return contents[i];
}

/* All options that a recipe may set. */
#define OPTIONS (VGG_CLI_TRAIN_NETWORK_OPTIONS + VGG_CLI_LEARNING_OPTIONS)

static void all_options(vgg_cli_train_options *o, vgg_cli_option options[OPTIONS]) {
    vgg_cli_train_network_options(o, options);
    vgg_cli_learning_options(o, options + VGG_CLI_TRAIN_NETWORK_OPTIONS);
}

static void apply(const vgg_cli_option *option, const char *value) {
    if (*option->given || value == NULL)
        return;
    if (option->type == VGG_CLI_SWITCH)
        *(bool *)option->value = strcmp(value, "on") == 0;
    else
        vgg_cli_option_store(option, value);
    /* What the data says of mirror images comes before a recipe. */
    *option->given = strcmp(option->name, "flip") != 0;
}

/* The network is that of a trained start. */
static bool concerns_network(const char *name) {
    static const char *const names[] = {"arch",  "batch-norm", "layout", "dropout",
                                        "input", "preprocess", "init"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

/* Whoever chooses one of these has a recipe of their own. */
static bool is_chosen(vgg_cli_train_options *o) {
    static const char *const names[] = {"arch", "lr", "optimizer", "schedule"};
    vgg_cli_option options[OPTIONS];
    bool chosen = o->recipe != NULL || o->from != NULL || o->init_from != NULL ||
                  (o->given.batch_norm && !o->batch_norm);
    all_options(o, options);
    for (size_t i = 0; i < OPTIONS; i++) {
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            chosen = chosen || (*options[i].given && strcmp(options[i].name, names[n]) == 0);
        }
    }
    return chosen;
}

/* Of few pictures the weights of an epoch are what chance made of them; their average over the last
 * part of the run is steadier. In the decimals that are printed. */
static void write_average(char *text, size_t size, size_t steps) {
    double share = AVERAGED * (double)steps;
    snprintf(text, size, "%.4f", share > 1 ? 1 - 1 / share : 0);
}

/* What the recipe small leaves to the data, of which an epoch shows so many pictures. */
static void complete_small(vgg_cli_train_options *o, const vgg_suggestion *suggestion,
                           size_t pictures) {
    char average[VGG_CLI_TEXT_SIZE];
    const recipe_option left[] = {{"policy", suggestion->policy ? "trivial" : "none"},
                                  {"ema", average}};
    vgg_cli_option options[OPTIONS];
    if (!o->given.epochs)
        o->epochs = suggestion->epochs;
    size_t steps = o->epochs * ((pictures + o->batch - 1) / o->batch);
    write_average(average, sizeof average, suggestion->policy ? steps : 0);
    all_options(o, options);
    for (size_t i = 0; i < OPTIONS; i++) {
        for (size_t n = 0; n < sizeof left / sizeof *left; n++) {
            if (strcmp(options[i].name, left[n].name) == 0)
                apply(&options[i], left[n].value);
        }
    }
}

void vgg_cli_recipe_choose(vgg_cli_train_options *o, const vgg_suggestion *suggestion,
                           size_t pictures) {
    if (suggestion->few && suggestion->flip && !is_chosen(o)) {
        o->recipe = "small";
        o->recipe_chosen = true;
        vgg_cli_recipe_apply(o);
    }
    if (o->recipe != NULL && strcmp(o->recipe, "small") == 0)
        complete_small(o, suggestion, pictures);
}

static bool is_given(const vgg_cli_option options[OPTIONS], const char *name) {
    size_t i = 0;
    while (strcmp(options[i].name, name) != 0) {
        i++;
    }
    return *options[i].given;
}

void vgg_cli_recipe_apply(vgg_cli_train_options *o) {
    vgg_cli_option options[OPTIONS];
    if (o->recipe == NULL)
        return;
    all_options(o, options);
    /* Views that are cut otherwise are no random parts of the whole picture. */
    bool cut = is_given(options, "crop") || is_given(options, "scale-jitter");
    for (const recipe_option *part = contents_of(o->recipe); part->name != NULL; part++) {
        if (o->from != NULL && concerns_network(part->name))
            continue;
        if (cut && strcmp(part->name, "resized-crop") == 0)
            continue;
        for (size_t i = 0; i < OPTIONS; i++) {
            if (strcmp(options[i].name, part->name) == 0)
                apply(&options[i], part->value);
        }
    }
}

/* ---- printing ---- */

/* The option as it is typed. */
static void write_option(const vgg_cli_option *option, char *text, size_t size) {
    char buffer[VGG_CLI_VALUE_SIZE];
    const char *value = vgg_cli_option_text(option, buffer);
    if (option->type == VGG_CLI_SWITCH)
        snprintf(text, size, "--%s%s", strcmp(value, "true") == 0 ? "" : "no-", option->name);
    else
        snprintf(text, size, "--%s %s", option->name, value != NULL ? value : "");
}

void vgg_cli_recipe_print(const vgg_cli_train_options *o) {
    vgg_cli_train_options copy = *o;
    vgg_cli_option options[OPTIONS];
    char line[4096];
    if (o->recipe == NULL || strcmp(o->recipe, "none") == 0)
        return;
    all_options(&copy, options);
    size_t used = (size_t)snprintf(line, sizeof line, "%s:", o->recipe);
    for (const recipe_option *part = contents_of(o->recipe); part->name != NULL; part++) {
        if (o->from != NULL && concerns_network(part->name))
            continue;
        for (size_t i = 0; i < OPTIONS; i++) {
            char text[VGG_CLI_VALUE_SIZE + 64];
            if (strcmp(options[i].name, part->name) != 0)
                continue;
            write_option(&options[i], text, sizeof text);
            used += (size_t)snprintf(line + used, sizeof line - used, " %s", text);
        }
    }
    printf("recipe    ");
    vgg_cli_print_wrapped(line, 10, 10);
    if (o->recipe_chosen)
        vgg_cli_print_line("          chosen because the pictures are few; options beside it win, "
                           "and --recipe none goes without");
}
