/* Archives and gzipped files, when this library was built without them (cmake/parts.cmake). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "data/dataset.h"
#include "data/gzip.h"

#if !VGG_WITH_ARCHIVE
static const char option[] = "VGG_WITH_ARCHIVE";

vgg_status vgg_archived_open(const char *path, const char *compression, const char *temporary,
                             vgg_parts *parts, vgg_error *error) {
    (void)temporary;
    (void)parts;
    if (compression != NULL && strcmp(compression, "zip") == 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is a zip archive; this libvgg was built without %s", path, option);
    if (compression != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is compressed with %s; this libvgg was built without %s", path,
                        compression, option);
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: is a tar archive; this libvgg was built without %s", path, option);
}

/* Reads files that are not gzipped. */
vgg_status vgg_gzip_open(vgg_gzip *file, const char *path, vgg_error *error) {
    int descriptor;
    size_t size;
    vgg_status status = vgg_file_open(path, &descriptor, &size, error);
    if (status != VGG_OK)
        return status;
    FILE *stream = fdopen(descriptor, "rb");
    if (stream == NULL) {
        close(descriptor);
        return vgg_fail_memory(error, path, sizeof *stream);
    }
    int first = getc(stream), second = getc(stream);
    rewind(stream);
    if (first == 0x1f && second == 0x8b) {
        fclose(stream);
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is gzipped; this libvgg was built without %s", path, option);
    }
    *file = (vgg_gzip){.path = path, .stream = stream, .size = size};
    return VGG_OK;
}

void vgg_gzip_close(vgg_gzip *file) {
    fclose(file->stream);
}

vgg_status vgg_gzip_read(vgg_gzip *file, void *to, size_t size, size_t *got, vgg_error *error) {
    *got = fread(to, 1, size, file->stream);
    file->at += *got;
    if (*got < size && ferror((FILE *)file->stream))
        return vgg_file_fail(error, file->path, "read");
    return VGG_OK;
}
#endif
