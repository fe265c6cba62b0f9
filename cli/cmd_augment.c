/* vgg augment: what a network would see in training. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/grid.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/train.h"

#define OUTPUT_OPTIONS 5

typedef struct augment_state {
    vgg_cli_training training;
    const char *grid;
    bool overwrite;
    size_t views, most; /* columns, and rows at most */
    vgg_preprocess preprocess;
    vgg_image *images; /* of the rows */
    size_t *items;     /* their numbers, by which views are drawn */
    size_t count;
    float *inputs, *mixed; /* a column of inputs */
} augment_state;

static void output_options(augment_state *state, vgg_cli_option options[OUTPUT_OPTIONS]) {
    const vgg_cli_option table[OUTPUT_OPTIONS] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "grid",
         .argument = "OUT.png",
         .value = &state->grid,
         .help = "the picture to write: a row for each picture, first as it is measured, then as "
                 "it is seen in the first epochs; required"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &state->overwrite,
         .help = "replace OUT.png when it is there"},
        {.type = VGG_CLI_SIZE,
         .name = "views",
         .argument = "N",
         .value = &state->views,
         .minimum = 1,
         .maximum = 64,
         .help = "epochs to draw"},
        {.type = VGG_CLI_SIZE,
         .name = "pictures",
         .argument = "N",
         .value = &state->most,
         .minimum = 1,
         .maximum = 64,
         .help = "pictures to draw at most"},
        {.type = VGG_CLI_CHOICE,
         .name = "recipe",
         .argument = "NAME",
         .value = &state->training.options.recipe,
         .choices = vgg_cli_recipes,
         .help = "the views of this recipe; vgg train --help lists them",
         .fallback = "none"},
    };
    memcpy(options, table, sizeof table);
}

