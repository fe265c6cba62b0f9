/* Forms with files in them: multipart/form-data (RFC 7578). */
#ifndef VGG_SERVE_MULTIPART_H
#define VGG_SERVE_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

typedef struct vgg_serve_part {
    const char *name; /* of the field; "" when it has none */
    const char *file; /* name of the file; NULL: it is none */
    const unsigned char *content;
    size_t size;
} vgg_serve_part;

#define VGG_SERVE_BOUNDARY_SIZE 71
/* Whether a Content-Type is that of such a form; its boundary is "" when that is none. */
bool vgg_serve_multipart_type(const char *type, char boundary[VGG_SERVE_BOUNDARY_SIZE]);

/* Finds the parts of a body, at most `most` of them, whose texts and contents stay in it: it is
 * changed. NULL, or what is wrong with it. */
const char *vgg_serve_multipart_parse(unsigned char *body, size_t size, const char *boundary,
                                      vgg_serve_part *parts, size_t most, size_t *count);

#endif
