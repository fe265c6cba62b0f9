/* Bytes that the caller has elsewhere than in a file: read through a function of the caller's, or
 * written to one. The functions are called in the thread that asked for the work. */
#ifndef VGG_STREAM_H
#define VGG_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Copies `size` bytes from byte `offset` on into the buffer. False: they could not be had, and the
 * work fails with VGG_ERROR_IO. */
typedef bool vgg_read_callback(void *user, size_t offset, void *buffer, size_t size);

/* Takes the next `size` bytes. False: they could not be taken, and the work fails with
 * VGG_ERROR_IO. */
typedef bool vgg_write_callback(void *user, const void *bytes, size_t size);

/* What is read through a function. All of it is read once, in order, into memory of its size. */
typedef struct vgg_reader {
    size_t struct_size;      /* set by vgg_reader_init */
    const char *name;        /* what messages call it in place of a path; NULL: "the model" */
    size_t size;             /* in bytes */
    vgg_read_callback *read; /* asked for at most 16 MB at a time */
    void *user;
} vgg_reader;

VGG_API void vgg_reader_init(vgg_reader *reader, size_t size);

#ifdef __cplusplus
}
#endif
#endif
