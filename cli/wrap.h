/* Lines for people, which on a terminal are broken between words where it ends. Elsewhere running
 * text is broken as on a terminal of 80 columns, and lines and commands are left whole. */
#ifndef VGG_CLI_WRAP_H
#define VGG_CLI_WRAP_H

#include <stddef.h>
#include <stdio.h>

/* The columns that so many bytes of text take on a terminal. */
size_t vgg_cli_columns(const char *text, size_t length);

/* Writes running text when the cursor is at `column`; further lines start at `indent`, and a
 * newline in the text begins a paragraph. None is written after the last line. */
void vgg_cli_wrap(FILE *stream, const char *text, size_t column, size_t indent);

/* The same on standard output, with a newline after the last line. */
void vgg_cli_print_wrapped(const char *text, size_t column, size_t indent);

/* Writes a line and a newline. What does not fit stands below the words behind the line's title,
 * which two blanks end, or is indented as the line is, or by two. */
void vgg_cli_wrap_line(FILE *stream, const char *line);

/* The same for the end of a line, when the cursor is at `column`; what does not fit stands below.
 */
void vgg_cli_wrap_rest(FILE *stream, const char *text, size_t column);

/* Writes a command and a newline. Where it is broken a backslash stands, so that a shell takes the
 * lines for one. */
void vgg_cli_wrap_command(FILE *stream, const char *line);

#endif
