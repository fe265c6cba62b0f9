/* Where a model is written to: a file, which appears whole or not at all, or a function of the
 * caller's, which gets the bytes one after the other. */
#ifndef VGG_BASE_SINK_H
#define VGG_BASE_SINK_H

#include <stddef.h>

#include "base/file.h"
#include "base/meter.h"
#include "vgg/stream.h"

typedef struct vgg_sink {
    const char *name;          /* its path, or what messages call it; not owned */
    vgg_write_callback *write; /* NULL: a file */
    void *user;
    vgg_file_writer file;
    size_t position;  /* bytes written */
    vgg_meter *meter; /* NULL: nobody is told; set after the opening */
} vgg_sink;

/* Both are to be closed. The path must outlive the sink. */
vgg_status vgg_sink_open_file(vgg_sink *sink, const char *path, vgg_error *error);
void vgg_sink_open_callback(vgg_sink *sink, const char *name, vgg_write_callback *write,
                            void *user);

vgg_status vgg_sink_write(vgg_sink *sink, const void *bytes, size_t size, vgg_error *error);

/* `status` is how the writing went: a file gets its name when that is VGG_OK, and leaves no trace
 * otherwise. Returns `status`, or how the last step failed. */
vgg_status vgg_sink_close(vgg_sink *sink, vgg_status status, vgg_error *error);

#endif
