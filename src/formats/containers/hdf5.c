#include "formats/containers/hdf5.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/containers/hdf5_parts.h"

/* ---- the superblock ---- */

/* II.A: where the numbers stand in the superblock of a version. */
typedef struct superblock {
    size_t widths, base, end, root, size;
} superblock;

static const superblock *find_superblock(unsigned version) {
    static const superblock kinds[] = {
        {.widths = 13, .base = 24, .end = 40, .root = 64, .size = 96},
        {.widths = 13, .base = 28, .end = 44, .root = 68, .size = 100},
        {.widths = 9, .base = 12, .end = 28, .root = 36, .size = 48},
        {.widths = 9, .base = 12, .end = 28, .root = 36, .size = 48},
    };
    return version < sizeof kinds / sizeof *kinds ? &kinds[version] : NULL;
}

vgg_status vgg_hdf5_open(vgg_hdf5 *file, const char *path, const unsigned char *bytes, size_t size,
                         vgg_error *error) {
    *file = (vgg_hdf5){.path = path, .bytes = bytes, .size = size};
    if (!vgg_hdf5_sniff(bytes, size))
        return vgg_hdf5_fail(file, 0, "is no HDF5 file: its signature is missing", error);
    const superblock *block = size > 8 ? find_superblock(bytes[8]) : NULL;
    if (size > 8 && block == NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is an HDF5 file of version %d, expected 0 to 3 (byte 8)", path,
                        bytes[8]);
    if (block == NULL || size < block->size)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is an HDF5 file truncated at byte %zu", path,
                        size);
    const unsigned char *widths = bytes + block->widths;
    if (widths[0] != 8 || widths[1] != 8 || vgg_hdf5_number(bytes + block->base, 8) != 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is an HDF5 file with offsets of %d bytes and lengths of %d, or "
                        "offsets not from its start, expected 8 and 8 (byte %zu)",
                        path, widths[0], widths[1], block->widths);
    uint64_t end = vgg_hdf5_number(bytes + block->end, 8);
    if (end > size)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is an HDF5 file truncated at byte %zu, expected %llu bytes", path,
                        size, (unsigned long long)end);
    file->root = vgg_hdf5_number(bytes + block->root, 8);
    return VGG_OK;
}

/* ---- data sets ---- */

typedef struct object_reading {
    vgg_hdf5 *file;
    vgg_hdf5_object *object;
    bool has_type, has_space, has_layout, is_group;
    uint64_t at, size; /* of the values */
} object_reading;

/* IV.A.2.i: layouts before version 3 are those of HDF5 before 1.6.3. */
static vgg_status read_layout(object_reading *r, const vgg_hdf5_message *m, vgg_error *error) {
    enum { COMPACT, CONTIGUOUS };
    if (m->size < 2 || (m->bytes[0] != 3 && m->bytes[0] != 4))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: describes where values lie in a way that is not known", r->file->path);
    if (m->bytes[1] == COMPACT && m->size >= 4) {
        r->at = (uint64_t)(m->bytes + 4 - r->file->bytes);
        r->size = vgg_hdf5_number(m->bytes + 2, 2);
        if (r->size > m->size - 4)
            return vgg_hdf5_fail(r->file, r->at, "has values beyond an object's header", error);
    } else if (m->bytes[1] == CONTIGUOUS && m->size >= 18) {
        r->at = vgg_hdf5_number(m->bytes + 2, 8);
        r->size = vgg_hdf5_number(m->bytes + 10, 8);
    } else
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has values in chunks (as compressed ones are) or elsewhere, expected "
                        "each tensor in one piece, as Keras writes it; h5repack -l CONTI -f NONE "
                        "makes it so",
                        r->file->path);
    r->has_layout = true;
    return VGG_OK;
}

static vgg_status see_message(void *context, const vgg_hdf5_message *m, vgg_error *error) {
    object_reading *r = context;
    vgg_hdf5_array *array = &r->object->array;
    switch (m->type) {
    case VGG_HDF5_DATATYPE:
        r->has_type = true;
        if (!(m->flags & VGG_HDF5_SHARED) && !vgg_hdf5_read_datatype(m->bytes, m->size, array))
            return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a broken type", r->file->path);
        return VGG_OK;
    case VGG_HDF5_DATASPACE:
        r->has_space = true;
        if ((m->flags & VGG_HDF5_SHARED) || !vgg_hdf5_read_dataspace(m->bytes, m->size, array))
            return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a broken shape", r->file->path);
        return VGG_OK;
    case VGG_HDF5_EXTERNAL:
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has values in other files, expected them in this one", r->file->path);
    case VGG_HDF5_LAYOUT:
        return read_layout(r, m, error);
    case VGG_HDF5_LINK:
    case VGG_HDF5_LINK_INFO:
    case VGG_HDF5_SYMBOL_TABLE:
        r->is_group = true;
        return VGG_OK;
    default:
        return VGG_OK;
    }
}

vgg_status vgg_hdf5_read_object(vgg_hdf5 *file, uint64_t address, vgg_hdf5_object *object,
                                vgg_error *error) {
    *object = (vgg_hdf5_object){0};
    object_reading r = {.file = file, .object = object};
    vgg_status status = vgg_hdf5_messages(file, address, see_message, &r, error);
    if (status != VGG_OK || r.is_group)
        return status;
    if (!r.has_type || !r.has_space || !r.has_layout)
        return vgg_hdf5_fail(file, address, "has an object that is neither group nor data set",
                             error);
    vgg_hdf5_array *array = &object->array;
    size_t bytes;
    if (!vgg_size_mul(array->count, array->item, &bytes) || bytes > r.size)
        return vgg_hdf5_fail(file, address, "has a data set with fewer values than its shape says",
                             error);
    array->bytes = vgg_hdf5_part(file, bytes == 0 ? 0 : r.at, bytes);
    if (array->bytes == NULL)
        return vgg_hdf5_fail(file, address, "has a data set with values beyond its end", error);
    object->is_array = true;
    return VGG_OK;
}
