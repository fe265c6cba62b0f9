/* JSON as text. */
#ifndef VGG_BASE_JSON_TEXT_H
#define VGG_BASE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* The value as text that the caller frees, with flags of json_dumps; NULL when memory ran out.
 * json_dumps of Jansson 2.14 gives a text that lacks bytes when its buffer cannot grow. */
char *vgg_json_text(const json_t *value, size_t flags);

/* The array with the value, which it takes over, behind its others; NULL, and the array is freed,
 * when there was no memory for it, or for the value or the array, which may be NULL. */
json_t *vgg_json_appended(json_t *array, json_t *value);
/* The same of an object. */
json_t *vgg_json_with(json_t *object, const char *name, json_t *value);

/* Where a text stops to be JSON. */
typedef struct vgg_json_fault {
    size_t byte;
    bool memory;   /* it does not, but memory ran out */
    char what[80]; /* what stands there */
} vgg_json_fault;

/* The value that the text is, of any type; NULL with *fault when it is none. Every name comes once
 * in an object; a whole number has 63 bits. */
json_t *vgg_json_read(const char *text, size_t size, vgg_json_fault *fault);

#endif
