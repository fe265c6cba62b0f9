/* Bytes in text (RFC 4648). */
#ifndef VGG_SERVE_BASE64_H
#define VGG_SERVE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes a text of that length into `bytes`, which has room for three quarters of it; false for
 * one that is no base64. The padding at its end may be left out. */
bool vgg_serve_base64_decode(const char *text, size_t length, unsigned char *bytes, size_t *size);

#endif
