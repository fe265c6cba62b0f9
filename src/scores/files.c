/* Which format a file of scores has. */
#include <strings.h>

#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "scores/file.h"

static bool ends_in(const char *path, const char *ending) {
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcasecmp(path + length - tail, ending) == 0;
}

void vgg_scores_read_options_init(vgg_scores_read_options *options, size_t size) {
    const vgg_scores_read_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

vgg_status vgg_scores_read(const char *path, const vgg_scores_read_options *given,
                           vgg_scores **scores, vgg_error *error) {
    vgg_scores_read_options options;
    vgg_scores_read_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_scores_read_options", error);
    if (status != VGG_OK)
        return status;
    return ends_in(path, ".npz") ? vgg_scores_read_npz(path, &options, scores, error)
                                 : vgg_scores_read_csv(path, &options, scores, error);
}

vgg_status vgg_scores_write(const vgg_scores *scores, const char *path, vgg_error *error) {
    if (scores->kind != VGG_SCORE_PREDICTED && !scores->rows)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: no rows of scores are kept to be written",
                        path);
    if (ends_in(path, ".csv"))
        return vgg_scores_write_csv(scores, path, error);
    if (ends_in(path, ".npz"))
        return vgg_scores_write_npz(scores, path, error);
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "%s: its ending does not say what to write, expected .csv or .npz", path);
}
