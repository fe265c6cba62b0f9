/* JSON as text. */
#ifndef VGG_BASE_JSON_TEXT_H
#define VGG_BASE_JSON_TEXT_H

#include <stddef.h>

#include <jansson.h>

/* The value as text that the caller frees, with flags of json_dumps; NULL when memory ran out.
 * json_dumps of Jansson 2.14 gives a text that lacks bytes when its buffer cannot grow. */
char *vgg_json_text(const json_t *value, size_t flags);

#endif
