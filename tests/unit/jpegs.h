/* JPEGs for the tests of their decoder. */
#ifndef JPEGS_H
#define JPEGS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct jpeg_kind {
    const char *name;
    int components;
    int across, down; /* sampling factors of the first component: 2 halves the sides of the colours
                       */
    bool progressive;
    unsigned restart; /* blocks between markers; 0: none */
} jpeg_kind;

/* Slow and fast waves, edges, and grain. The caller frees the bytes. */
unsigned char *make_jpeg(const jpeg_kind *kind, size_t width, size_t height, unsigned long *size);

#endif
