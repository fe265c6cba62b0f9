/* Text of somebody else's, such as the names of files and classes, made safe for a terminal:
 * control characters, which could move the cursor or change what stands there, become "?". They are
 * those below 0x20 and 0x7f, and U+0080 to U+009F, which many terminals obey as well, in UTF-8 or
 * as single bytes. */
#ifndef VGG_CLI_CLEAN_TEXT_H
#define VGG_CLI_CLEAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes of the letter at `text`, which does not end there: those of its UTF-8, or 1 for a byte
 * that is none. Says whether it is a control character. */
size_t vgg_cli_letter(const char *text, bool *control);

/* Whether a byte of UTF-8 is not the first of its letter. */
bool vgg_cli_letter_continues(char byte);

/* Replaces control characters. The text never becomes longer. */
void vgg_cli_clean(char *text);

/* Copies the text with its control characters replaced; one that does not fit is cut between two
 * letters and ends in "...". size is at least 4. Returns buffer. */
const char *vgg_cli_clean_text(char *buffer, size_t size, const char *text);

/* Prints a line to standard output, control characters replaced, newlines among them; a newline is
 * added. See wrap.h for lines that are longer than a terminal. */
void vgg_cli_print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a command that can be typed. */
void vgg_cli_print_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for the end of a line, when the cursor is at `column` already. */
void vgg_cli_print_rest(size_t column, const char *text);

/* Notes that something could not be printed for lack of memory. */
void vgg_cli_output_lose(void);

/* Whether a line was lost for lack of memory since this was last asked. */
bool vgg_cli_output_lost(void);

#endif
