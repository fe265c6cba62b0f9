/* What all of the HDF5 reader goes through: numbers, pieces of the file, and the messages of an
 * object's header. */
#include "formats/containers/hdf5_parts.h"

#include <string.h>

#include "base/error.h"

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
