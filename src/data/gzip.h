/* A file that is read from its start, and unpacked on the way when it is gzipped. */
#ifndef VGG_DATA_GZIP_H
#define VGG_DATA_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

typedef struct vgg_gzip {
    const char *path;
    void *stream;
    bool packed;
    size_t size; /* bytes of the file as it is */
    size_t at;   /* bytes read, of what is unpacked */
} vgg_gzip;

/* The path must outlive the file. */
vgg_status vgg_gzip_open(vgg_gzip *file, const char *path, vgg_error *error);
void vgg_gzip_close(vgg_gzip *file);

/* Reads `size` bytes, or fewer at the end; *got is how many. */
vgg_status vgg_gzip_read(vgg_gzip *file, void *to, size_t size, size_t *got, vgg_error *error);

#endif
