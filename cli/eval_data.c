/* The data that `vgg eval` measures on. */
#include <stdio.h>
#include <string.h>

#include "cli/data_split.h"
#include "cli/environment.h"
#include "cli/eval.h"
#include "cli/message.h"

/* The names of ImageNet's classes go with their WordNet ids. */
static bool are_imagenet(const char *const *names, size_t count) {
    bool same = names != NULL && count == VGG_IMAGENET_CLASSES;
    for (size_t i = 0; same && i < count; i++) {
        same = strcmp(names[i], vgg_imagenet_class_names()[i]) == 0;
    }
    return same;
}

/* Whether the data is divided by a record of other data. */
static bool is_divided_wrongly(const vgg_dataset_options *options, const vgg_dataset_parts *p) {
    bool by_names = options->split != NULL && strncmp(options->split, "names ", 6) == 0;
    return by_names && p->split != NULL && p->split_known == 0;
}

static bool open_with(const char *path, const vgg_dataset_options *options,
                      vgg_dataset_parts *opened) {
    vgg_error error;
    if (vgg_dataset_open_parts(path, options, opened, &error) == VGG_OK)
        return true;
    vgg_cli_complain("eval", "%s", error.message);
    return false;
}

/* Opens the data with the classes in the order of the model. Other data than that which the
 * training set its validation part aside from is not divided. */
static bool open_parts(const vgg_cli_eval_options *o, const char *path, const vgg_model *model,
                       vgg_dataset_parts *opened) {
    char split[VGG_CLI_SPLIT_SIZE];
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.temporary_folder = vgg_cli_temporary_folder();
    options.several_labels = vgg_model_output(model) == VGG_OUTPUT_SIGMOID;
    options.warn = vgg_cli_note;
    options.warn_user = (void *)"eval";
    options.classes = vgg_model_class_names(model);
    if (options.classes != NULL)
        options.class_count = vgg_network_describe(vgg_model_network(model))->classes;
    if (are_imagenet(options.classes, options.class_count))
        options.class_ids = vgg_imagenet_class_ids();
    if (o->split_given) {
        options.validation_split = o->validation_split;
        options.seed = o->seed;
    } else {
        options.split = vgg_cli_recorded_split(model, false, split);
    }
    if (!open_with(path, &options, opened))
        return false;
    if (!is_divided_wrongly(&options, opened))
        return true;
    vgg_dataset_parts_free(opened);
    options.split = "none";
    options.warn = NULL;
    vgg_cli_note((void *)"eval", "these are other pictures than the model was trained on: "
                                 "none of them is set aside");
    return open_with(path, &options, opened);
}

static void choose(vgg_cli_eval_data *data, const vgg_dataset *part, const char *name) {
    if (part != NULL)
        data->chosen[data->count++] = part;
    data->name = name;
}

/* The part that was asked for, or that says most of how good the model is. */
static void choose_part(const vgg_cli_eval_options *o, vgg_cli_eval_data *data) {
    const vgg_dataset_parts *p = &data->parts;
    const char *asked = o->part;
    data->noted = "";
    if (asked == NULL && o->fit_temperature)
        asked = "validation"; /* a test part must choose nothing */
    if (asked == NULL)
        asked = p->test != NULL ? "test" : p->validation != NULL ? "validation" : "all";
    bool all = strcmp(asked, "all") == 0;
    if (all || strcmp(asked, "train") == 0)
        choose(data, p->train, asked);
    if (all || strcmp(asked, "validation") == 0)
        choose(data, p->validation, asked);
    if (all || strcmp(asked, "test") == 0)
        choose(data, p->test, asked);
    if (p->split != NULL && strcmp(asked, "validation") == 0)
        data->noted = ", set aside from what was trained on";
    else if (p->split != NULL && strcmp(asked, "train") == 0)
        data->noted = ", without what was set aside from it";
}

/* "a train part", "train and validation parts". */
static const char *parts_text(const vgg_dataset_parts *p, char buffer[VGG_CLI_TEXT_SIZE]) {
    const char *const names[] = {"train", "validation", "test"};
    const bool there[] = {p->train != NULL, p->validation != NULL, p->test != NULL};
    size_t length = 0, count = (size_t)there[0] + there[1] + there[2], named = 0;
    for (size_t i = 0; i < 3; i++) {
        if (there[i])
            length += (size_t)snprintf(buffer + length, VGG_CLI_TEXT_SIZE - length, "%s%s",
                                       named++ > 0  ? " and "
                                       : count == 1 ? "a "
                                                    : "",
                                       names[i]);
    }
    snprintf(buffer + length, VGG_CLI_TEXT_SIZE - length, " part%s", count > 1 ? "s" : "");
    return buffer;
}

bool vgg_cli_eval_open(const vgg_cli_eval_options *o, const char *path, const vgg_model *model,
                       vgg_cli_eval_data *data) {
    char text[VGG_CLI_TEXT_SIZE];
    if (!open_parts(o, path, model, &data->parts))
        return false;
    choose_part(o, data);
    if (data->count > 0)
        return true;
    vgg_cli_complain("eval", "%s: has no %s part, only %s", path, data->name,
                     parts_text(&data->parts, text));
    return false;
}
