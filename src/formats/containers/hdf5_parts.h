/* What the sources of the HDF5 reader share. */
#ifndef VGG_FORMATS_CONTAINERS_HDF5_PARTS_H
#define VGG_FORMATS_CONTAINERS_HDF5_PARTS_H

#include "formats/containers/hdf5.h"

#define VGG_HDF5_NOWHERE UINT64_MAX /* the address of what does not exist */

/* One message of an object's header (IV.A.2). */
typedef struct vgg_hdf5_message {
    unsigned type, flags;
    const unsigned char *bytes;
    size_t size;
} vgg_hdf5_message;

#define VGG_HDF5_SHARED 0x02u /* of flags: the message stands elsewhere */

enum {
    VGG_HDF5_DATASPACE = 0x01,
    VGG_HDF5_LINK_INFO = 0x02,
    VGG_HDF5_DATATYPE = 0x03,
    VGG_HDF5_LINK = 0x06,
    VGG_HDF5_EXTERNAL = 0x07,
    VGG_HDF5_LAYOUT = 0x08,
    VGG_HDF5_ATTRIBUTE = 0x0c,
    VGG_HDF5_CONTINUATION = 0x10,
    VGG_HDF5_SYMBOL_TABLE = 0x11,
};

/* A little-endian number of `width` bytes, at most 8. */
uint64_t vgg_hdf5_number(const unsigned char *bytes, size_t width);

/* The `count` bytes from `at` on, or NULL when they are not all in the file. */
const unsigned char *vgg_hdf5_part(const vgg_hdf5 *file, uint64_t at, uint64_t count);

/* Counts one more part; fails when there are more than any weight file has. */
vgg_status vgg_hdf5_count_part(vgg_hdf5 *file, vgg_error *error);

vgg_status vgg_hdf5_fail(const vgg_hdf5 *file, uint64_t at, const char *what, vgg_error *error);

/* Calls `visit` for each message of the object's header. */
typedef vgg_status (*vgg_hdf5_visit_message)(void *context, const vgg_hdf5_message *message,
                                             vgg_error *error);
vgg_status vgg_hdf5_messages(vgg_hdf5 *file, uint64_t address, vgg_hdf5_visit_message visit,
                             void *context, vgg_error *error);

/* Read messages of these types into *array; false when they are broken. A type or shape that no
 * weight can have is not broken: it leaves `type` NULL. */
bool vgg_hdf5_read_datatype(const unsigned char *bytes, size_t size, vgg_hdf5_array *array);
bool vgg_hdf5_read_dataspace(const unsigned char *bytes, size_t size, vgg_hdf5_array *array);

/* Gives the visitor a link whose name is `length` bytes of the file. */
vgg_status vgg_hdf5_give_link(const vgg_hdf5 *file, const unsigned char *name, size_t length,
                              uint64_t address, vgg_hdf5_visit visit, void *context,
                              vgg_error *error);

/* Refuses a link to a name. */
vgg_status vgg_hdf5_fail_soft(const vgg_hdf5 *file, const unsigned char *name, size_t length,
                              vgg_error *error);

/* One link of the message or heap object, of which it takes no more than `size` bytes. */
vgg_status vgg_hdf5_read_link(const vgg_hdf5 *file, const unsigned char *bytes, size_t size,
                              vgg_hdf5_visit visit, void *context, vgg_error *error);

/* The links of a group that keeps them in a fractal heap, with a tree of their names. */
vgg_status vgg_hdf5_heap_links(vgg_hdf5 *file, uint64_t heap, uint64_t tree, vgg_hdf5_visit visit,
                               void *context, vgg_error *error);

#endif
