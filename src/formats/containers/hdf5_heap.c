/* The links of HDF5 groups with more than a few of them, in files of the newer kind: a tree of
 * hashes of names leads to link messages in a "fractal" heap. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/containers/hdf5_parts.h"

/* III.G: the heap is one direct block, or a table of them in rows whose blocks double in size. */
typedef struct fractal_heap {
    vgg_hdf5 *file;
    uint64_t root, first_block, most_block;
    size_t rows, columns;
    size_t offset_width, length_width; /* of the numbers in an object's ID */
} fractal_heap;

static size_t bytes_for(uint64_t most) {
    size_t width = 1;
    while (width < 8 && most >> 8 * width != 0) {
        width++;
    }
    return width;
}

static vgg_status open_heap(fractal_heap *heap, vgg_hdf5 *file, uint64_t address,
                            vgg_error *error) {
    enum { SIZE = 142 };
    const unsigned char *head = vgg_hdf5_part(file, address, SIZE);
    if (head == NULL || memcmp(head, "FRHP", 4) != 0 || vgg_hdf5_number(head + 7, 2) != 0)
        return vgg_hdf5_fail(file, address, "has a group with a broken heap", error);
    uint64_t longest = vgg_hdf5_number(head + 10, 4);
    heap->file = file;
    heap->columns = (size_t)vgg_hdf5_number(head + 110, 2);
    heap->first_block = vgg_hdf5_number(head + 112, 8);
    heap->most_block = vgg_hdf5_number(head + 120, 8);
    size_t bits = (size_t)vgg_hdf5_number(head + 128, 2);
    heap->offset_width = (bits + 7) / 8;
    heap->length_width = vgg_size_min(bytes_for(heap->most_block), bytes_for(longest));
    heap->root = vgg_hdf5_number(head + 132, 8);
    heap->rows = (size_t)vgg_hdf5_number(head + 140, 2);
    if (bits == 0 || bits > 64 || heap->columns == 0 || heap->first_block == 0 ||
        heap->first_block > heap->most_block || heap->most_block > UINT32_MAX)
        return vgg_hdf5_fail(file, address, "has a group with a broken heap", error);
    return VGG_OK;
}

/* The block that the offset of the heap lies in, and where it begins; NOWHERE when there is none or
 * when it lies below a second table, which thousands of links would need. */
static uint64_t find_block(const fractal_heap *heap, uint64_t *offset, uint64_t *size) {
    *size = heap->first_block;
    if (heap->rows == 0)
        return heap->root;
    uint64_t at = heap->root + 13 + heap->offset_width;
    const unsigned char *head = vgg_hdf5_part(heap->file, heap->root, 4);
    if (head == NULL || memcmp(head, "FHIB", 4) != 0)
        return VGG_HDF5_NOWHERE;
    for (size_t row = 0; row < heap->rows && *size <= heap->most_block; row++) {
        uint64_t whole = *size * heap->columns;
        if (*offset < whole) {
            const unsigned char *child = vgg_hdf5_part(heap->file, at + 8 * (*offset / *size), 8);
            *offset %= *size;
            return child == NULL ? VGG_HDF5_NOWHERE : vgg_hdf5_number(child, 8);
        }
        *offset -= whole;
        at += 8 * heap->columns;
        if (row > 0)
            *size *= 2;
    }
    return VGG_HDF5_NOWHERE;
}

/* An object by its ID: a byte of flags, its place in the heap and its length. */
static const unsigned char *find_object(const fractal_heap *heap, const unsigned char *id,
                                        size_t *length) {
    enum { KIND = 0xf0 }; /* 0 for objects that lie in the blocks themselves */
    uint64_t offset = vgg_hdf5_number(id + 1, heap->offset_width), size;
    *length = (size_t)vgg_hdf5_number(id + 1 + heap->offset_width, heap->length_width);
    uint64_t block = find_block(heap, &offset, &size);
    const unsigned char *bytes = vgg_hdf5_part(heap->file, block, size);
    if ((id[0] & KIND) != 0 || bytes == NULL || memcmp(bytes, "FHDB", 4) != 0 || offset > size ||
        *length > size - offset)
        return NULL;
    return bytes + offset;
}

