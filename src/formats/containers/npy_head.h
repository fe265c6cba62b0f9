/* What stands before the values of an array in NumPy's format, and texts as values. */
#ifndef VGG_FORMATS_CONTAINERS_NPY_HEAD_H
#define VGG_FORMATS_CONTAINERS_NPY_HEAD_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of it here; values behind it are aligned. */
#define VGG_NPY_HEAD 128

/* Of an array with one to four sizes and elements such as "<f4", row by row. */
void vgg_npy_head_write(unsigned char head[VGG_NPY_HEAD], const char *type, const size_t *shape,
                        size_t dimensions);

/* A byte of a text that is no UTF-8 stands as this and the byte: the surrogates that Python's
 * "surrogateescape" makes of them, so that names of files come back as they were. */
#define VGG_NPY_ESCAPED 0xdc00u

/* How many code points a text has. */
size_t vgg_npy_points(const char *text);
/* The type of elements that are texts of at most so many code points. */
#define VGG_NPY_TYPE 24
void vgg_npy_text_type(char type[VGG_NPY_TYPE], size_t points);
/* Such an element, with zeros behind the text: 4 * points bytes. */
void vgg_npy_put_text(void *element, const char *text, size_t points);

#endif
