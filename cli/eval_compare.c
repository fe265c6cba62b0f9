/* vgg eval --compare: two models on the same data. */
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/eval.h"
#include "cli/message.h"
#include "cli/scores_shown.h"

static double file_bytes(const char *path) {
    struct stat found;
    return vgg_cli_model_stat(path, &found) && S_ISREG(found.st_mode) ? (double)found.st_size : 0;
}

/* Measures one of them. */
static int measure(const vgg_cli_eval_options *o, const char *path, size_t which,
                   vgg_cli_compared *compared, vgg_scores **scores) {
    static const char *const titles[] = {"first", "second"};
    vgg_cli_models one = {0};
    int status = vgg_cli_models_open("eval", &o->source, &o->models.values[which], 1, &one);
    if (status != VGG_CLI_OK)
        return status;
    const vgg_model *model = one.models[0];
    vgg_cli_eval_data data = {.parts = {.struct_size = sizeof data.parts}};
    status = VGG_CLI_FAILURE;
    bool several = vgg_model_output(model) == VGG_OUTPUT_SIGMOID;
    if (several && !vgg_cli_eval_labels_allow(o))
        status = VGG_CLI_USAGE;
    else if (vgg_cli_eval_open(o, path, model, &data))
        status = vgg_cli_eval_measure(o, titles[which], &one, &data, scores,
                                      &compared->images_per_s[which]);
    compared->names[which] = one.paths[0];
    compared->scores[which] = *scores;
    compared->bytes[which] = file_bytes(one.paths[0]);
    compared->parameters[which] = (double)vgg_network_parameters(vgg_model_network(model));
    vgg_dataset_parts_free(&data.parts);
    vgg_cli_models_close(&one);
    return status;
}

int vgg_cli_eval_compare(const vgg_cli_eval_options *o, const char *path) {
    vgg_cli_compared compared = {.command = "eval", .pictures = o->hardest};
    vgg_scores *scores[2] = {NULL, NULL};
    int status = VGG_CLI_OK;
    for (size_t i = 0; i < 2 && (status == VGG_CLI_OK || status == VGG_CLI_SKIPPED); i++) {
        status = measure(o, path, i, &compared, &scores[i]);
    }
    if (scores[1] != NULL && !vgg_cli_compared_show(&compared, o->format))
        status = VGG_CLI_FAILURE;
    vgg_scores_free(scores[0]);
    vgg_scores_free(scores[1]);
    return status;
}
