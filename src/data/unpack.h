#ifndef VGG_DATA_UNPACK_H
#define VGG_DATA_UNPACK_H

#include "vgg/status.h"

/* Unpacks a compressed file (gzip, bzip2 or xz) into a nameless temporary file in `folder`. The
 * caller closes *descriptor. Output out of all proportion to the input is refused. */
vgg_status vgg_unpack(const char *path, const char *compression, const char *folder,
                      int *descriptor, vgg_error *error);

#endif
