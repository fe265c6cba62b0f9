/* Files that are not weights, or are weights in a format that is not read here. */
#ifndef VGG_FORMATS_FOREIGN_H
#define VGG_FORMATS_FOREIGN_H

#include <stddef.h>

/* What a file with these first bytes is, such as "an HTML page (a saved error page?)"; NULL when
 * it is nothing known. */
const char *vgg_foreign_kind(const unsigned char *bytes, size_t size);

#endif
