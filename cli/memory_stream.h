/* Streams that write into memory. */
#ifndef VGG_CLI_MEMORY_STREAM_H
#define VGG_CLI_MEMORY_STREAM_H

#include <stdio.h>

/* Like open_memstream: *text, which the caller frees, and *size are what has been written when the
 * stream is flushed or closed, with a '\0' behind it. Unlike that of glibc, which goes on where
 * memory ran out and leaves the text with holes, ferror and fclose tell when it did, whatever was
 * written since. It tells where it is, and goes nowhere else. NULL, and *text is NULL, when there
 * is no memory for the stream. */
FILE *vgg_cli_memory_stream(char **text, size_t *size);
/* For whoever had no memory for what it was to write: ferror tells from here on. */
void vgg_cli_memory_stream_fail(FILE *stream);

#endif