static bool parse(augment_state *state, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_train_options *o = &state->training.options;
    vgg_cli_option network[VGG_CLI_TRAIN_NETWORK_OPTIONS], learning[VGG_CLI_LEARNING_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS], output[OUTPUT_OPTIONS];
    output_options(state, output);
    vgg_cli_train_network_options(o, network);
    vgg_cli_preprocess_options(&o->pictures, pictures);
    vgg_cli_learning_options(o, learning);
    const vgg_cli_group groups[] = {
        {"OUTPUT", output, OUTPUT_OPTIONS},
        {"NETWORK", network, VGG_CLI_TRAIN_NETWORK_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"LEARNING", learning, VGG_CLI_BASE_OPTIONS},
        {"METHOD", learning + VGG_CLI_BASE_OPTIONS, VGG_CLI_METHOD_OPTIONS},
        {"VIEWS", learning + VGG_CLI_BASE_OPTIONS + VGG_CLI_METHOD_OPTIONS, VGG_CLI_VIEW_OPTIONS},
    };
    const vgg_cli_usage usage = {
        .command = "augment",
        .summary = "draw what a network sees in training",
        .synopsis = "vgg augment DATA|IMAGE... --grid OUT.png [options]",
        .description = "Draws the random views that vgg train shows a network, and takes all of "
                       "its options: a "
                       "row for each picture, the first column as it is measured, and one for each "
                       "epoch. DATA "
                       "is what vgg train takes, of which some pictures are drawn; the views of a "
                       "picture there "
                       "are those that the training with the same options and seed sees.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples = "vgg augment photos --grid views.png --recipe small\n"
                    "vgg augment cat.jpg dog.jpg --grid views.png --input 96 \\\n"
                    "    --resized-crop 0.3 --color-jitter 0.4 --mixup 0.2",
        .operand = "DATA or IMAGE",
        .operands_least = 1,
        .operands_most = 64,
    };
    vgg_cli_take_old_flip(argc, argv);
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

static int fail(const vgg_error *error) {
    vgg_cli_complain("augment", "%s", error->message);
    return VGG_CLI_FAILURE;
}

static int fail_memory(void) {
    vgg_cli_complain("augment", "out of memory for the pictures");
    return VGG_CLI_FAILURE;
}

/* ---- pictures ---- */

static bool reserve(augment_state *state, size_t count) {
    state->count = 0;
    state->images = calloc(count, sizeof *state->images);
    state->items = calloc(count, sizeof *state->items);
    return state->images != NULL && state->items != NULL;
}

/* Pictures of the data, evenly spread, with the numbers that they have in training. */
static int read_data(augment_state *state, char *path) {
    vgg_cli_training *training = &state->training;
    training->options.data = path;
    int status = vgg_cli_train_open_data(training);
    if (status != VGG_CLI_OK)
        return status;
    size_t all = vgg_dataset_count(training->train);
    size_t rows = all < state->most ? all : state->most;
    if (!reserve(state, rows))
        return fail_memory();
    for (; state->count < rows; state->count++) {
        vgg_error error;
        size_t item = state->count * all / rows;
        state->items[state->count] = item;
        if (vgg_dataset_read(training->train, item, &state->images[state->count], &error) != VGG_OK)
            return fail(&error);
    }
    return VGG_CLI_OK;
}

/* Pictures by name; they count as a data set that has no others. */
static int read_files(augment_state *state, char **paths, size_t count) {
    vgg_dataset_info *info = &state->training.info;
    size_t rows = count < state->most ? count : state->most;
    *info = (vgg_dataset_info){.struct_size = sizeof *info, .kind = "folder", .channels = 1};
    if (!reserve(state, rows))
        return fail_memory();
    for (; state->count < rows; state->count++) {
        vgg_image *image = &state->images[state->count];
        vgg_error error;
        state->items[state->count] = state->count;
        if (vgg_image_load(paths[state->count], image, &error) != VGG_OK)
            return fail(&error);
        bool same =
            state->count == 0 || (info->width == image->width && info->height == image->height);
        info->channels = image->channels > info->channels ? image->channels : info->channels;
        info->width = same ? image->width : 0;
        info->height = same ? image->height : 0;
    }
    return VGG_CLI_OK;
}

/* Whether the operands are files of pictures. */
static bool are_pictures(char **operands, size_t count) {
    struct stat info;
    for (size_t i = 0; i < count; i++) {
        bool folder = stat(operands[i], &info) == 0 && S_ISDIR(info.st_mode);
        if (folder || !vgg_image_name_is_picture(operands[i]))
            return false;
    }
    return true;
}

static int read_pictures(augment_state *state, char **operands, size_t count) {
    if (are_pictures(operands, count))
        return read_files(state, operands, count);
    if (count == 1)
        return read_data(state, operands[0]);
    vgg_cli_complain("augment", "%s and %s: expected one data set, or pictures", operands[0],
                     operands[1]);
    return VGG_CLI_USAGE;
}

/* ---- views ---- */

static size_t floats_of(const vgg_preprocess *shape) {
    return shape->channels * shape->height * shape->width;
}

/* The inputs of an epoch, before they are mixed. */
static vgg_status make_column(augment_state *state, const vgg_augment *views, size_t epoch,
                              vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < state->count; i++) {
        float *input = state->inputs + i * floats_of(&state->preprocess);
        status = vgg_preprocess_augmented(&state->preprocess, views, &state->images[i],
                                          state->training.options.seed, epoch, state->items[i],
                                          input, error);
    }
    return status;
}

/* Mixes a column, if that is asked for; returns the inputs to draw. */
static vgg_status mix_column(augment_state *state, const vgg_train_options *options, size_t epoch,
                             const float **inputs, vgg_error *error) {
    *inputs = state->inputs;
    if (options->mixup == 0 && options->cutmix == 0)
        return VGG_OK;
    size_t others[64];
    float shares[64];
    const vgg_batch batch = {.struct_size = sizeof batch,
                             .count = state->count,
                             .inputs = state->inputs,
                             .classes = state->items,
                             .items = state->items};
    *inputs = state->mixed;
    return vgg_train_mix(options, epoch, &batch, &state->preprocess, state->mixed, others, shares,
                         error);
}