/* ---- the tree ---- */

/* III.A.2: each record is a hash and the ID of a link in the heap. */
typedef struct name_tree {
    const fractal_heap *heap;
    size_t record, node; /* bytes of a record and of a node */
    vgg_hdf5_visit visit;
    void *context;
} name_tree;

enum { NODE_HEAD = 6, CHECKSUM = 4, HASH = 4, LINKS_BY_NAME = 5 };

static vgg_status visit_records(const name_tree *tree, const unsigned char *records, size_t count,
                                vgg_error *error) {
    vgg_hdf5 *file = tree->heap->file;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        size_t length;
        const unsigned char *link =
            find_object(tree->heap, records + tree->record * i + HASH, &length);
        if (link == NULL)
            return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a group with a broken heap",
                            file->path);
        status = vgg_hdf5_count_part(file, error);
        if (status == VGG_OK)
            status = vgg_hdf5_read_link(file, link, length, tree->visit, tree->context, error);
    }
    return status;
}

/* A node of the depth, with so many records; what leads on to its children follows them. */
static vgg_status visit_node(const name_tree *tree, uint64_t address, uint64_t count, size_t depth,
                             vgg_error *error) {
    vgg_hdf5 *file = tree->heap->file;
    const unsigned char *node = vgg_hdf5_part(file, address, tree->node);
    size_t most = (tree->node - NODE_HEAD - CHECKSUM) / tree->record;
    size_t width = bytes_for(most);
    if (node == NULL || memcmp(node, depth == 0 ? "BTLF" : "BTIN", 4) != 0 || count > most)
        return vgg_hdf5_fail(file, address, "has a group with a broken tree", error);
    vgg_status status = visit_records(tree, node + NODE_HEAD, (size_t)count, error);
    size_t at = NODE_HEAD + tree->record * (size_t)count;
    if (depth > 0 && (count + 1) * (8 + width) > tree->node - at)
        return vgg_hdf5_fail(file, address, "has a group with a broken tree", error);
    for (size_t i = 0; status == VGG_OK && depth > 0 && i <= count; i++, at += 8 + width) {
        status = visit_node(tree, vgg_hdf5_number(node + at, 8),
                            vgg_hdf5_number(node + at + 8, width), depth - 1, error);
    }
    return status;
}

vgg_status vgg_hdf5_heap_links(vgg_hdf5 *file, uint64_t heap, uint64_t tree, vgg_hdf5_visit visit,
                               void *context, vgg_error *error) {
    enum { SIZE = 38, DEPTH_MAX = 1, NODE_MAX = 1 << 20 };
    fractal_heap opened;
    vgg_status status = open_heap(&opened, file, heap, error);
    if (status != VGG_OK)
        return status;
    const unsigned char *head = vgg_hdf5_part(file, tree, SIZE);
    if (head == NULL || memcmp(head, "BTHD", 4) != 0 || head[5] != LINKS_BY_NAME)
        return vgg_hdf5_fail(file, tree, "has a group with a broken tree", error);
    name_tree t = {.heap = &opened,
                   .node = (size_t)vgg_hdf5_number(head + 6, 4),
                   .record = (size_t)vgg_hdf5_number(head + 10, 2),
                   .visit = visit,
                   .context = context};
    size_t depth = (size_t)vgg_hdf5_number(head + 12, 2);
    uint64_t root = vgg_hdf5_number(head + 16, 8), count = vgg_hdf5_number(head + 24, 2);
    if (t.record < HASH + 1 + opened.offset_width + opened.length_width ||
        t.node < NODE_HEAD + CHECKSUM + t.record || t.node > NODE_MAX || depth > DEPTH_MAX)
        return vgg_hdf5_fail(file, tree,
                             "has a group with a broken tree, or with thousands of links", error);
    return root == VGG_HDF5_NOWHERE ? VGG_OK : visit_node(&t, root, count, depth, error);
}
