/* CSV texts: fields after RFC 4180, in lines. */
#ifndef VGG_BASE_CSV_H
#define VGG_BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "vgg/status.h"

typedef struct vgg_csv {
    const char *name; /* begins messages; not owned */
    char *at;
    size_t most; /* fields of a line at most */
    size_t line; /* that the fields are of, from 1 */
    size_t next_line;
    char **fields; /* in the text */
    size_t count, capacity;
} vgg_csv;

/* Refuses a zero among the bytes of a text, which would end it early; in other encodings than UTF-8
 * every other byte is one. */
vgg_status vgg_csv_check(const char *text, size_t size, const char *name, vgg_error *error);

/* Begins to read a text, which is cut into fields in place and has a zero behind its `size` bytes,
 * after vgg_csv_check. vgg_csv_close frees the list of fields whatever the outcome. */
vgg_status vgg_csv_open(vgg_csv *csv, char *text, size_t size, const char *name, size_t most,
                        vgg_error *error);
void vgg_csv_close(vgg_csv *csv);

/* The fields of the next line that is not empty; *more is false at the end. */
vgg_status vgg_csv_next(vgg_csv *csv, bool *more, vgg_error *error);

/* "<name>: line <line> <what>". */
vgg_status vgg_csv_fail(const vgg_csv *csv, const char *what, vgg_error *error);

/* Adds a field to a text, in quotes where it needs them. */
void vgg_csv_add(vgg_text *text, const char *field);

#endif
