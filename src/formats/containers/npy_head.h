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

/* The next code point of a text that has not ended; *text is behind it then. Bytes that are no
 * UTF-8 stand as the surrogates that Python's "surrogateescape" makes of them, so that names of
 * files come back as they were: this and the byte. */
#define VGG_NPY_ESCAPED 0xdc00u
uint32_t vgg_npy_point(const char **text);

#endif
