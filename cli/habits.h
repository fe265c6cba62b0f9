/* Names of options that people bring from other programs. */
#ifndef VGG_CLI_HABITS_H
#define VGG_CLI_HABITS_H

#include <stdbool.h>
#include <stddef.h>

/* The option here that means exactly the same, "batch" for "batch_size"; NULL when there is none.
 * The number counts those of a name, from 0 on: which of them a command has, it knows itself. */
const char *vgg_cli_habit(const char *name, size_t number);

/* What to say to an option that has no counterpart in the command: how it is done here, or that it
 * is not; NULL for a name that is not known. */
const char *vgg_cli_habit_answer(const char *command, const char *name);

/* "D" for "vgg16", "VGG-16", "vgg16_bn" or "16", and *batch_norm set where the name says so; the
 * text itself when it is none of these names. */
const char *vgg_cli_arch_name(const char *text, bool *batch_norm);

#endif
