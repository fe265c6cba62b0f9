/* NumPy's arrays in pickles. */
#ifndef VGG_FORMATS_CONTAINERS_PICKLE_ARRAY_H
#define VGG_FORMATS_CONTAINERS_PICKLE_ARRAY_H

#include "base/elements.h"
#include "formats/containers/pickle.h"
#include "formats/storage.h"

typedef struct vgg_pickle_array {
    const vgg_element_type *type; /* NULL for an array of objects */
    bool columns;                 /* the first index runs fastest: Fortran's order */
    size_t dimensions, shape[VGG_STORED_DIMENSIONS];
    size_t count;
    const unsigned char *bytes;      /* count values, in the pickle; NULL for objects */
    size_t length;                   /* of the bytes */
    bool letters;                    /* each of them stands there as a letter of UTF-8 */
    const vgg_pickle_value *objects; /* a list of `count` values */
} vgg_pickle_array;

/* Takes an ARRAY apart. False for one of values that no tensor has (big-endian, text, structures),
 * or that is not described as NumPy does. */
bool vgg_pickle_array_read(const vgg_pickle *pickle, const vgg_pickle_value *value,
                           vgg_pickle_array *array);

/* Writes the count * type->bytes bytes of an array whose bytes are letters; false when they are not
 * as many. */
bool vgg_pickle_array_spell(const vgg_pickle_array *array, unsigned char *to);

/* NumPy's name of a type, "<f4" or "f4", as an element's; NULL for another and for big-endian. */
const vgg_element_type *vgg_numpy_type(const char *text, size_t length);

#endif
