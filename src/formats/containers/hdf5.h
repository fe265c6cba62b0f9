/* A reader of the part of HDF5 that weight files are written in: groups, attributes, and data sets
 * of floating-point numbers that lie in one piece (HDF5 File Format Specification 3.0; the numbers
 * of the sections in hdf5*.c are its own). Everything is looked up in the mapped file, and nothing
 * is copied but texts. */
#ifndef VGG_FORMATS_CONTAINERS_HDF5_H
#define VGG_FORMATS_CONTAINERS_HDF5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/elements.h"
#include "formats/storage.h"
#include "vgg/status.h"

#define VGG_HDF5_SIGNATURE "\x89HDF\r\n\x1a\n"
#define VGG_HDF5_NAME 256 /* bytes of a link's name, with the zero behind it */

typedef struct vgg_hdf5 {
    const char *path; /* for messages */
    const unsigned char *bytes;
    size_t size;
    uint64_t root; /* the object that all others are found from */
    size_t parts;  /* that were looked at so far: a broken file may lead in circles */
} vgg_hdf5;

/* The values of a data set or of an attribute. */
typedef struct vgg_hdf5_array {
    const vgg_element_type *type; /* NULL for what is no little-endian floating-point number */
    bool text, variable;          /* strings, of variable length */
    size_t item;                  /* bytes of a value */
    size_t dimensions, shape[VGG_STORED_DIMENSIONS], count;
    const unsigned char *bytes; /* count * item bytes of the map */
} vgg_hdf5_array;

/* An object is named by the byte of its header, as in `root`. */
typedef struct vgg_hdf5_object {
    bool is_array;        /* a data set, else a group */
    vgg_hdf5_array array; /* of a data set */
} vgg_hdf5_object;

static inline bool vgg_hdf5_sniff(const unsigned char *bytes, size_t size) {
    return size >= 8 && memcmp(bytes, VGG_HDF5_SIGNATURE, 8) == 0;
}

/* The bytes and the path must outlive *file. */
vgg_status vgg_hdf5_open(vgg_hdf5 *file, const char *path, const unsigned char *bytes, size_t size,
                         vgg_error *error);

/* Data sets in chunks, compressed, or in other files are refused. */
vgg_status vgg_hdf5_read_object(vgg_hdf5 *file, uint64_t address, vgg_hdf5_object *object,
                                vgg_error *error);

/* Calls `visit` for each hard link of a group; other kinds of links are refused. */
typedef vgg_status (*vgg_hdf5_visit)(void *context, const char *name, uint64_t address,
                                     vgg_error *error);
vgg_status vgg_hdf5_links(vgg_hdf5 *file, uint64_t address, vgg_hdf5_visit visit, void *context,
                          vgg_error *error);

/* *found says whether the object has an attribute of that name. */
vgg_status vgg_hdf5_attribute(vgg_hdf5 *file, uint64_t address, const char *name, bool *found,
                              vgg_hdf5_array *array, vgg_error *error);

/* A string of an array of strings, which the caller frees. */
vgg_status vgg_hdf5_text(vgg_hdf5 *file, const vgg_hdf5_array *array, size_t index, char **text,
                         vgg_error *error);

#endif
