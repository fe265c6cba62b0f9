#include "data/gzip.h"

#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#define READ_STEP ((size_t)1 << 24)

vgg_status vgg_gzip_open(vgg_gzip *file, const char *path, vgg_error *error) {
    int descriptor;
    size_t size;
    vgg_status status = vgg_file_open(path, &descriptor, &size, error);
    if (status != VGG_OK)
        return status;
    gzFile stream = gzdopen(descriptor, "rb");
    if (stream == NULL) {
        close(descriptor);
        return vgg_fail_memory(error, path, sizeof *file);
    }
    *file = (vgg_gzip){.path = path, .stream = stream, .packed = !gzdirect(stream), .size = size};
    return VGG_OK;
}

void vgg_gzip_close(vgg_gzip *file) {
    gzclose_r(file->stream);
}

vgg_status vgg_gzip_read(vgg_gzip *file, void *to, size_t size, size_t *got, vgg_error *error) {
    size_t done = 0;
    while (done < size) {
        int count = gzread(file->stream, (unsigned char *)to + done,
                           (unsigned)vgg_size_min(size - done, READ_STEP));
        if (count <= 0)
            break;
        done += (size_t)count;
    }
    file->at += done;
    *got = done;
    if (done == size)
        return VGG_OK;
    int code;
    const char *reason = gzerror(file->stream, &code);
    if (code == Z_ERRNO)
        return vgg_file_fail(error, file->path, "read");
    if (code == Z_MEM_ERROR)
        return vgg_fail_memory(error, file->path, size);
    if (code != Z_OK && code != Z_BUF_ERROR)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: damaged gzip data at byte %zu: %s",
                        file->path, file->at, reason);
    return VGG_OK;
}
