/* JSON, on standard output and elsewhere. */
#ifndef VGG_CLI_JSON_H
#define VGG_CLI_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A JSON string, in which bytes that are no UTF-8, as file names may have them, become U+FFFD; JSON
 * null for NULL. NULL when memory ran out. */
json_t *vgg_cli_json_text(const char *text);

/* A JSON number, or null for one that is not finite, which JSON cannot write. */
json_t *vgg_cli_json_number(double value);

/* The array with the value, which it takes over, behind its others; NULL, and the array is freed,
 * when there was no memory for it, or for the value or the array, which may be NULL. */
json_t *vgg_cli_json_appended(json_t *array, json_t *value);

/* To be called before other threads use JSON: lets those below notice that memory ran out. */
void vgg_cli_json_begin(void);
/* Whether memory for JSON has run out on this thread since it began to watch, so that an object may
 * lack members. Reading begins anew. */
void vgg_cli_json_watch(void);
bool vgg_cli_json_is_short(void);

/* The JSON in `size` bytes or in a file, read with Jansson's flags; NULL when it cannot be, of
 * which `why` says more unless it is NULL. *short_of_memory: it was for memory. Jansson leaves
 * letters of a text out where its buffer cannot grow, and says nothing; that is noticed here. */
json_t *vgg_cli_json_read(const char *text, size_t size, size_t flags, json_error_t *why,
                          bool *short_of_memory);
json_t *vgg_cli_json_read_file(FILE *file, bool *short_of_memory);

/* Writes the value to standard output, without a final newline, and releases it: on one line, or,
 * when it is indented, over several that start with `margin` spaces. False when memory ran out,
 * which includes value being NULL. */
bool vgg_cli_json_print(json_t *value, bool indented, int margin);
/* The same to any stream. */
bool vgg_cli_json_write(FILE *out, json_t *value, bool indented, int margin);

#endif
