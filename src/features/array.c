/* Arrays of numbers as files. */
#include "base/error.h"
#include "base/sink.h"
#include "formats/containers/npy_head.h"
#include "vgg/features.h"

vgg_status vgg_array_save(const float *values, const size_t *shape, size_t dimensions,
                          const char *path, vgg_error *error) {
    if (dimensions == 0 || dimensions > 4)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: an array of %zu sizes, expected 1 to 4",
                        path, dimensions);
    unsigned char head[VGG_NPY_HEAD];
    size_t count = 1;
    for (size_t d = 0; d < dimensions; d++) {
        count *= shape[d];
    }
    vgg_npy_head_write(head, "<f4", shape, dimensions);
    vgg_sink sink;
    vgg_status status = vgg_sink_open_file(&sink, path, error);
    if (status != VGG_OK)
        return status;
    sink.meter = NULL;
    status = vgg_sink_write(&sink, head, sizeof head, error);
    if (status == VGG_OK)
        status = vgg_sink_write(&sink, values, count * sizeof *values, error);
    return vgg_sink_close(&sink, status, error);
}
