#include "base/sink.h"

#include "base/error.h"
#include "base/memory.h"

vgg_status vgg_sink_open_file(vgg_sink *sink, const char *path, vgg_error *error) {
    *sink = (vgg_sink){.name = path};
    return vgg_file_create(&sink->file, path, error);
}

void vgg_sink_open_callback(vgg_sink *sink, const char *name, vgg_write_callback *write,
                            void *user) {
    *sink = (vgg_sink){.name = name, .write = write, .user = user};
}

/* Bytes after which a caller may stop a write. */
#define STEP ((size_t)16 << 20)

static vgg_status write_step(vgg_sink *sink, const void *bytes, size_t size, vgg_error *error) {
    vgg_status status = VGG_OK;
    if (sink->write == NULL)
        status = vgg_file_write(&sink->file, bytes, size, error);
    else if (!sink->write(sink->user, bytes, size))
        status = vgg_fail(error, VGG_ERROR_IO, "%s: the function that takes it failed at byte %zu",
                          sink->name, sink->position);
    sink->position += size;
    return status == VGG_OK ? vgg_meter_add(sink->meter, size, error) : status;
}

vgg_status vgg_sink_write(vgg_sink *sink, const void *bytes, size_t size, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t done = 0, step; status == VGG_OK && done < size; done += step) {
        step = vgg_size_min(size - done, STEP);
        status = write_step(sink, (const char *)bytes + done, step, error);
    }
    return status;
}

vgg_status vgg_sink_close(vgg_sink *sink, vgg_status status, vgg_error *error) {
    if (sink->write != NULL)
        return status;
    if (status == VGG_OK)
        return vgg_file_commit(&sink->file, error);
    vgg_file_abandon(&sink->file);
    return status;
}
