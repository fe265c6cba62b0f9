/* vgg eval --fit-temperature. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/eval.h"
#include "cli/message.h"

/* Whether a checkpoint beside the file has its sum, or may have it. */
static bool is_of_run(const char *path) {
    const char *slash = strrchr(path, '/');
    char *beside;
    if (asprintf(&beside, "%.*scheckpoint.txt", slash == NULL ? 0 : (int)(slash + 1 - path), path) <
        0)
        return true;
    bool there = access(beside, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
    free(beside);
    return there;
}

const char *vgg_cli_eval_fit_file(const vgg_cli_eval_options *o, const vgg_model *model) {
    const char *path = vgg_cli_model_file(o->source.path);
    if (o->out != NULL)
        return o->out;
    if (vgg_cli_is_builtin(path))
        vgg_cli_complain("eval",
                         "%s: is part of the program, not a file; say where the model with its "
                         "temperature is to be written: -o FILE.safetensors",
                         path);
    else if (strcmp(vgg_model_format(model), "safetensors") != 0)
        vgg_cli_complain("eval",
                         "%s: is a %s file, which is left as it is; say where the model with its "
                         "temperature is to be written: -o FILE.safetensors",
                         path, vgg_model_format(model));
    else if (is_of_run(path))
        vgg_cli_complain("eval",
                         "%s: belongs to the checkpoint of a run, which is left as it is; say "
                         "where the model with its temperature is to be written: -o FILE",
                         path);
    else
        return path;
    return NULL;
}

bool vgg_cli_eval_fit(const char *path, vgg_model *model, vgg_scores *scores) {
    vgg_score_figures before = {.struct_size = sizeof before}, after = before;
    double temperature;
    vgg_error error;
    vgg_status status = vgg_scores_figures(scores, &before, &error);
    if (status == VGG_OK)
        status = vgg_scores_fit_temperature(scores, &temperature, &error);
    if (status == VGG_OK)
        status = vgg_scores_cool(scores, temperature, &error);
    if (status == VGG_OK)
        status = vgg_scores_figures(scores, &after, &error);
    if (status == VGG_OK)
        status = vgg_model_set_temperature(model, temperature, &error);
    if (status == VGG_OK)
        status = vgg_model_save_as(model, path, NULL, &error);
    if (status != VGG_OK) {
        vgg_cli_complain("eval", "%s", error.message);
        return false;
    }
    vgg_cli_complain("eval",
                     "temperature %.4f: loss %.4f before, %.4f after; calibration error %.4f "
                     "before, %.4f after; stored in %s",
                     temperature, before.loss, after.loss, before.calibration_error,
                     after.calibration_error, path);
    return true;
}