static vgg_status draw(augment_state *state, vgg_cli_grid *grid, vgg_error *error) {
    vgg_cli_method method;
    size_t floats = floats_of(&state->preprocess);
    vgg_cli_method_fill(&state->training.options, &method);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < state->count; i++) {
        status = vgg_preprocess_image(&state->preprocess, &state->images[i], state->inputs, error);
        if (status == VGG_OK)
            status = vgg_cli_grid_draw(grid, i, 0, state->inputs, error);
    }
    for (size_t epoch = 0; status == VGG_OK && epoch < state->views; epoch++) {
        const float *inputs;
        status = make_column(state, &method.views, epoch, error);
        if (status == VGG_OK)
            status = mix_column(state, &method.training, epoch, &inputs, error);
        for (size_t i = 0; status == VGG_OK && i < state->count; i++) {
            status = vgg_cli_grid_draw(grid, i, epoch + 1, inputs + i * floats, error);
        }
    }
    return status;
}

static int write_grid(augment_state *state) {
    size_t floats = floats_of(&state->preprocess);
    vgg_cli_grid grid;
    vgg_error error;
    state->inputs = calloc(state->count * floats, sizeof *state->inputs);
    state->mixed = calloc(state->count * floats, sizeof *state->mixed);
    if (state->inputs == NULL || state->mixed == NULL ||
        !vgg_cli_grid_create(&grid, state->count, state->views + 1, &state->preprocess))
        return fail_memory();
    vgg_status status = draw(state, &grid, &error);
    if (status == VGG_OK)
        status = vgg_image_save_png(&grid.image, state->grid, &error);
    const char *recipe = state->training.options.recipe_chosen
                             ? ", of the recipe that vgg train chooses for few pictures, small"
                             : "";
    if (status == VGG_OK)
        vgg_cli_print_line("wrote %s: %zu %s measured, and in %zu epoch%s%s", state->grid,
                           state->count,
                           state->count == 1 ? "picture as it is" : "pictures as they are",
                           state->views, state->views == 1 ? "" : "s", recipe);
    vgg_cli_grid_free(&grid);
    return status == VGG_OK ? VGG_CLI_OK : fail(&error);
}

static int augment(augment_state *state, char **operands, size_t count) {
    vgg_cli_training *training = &state->training;
    vgg_error error;
    if (state->grid == NULL) {
        vgg_cli_complain("augment", "--grid OUT.png is missing: the picture to write");
        return VGG_CLI_USAGE;
    }
    if (!vgg_cli_ends_in(state->grid, ".png")) {
        vgg_cli_complain("augment", "--grid: expected a name that ends in .png");
        return VGG_CLI_USAGE;
    }
    if (!vgg_cli_may_write("augment", state->grid, state->overwrite))
        return VGG_CLI_FAILURE;
    vgg_cli_recipe_apply(&training->options);
    int status = read_pictures(state, operands, count);
    if (status == VGG_CLI_OK)
        status = vgg_cli_train_choose(training);
    if (status != VGG_CLI_OK)
        return status;
    state->preprocess.struct_size = sizeof state->preprocess;
    if (vgg_cli_train_preprocess(training, &state->preprocess, &error) != VGG_OK)
        return fail(&error);
    return write_grid(state);
}

int vgg_cli_augment(int argc, char **argv) {
    augment_state state = {.training = {.command = "augment"}, .views = 8, .most = 8};
    size_t operands;
    int status;
    vgg_cli_train_defaults(&state.training.options);
    if (!parse(&state, argc, argv, &operands, &status))
        return status;
    status = augment(&state, argv + 1, operands);
    for (size_t i = 0; i < state.count; i++) {
        vgg_image_free(&state.images[i]);
    }
    free(state.images);
    free(state.items);
    free(state.inputs);
    free(state.mixed);
    vgg_dataset_free(state.training.train);
    vgg_dataset_free(state.training.validation);
    vgg_string_free(state.training.split);
    return status;
}
