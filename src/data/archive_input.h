/* An archive that libarchive reads from a descriptor, with what it would allocate for that without
 * looking whether it got it. */
#ifndef VGG_DATA_ARCHIVE_INPUT_H
#define VGG_DATA_ARCHIVE_INPUT_H

#include <stdbool.h>

struct archive;
struct archive_entry;

typedef struct vgg_archive_input {
    int descriptor;
    struct archive *archive;
    struct archive_entry *entry; /* for archive_read_next_header2 */
    unsigned char block[1 << 16];
} vgg_archive_input;

/* From where the descriptor stands, which stays the caller's; NULL when memory ran out. Formats and
 * filters come next, then vgg_archive_input_begin. */
vgg_archive_input *vgg_archive_input_create(int descriptor);

/* Whether libarchive can begin to read; else it has an error, or memory ran out. */
bool vgg_archive_input_begin(vgg_archive_input *input);

/* NULL is fine. */
void vgg_archive_input_free(vgg_archive_input *input);

#endif
