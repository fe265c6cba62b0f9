/* A link of an HDF5 group, as a message of its header or an object of its heap (IV.A.2.g). */
#include <string.h>

#include "base/error.h"
#include "formats/containers/hdf5_parts.h"

vgg_status vgg_hdf5_give_link(const vgg_hdf5 *file, const unsigned char *name, size_t length,
                              uint64_t address, vgg_hdf5_visit visit, void *context,
                              vgg_error *error) {
    char text[VGG_HDF5_NAME];
    if (length == 0 || length >= sizeof text || memchr(name, '/', length) != NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a name of %zu bytes, expected 1 to %d",
                        file->path, length, VGG_HDF5_NAME - 1);
    memcpy(text, name, length);
    text[length] = '\0';
    return visit(context, text, address, error);
}

vgg_status vgg_hdf5_fail_soft(const vgg_hdf5 *file, const unsigned char *name, size_t length,
                              vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: \"%.*s\" is a link to a name or to another file, expected the object "
                    "itself",
                    file->path, length < 80 ? (int)length : 80, (const char *)name);
}

vgg_status vgg_hdf5_read_link(const vgg_hdf5 *file, const unsigned char *bytes, size_t size,
                              vgg_hdf5_visit visit, void *context, vgg_error *error) {
    static const char broken[] = "%s: has a broken link";
    if (size < 2 || bytes[0] != 1)
        return vgg_fail(error, VGG_ERROR_FORMAT, broken, file->path);
    unsigned flags = bytes[1];
    size_t at = 2, width = (size_t)1 << (flags & 3u);
    size_t fixed =
        (flags & 0x08u ? 1u : 0u) + (flags & 0x04u ? 8u : 0u) + (flags & 0x10u ? 1u : 0u);
    if (size - at < fixed + width)
        return vgg_fail(error, VGG_ERROR_FORMAT, broken, file->path);
    bool hard = !(flags & 0x08u) || bytes[at] == 0;
    at += fixed;
    uint64_t length = vgg_hdf5_number(bytes + at, width);
    at += width;
    if (length > size - at)
        return vgg_fail(error, VGG_ERROR_FORMAT, broken, file->path);
    if (!hard)
        return vgg_hdf5_fail_soft(file, bytes + at, (size_t)length, error);
    if (size - at - length < 8)
        return vgg_fail(error, VGG_ERROR_FORMAT, broken, file->path);
    return vgg_hdf5_give_link(file, bytes + at, (size_t)length,
                              vgg_hdf5_number(bytes + at + length, 8), visit, context, error);
}
