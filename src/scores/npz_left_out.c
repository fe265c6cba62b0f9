/* NumPy's files in a library that was built without them. */
#include "base/error.h"
#include "scores/file.h"

static vgg_status fail(const char *path, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: this library was built without NumPy's files (VGG_WITH_NUMPY); CSV files "
                    "hold the same",
                    path);
}

vgg_status vgg_scores_read_npz(const char *path, const vgg_scores_read_options *options,
                               vgg_scores **scores, vgg_error *error) {
    (void)options;
    (void)scores;
    return fail(path, error);
}

vgg_status vgg_scores_write_npz(const vgg_scores *scores, const char *path, vgg_error *error) {
    (void)scores;
    return fail(path, error);
}
