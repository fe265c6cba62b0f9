/* In place of npz.c in a build without it. */
#include "base/error.h"
#include "features/file.h"

vgg_status vgg_feature_write_npz(vgg_feature_file *file, vgg_sink *sink, vgg_error *error) {
    (void)sink;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: .npz is not written by this build, which was made with "
                    "VGG_WITH_NUMPY=OFF; expected .npy, .safetensors or .csv",
                    file->path);
}
