/* Writing zip archives of records that are stored as they are, each at a multiple of VGG_ALIGNMENT
 * bytes. libzip can neither place them so nor leave them out of memory. All times are 1980-01-01,
 * the first that zip knows, so that the same records give the same bytes. */
#ifndef VGG_FORMATS_CONTAINERS_ZIP_WRITER_H
#define VGG_FORMATS_CONTAINERS_ZIP_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/sink.h"
#include "base/text.h"

#define VGG_ZIP_NAME 48

typedef struct vgg_zip_record {
    char name[VGG_ZIP_NAME];
    const void *bytes;
    size_t size;
    size_t header; /* where its header lies, and its sum: set when it is written */
    uint32_t crc;
} vgg_zip_record;

vgg_status vgg_zip_write(vgg_sink *sink, vgg_zip_record *records, size_t count, vgg_error *error);

/* Adds the lowest `width` bytes of a number, little-endian. */
void vgg_zip_add_number(vgg_text *text, uint64_t number, size_t width);

#endif
