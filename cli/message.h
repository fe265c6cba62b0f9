/* Lines for people: errors, numbers, and words that come close to another. */
#ifndef VGG_CLI_MESSAGE_H
#define VGG_CLI_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

/* Writes the line "vgg <command>: <message>" to standard error; command NULL: "vgg: <message>".
 * Control characters become "?", and a message of more than 1,000 bytes loses its middle. */
void vgg_cli_complain(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The exit status when the library refused something of the options or could not do it: of an
 * argument that makes no sense, unless it is VGG_CPU, it is that of a mistake in the command line.
 * The second complains about it, too. */
int vgg_cli_exit_status(vgg_status status);
int vgg_cli_fail(const char *command, vgg_status status, const vgg_error *error);

/* A vgg_warning_callback: complains with "note: " before the message. user: the command. */
void vgg_cli_note(void *user, const char *message);

/* Writes out what standard output holds. False when that or something written since errno was set
 * to 0 failed, which is complained about, once. */
bool vgg_cli_flush_output(const char *command);

/* Writes out what is left in standard output. When anything of it could not be written, complains
 * and returns failure in place of `status`. */
int vgg_cli_finish_output(const char *command, int status);

/* With no more classes than these, the right one is always among the five likeliest. */
#define VGG_CLI_TOP5_ABOVE 5

#define VGG_CLI_TEXT_SIZE 64
/* Each writes into the buffer and returns it. */
const char *vgg_cli_count_text(char buffer[VGG_CLI_TEXT_SIZE], size_t count);  /* "138,357,544" */
const char *vgg_cli_bytes_text(char buffer[VGG_CLI_TEXT_SIZE], size_t bytes);  /* "1.2 GB" */
const char *vgg_cli_number_text(char buffer[VGG_CLI_TEXT_SIZE], double value); /* "0.1" */
const char *vgg_cli_duration_text(char buffer[VGG_CLI_TEXT_SIZE], double seconds); /* "1:02:03" */

/* The word as a shell would have to be told it, without control characters; freed by the caller,
 * NULL when memory ran out. */
char *vgg_cli_shell_quote(const char *word);
/* "vgg COMMAND ..." with the words argv[1] on, quoted likewise; freed by the caller, NULL when
 * memory ran out. */
char *vgg_cli_command_line(const char *command, int argc, char *const *argv);

/* How many letters have to be added, removed, changed or swapped to make one word of the other. */
size_t vgg_cli_word_distance(const char *left, const char *right);
/* Whether `distance` is small enough for `word` to be a slip. */
bool vgg_cli_is_slip(const char *word, size_t distance);

#endif
