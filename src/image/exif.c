#include <stdbool.h>
#include <string.h>

#include "image/decode.h"

/* A TIFF file in memory, in its own order of bytes. */
typedef struct tiff {
    const unsigned char *bytes;
    size_t size;
    bool big_endian;
} tiff;

/* The unsigned number of `width` bytes at `at`; the caller has checked that it lies inside. */
static uint32_t number_at(const tiff *file, size_t at, size_t width) {
    uint32_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value = value << 8 | file->bytes[file->big_endian ? at + i : at + width - 1 - i];
    }
    return value;
}

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY = 12 };

/* TIFF 6.0, section 2: a folder is a count of 2 bytes and entries of 12: tag, type, count, value.
 * Only the first folder is looked at, so that no chain of them can lead anywhere. */
static unsigned orientation_in(const tiff *file) {
    if (file->size < 8 || number_at(file, 2, 2) != 42)
        return 1;
    size_t folder = number_at(file, 4, 4);
    if (folder > file->size - 2)
        return 1;
    size_t count = number_at(file, folder, 2);
    size_t room = (file->size - folder - 2) / ENTRY;
    for (size_t i = 0; i < count && i < room; i++) {
        size_t entry = folder + 2 + i * ENTRY;
        if (number_at(file, entry, 2) != TAG_ORIENTATION)
            continue;
        unsigned value = number_at(file, entry + 8, 2);
        bool usable = number_at(file, entry + 2, 2) == TYPE_SHORT &&
                      number_at(file, entry + 4, 4) == 1 && value >= 1 && value <= 8;
        return usable ? value : 1;
    }
    return 1;
}

unsigned vgg_exif_orientation(const unsigned char *bytes, size_t size) {
    if (size >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) {
        bytes += 6;
        size -= 6;
    }
    if (size < 2 || bytes[0] != bytes[1] || (bytes[0] != 'I' && bytes[0] != 'M'))
        return 1;
    tiff file = {.bytes = bytes, .size = size, .big_endian = bytes[0] == 'M'};
    return orientation_in(&file);
}
