/* The links of an HDF5 group, in each of the three ways in which they are kept. */
#include <string.h>

#include "base/error.h"
#include "formats/containers/hdf5_parts.h"

/* Links of one group on their way to the visitor. */
typedef struct links {
    vgg_hdf5 *file;
    vgg_hdf5_visit visit;
    void *context;
    const unsigned char *names; /* the local heap's */
    uint64_t names_size;
} links;

/* ---- symbol tables ---- */

/* III.C: an entry of a node is the place of a name in the heap, the object and 24 bytes more, the
 * first of which say whether it is a soft link. */
static vgg_status read_symbols(links *l, uint64_t address, vgg_error *error) {
    enum { HEAD = 8, ENTRY = 40, SOFT = 2 };
    const unsigned char *head = vgg_hdf5_part(l->file, address, HEAD);
    if (head == NULL || memcmp(head, "SNOD", 4) != 0)
        return vgg_hdf5_fail(l->file, address, "has a broken group", error);
    size_t count = (size_t)vgg_hdf5_number(head + 6, 2);
    if (vgg_hdf5_part(l->file, address, HEAD + ENTRY * (uint64_t)count) == NULL)
        return vgg_hdf5_fail(l->file, address, "has a group beyond its end", error);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        const unsigned char *entry = head + HEAD + ENTRY * i;
        uint64_t place = vgg_hdf5_number(entry, 8);
        size_t room = place < l->names_size ? (size_t)(l->names_size - place) : 0;
        const unsigned char *name = room > 0 ? l->names + place : NULL;
        const unsigned char *zero = room > 0 ? memchr(name, 0, room) : NULL;
        if (zero == NULL)
            return vgg_hdf5_fail(l->file, address, "has a group with a broken name", error);
        size_t length = (size_t)(zero - name);
        if (vgg_hdf5_number(entry + 16, 4) == SOFT)
            return vgg_hdf5_fail_soft(l->file, name, length, error);
        status = vgg_hdf5_count_part(l->file, error);
        if (status == VGG_OK)
            status = vgg_hdf5_give_link(l->file, name, length, vgg_hdf5_number(entry + 8, 8),
                                        l->visit, l->context, error);
    }
    return status;
}

/* III.A.1: nodes of level 0 lead to symbols, others to nodes of the level below. */
static vgg_status read_tree(links *l, uint64_t address, int level, vgg_error *error) {
    enum { HEAD = 24, LEVELS_MAX = 16 };
    const unsigned char *head = vgg_hdf5_part(l->file, address, HEAD);
    if (head == NULL || memcmp(head, "TREE", 4) != 0 || head[4] != 0 || head[5] > LEVELS_MAX ||
        (level >= 0 && head[5] != level))
        return vgg_hdf5_fail(l->file, address, "has a broken group", error);
    size_t count = (size_t)vgg_hdf5_number(head + 6, 2);
    if (vgg_hdf5_part(l->file, address, HEAD + 8 + 16 * (uint64_t)count) == NULL)
        return vgg_hdf5_fail(l->file, address, "has a group beyond its end", error);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        uint64_t child = vgg_hdf5_number(head + HEAD + 8 + 16 * i, 8);
        status = vgg_hdf5_count_part(l->file, error);
        if (status == VGG_OK)
            status = head[5] == 0 ? read_symbols(l, child, error)
                                  : read_tree(l, child, head[5] - 1, error);
    }
    return status;
}

/* IV.A.2.r and III.D: a tree of symbols, and a heap of their names. */
static vgg_status read_table(links *l, const vgg_hdf5_message *m, vgg_error *error) {
    if (m->size < 16)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a broken group", l->file->path);
    uint64_t heap = vgg_hdf5_number(m->bytes + 8, 8);
    const unsigned char *head = vgg_hdf5_part(l->file, heap, 32);
    if (head == NULL || memcmp(head, "HEAP", 4) != 0)
        return vgg_hdf5_fail(l->file, heap, "has a group without names", error);
    l->names_size = vgg_hdf5_number(head + 8, 8);
    l->names = vgg_hdf5_part(l->file, vgg_hdf5_number(head + 24, 8), l->names_size);
    if (l->names == NULL)
        return vgg_hdf5_fail(l->file, heap, "has a group with names beyond its end", error);
    return read_tree(l, vgg_hdf5_number(m->bytes, 8), -1, error);
}

/* IV.A.2.c */
static vgg_status read_link_info(links *l, const vgg_hdf5_message *m, vgg_error *error) {
    size_t at = m->size >= 2 && m->bytes[1] & 0x01u ? 10 : 2;
    if (m->size < at + 16)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a broken group", l->file->path);
    uint64_t heap = vgg_hdf5_number(m->bytes + at, 8), tree = vgg_hdf5_number(m->bytes + at + 8, 8);
    if (heap == VGG_HDF5_NOWHERE)
        return VGG_OK;
    return vgg_hdf5_heap_links(l->file, heap, tree, l->visit, l->context, error);
}

static vgg_status see_message(void *context, const vgg_hdf5_message *m, vgg_error *error) {
    links *l = context;
    switch (m->type) {
    case VGG_HDF5_SYMBOL_TABLE:
        return read_table(l, m, error);
    case VGG_HDF5_LINK:
        return vgg_hdf5_read_link(l->file, m->bytes, m->size, l->visit, l->context, error);
    case VGG_HDF5_LINK_INFO:
        return read_link_info(l, m, error);
    default:
        return VGG_OK;
    }
}

vgg_status vgg_hdf5_links(vgg_hdf5 *file, uint64_t address, vgg_hdf5_visit visit, void *context,
                          vgg_error *error) {
    links l = {.file = file, .visit = visit, .context = context};
    return vgg_hdf5_messages(file, address, see_message, &l, error);
}
