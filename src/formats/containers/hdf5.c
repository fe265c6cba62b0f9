#include "formats/containers/hdf5.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/containers/hdf5_parts.h"

#define PARTS_MAX ((size_t)1 << 20)
#define BLOCKS_MAX 64 /* of an object's header */

uint64_t vgg_hdf5_number(const unsigned char *bytes, size_t width) {
    uint64_t number = 0;
    for (size_t i = width; i-- > 0;) {
        number = number << 8 | bytes[i];
    }
    return number;
}

const unsigned char *vgg_hdf5_part(const vgg_hdf5 *file, uint64_t at, uint64_t count) {
    return at <= file->size && count <= file->size - at ? file->bytes + at : NULL;
}

vgg_status vgg_hdf5_fail(const vgg_hdf5 *file, uint64_t at, const char *what, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: %s (byte %llu)", file->path, what,
                    (unsigned long long)at);
}

vgg_status vgg_hdf5_count_part(vgg_hdf5 *file, vgg_error *error) {
    if (file->parts++ < PARTS_MAX)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: leads in circles, or has more than %zu parts",
                    file->path, PARTS_MAX);
}

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

/* ---- headers of objects ---- */

/* A header on its way: its messages lie in blocks, each of which may name others. */
typedef struct header {
    vgg_hdf5 *file;
    vgg_hdf5_visit_message visit;
    void *context;
    size_t before; /* bytes before a message's own: type, size, flags */
    bool new_kind; /* "version 2" */
    size_t count;
    struct {
        uint64_t at, size;
    } blocks[BLOCKS_MAX];
} header;

static vgg_status add_block(header *h, uint64_t at, uint64_t size, vgg_error *error) {
    if (vgg_hdf5_part(h->file, at, size) == NULL)
        return vgg_hdf5_fail(h->file, at, "has an object's header beyond its end", error);
    if (h->count == BLOCKS_MAX)
        return vgg_hdf5_fail(h->file, at, "has an object whose header is in too many blocks",
                             error);
    h->blocks[h->count].at = at;
    h->blocks[h->count++].size = size;
    return VGG_OK;
}

/* IV.A.1.a */
static vgg_status begin_old(header *h, uint64_t address, const unsigned char *bytes,
                            vgg_error *error) {
    h->before = 8;
    return add_block(h, address + 16, vgg_hdf5_number(bytes + 8, 4), error);
}

/* IV.A.1.b */
static vgg_status begin_new(header *h, uint64_t address, const unsigned char *bytes,
                            vgg_error *error) {
    unsigned flags = bytes[5];
    h->new_kind = true;
    h->before = flags & 0x04u ? 6 : 4;
    uint64_t at = address + 6 + (flags & 0x20u ? 16 : 0) + (flags & 0x10u ? 4 : 0);
    size_t width = (size_t)1 << (flags & 3u);
    const unsigned char *size = vgg_hdf5_part(h->file, at, width);
    if (bytes[4] != 2 || size == NULL)
        return vgg_hdf5_fail(h->file, address, "has a broken object header", error);
    return add_block(h, at + width, vgg_hdf5_number(size, width), error);
}

/* A continuation block of the new kind has a signature before and a checksum behind its messages.
 */
static vgg_status continue_header(header *h, const vgg_hdf5_message *message, vgg_error *error) {
    if (message->size < 16)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a broken object header", h->file->path);
    uint64_t at = vgg_hdf5_number(message->bytes, 8);
    uint64_t size = vgg_hdf5_number(message->bytes + 8, 8);
    if (!h->new_kind)
        return add_block(h, at, size, error);
    const unsigned char *bytes = vgg_hdf5_part(h->file, at, size);
    if (bytes == NULL || size < 8 || memcmp(bytes, "OCHK", 4) != 0)
        return vgg_hdf5_fail(h->file, at, "has a broken object header", error);
    return add_block(h, at + 4, size - 8, error);
}

static vgg_status visit_block(header *h, size_t block, vgg_error *error) {
    uint64_t at = h->blocks[block].at, size = h->blocks[block].size, done = 0;
    const unsigned char *bytes = h->file->bytes + at;
    vgg_status status = VGG_OK;
    while (status == VGG_OK && size - done >= h->before) {
        const unsigned char *m = bytes + done;
        vgg_hdf5_message message = {
            .type = (unsigned)vgg_hdf5_number(m, h->new_kind ? 1 : 2),
            .size = (size_t)vgg_hdf5_number(m + (h->new_kind ? 1 : 2), 2),
            .flags = m[h->new_kind ? 3 : 4],
            .bytes = m + h->before,
        };
        done += h->before;
        if (message.size > size - done)
            return vgg_hdf5_fail(h->file, at + done, "has a broken object header", error);
        done += message.size;
        status = vgg_hdf5_count_part(h->file, error);
        if (status == VGG_OK)
            status = message.type == VGG_HDF5_CONTINUATION ? continue_header(h, &message, error)
                                                           : h->visit(h->context, &message, error);
    }
    return status;
}

vgg_status vgg_hdf5_messages(vgg_hdf5 *file, uint64_t address, vgg_hdf5_visit_message visit,
                             void *context, vgg_error *error) {
    header h = {.file = file, .visit = visit, .context = context};
    const unsigned char *bytes = vgg_hdf5_part(file, address, 16);
    if (bytes == NULL)
        return vgg_hdf5_fail(file, address, "has an object's header beyond its end", error);
    vgg_status status;
    if (memcmp(bytes, "OHDR", 4) == 0)
        status = begin_new(&h, address, bytes, error);
    else if (bytes[0] == 1)
        status = begin_old(&h, address, bytes, error);
    else
        status = vgg_hdf5_fail(file, address, "has no object where one is expected", error);
    for (size_t i = 0; status == VGG_OK && i < h.count; i++) {
        status = visit_block(&h, i, error);
    }
    return status;
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
