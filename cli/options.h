/* Typed options that carry their own help: a subcommand writes down a table of them, and the table
 * is all that parsing, the error messages and --help need. */
#ifndef VGG_CLI_OPTIONS_H
#define VGG_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum vgg_cli_option_type {
    VGG_CLI_FLAG,    /* bool: --name sets it */
    VGG_CLI_SWITCH,  /* bool: --name sets it, --no-name clears it */
    VGG_CLI_SIZE,    /* size_t from minimum to maximum */
    VGG_CLI_SIZES,   /* vgg_cli_sizes, each from minimum to maximum */
    VGG_CLI_SEED,    /* uint64_t, any */
    VGG_CLI_NUMBER,  /* double from minimum to maximum */
    VGG_CLI_RATIO,   /* double, not 0, written as a number or as a/b */
    VGG_CLI_NUMBERS, /* vgg_cli_numbers */
    VGG_CLI_TEXT,    /* const char *, not empty; points into argv */
    VGG_CLI_TEXTS,   /* vgg_cli_texts: each time that the option is given adds one */
    VGG_CLI_CHOICE,  /* const char *, one of choices */
    VGG_CLI_INPUT,   /* vgg_cli_input */
} vgg_cli_option_type;

/* The size of a network's input as it is written: 3x224x224, 224x224 (height x width; channels is
 * then 0) or 224 (both). All 0: not given. */
typedef struct vgg_cli_input {
    size_t channels, height, width;
} vgg_cli_input;

/* Sizes that are written with commas between them: 1,8,32. */
#define VGG_CLI_SIZES_MOST 16
typedef struct vgg_cli_sizes {
    size_t count, values[VGG_CLI_SIZES_MOST];
} vgg_cli_sizes;

/* One number, or three with commas between them: 0.5,0.5,0.5. count 0: not given. */
typedef struct vgg_cli_numbers {
    size_t count;
    double values[3];
} vgg_cli_numbers;

/* Texts, each of them not empty, that point into argv. count 0: not given. */
#define VGG_CLI_TEXTS_MOST 16
typedef struct vgg_cli_texts {
    size_t count;
    const char *values[VGG_CLI_TEXTS_MOST];
} vgg_cli_texts;

typedef struct vgg_cli_option {
    vgg_cli_option_type type;
    char letter;          /* of a short form such as -o, else 0 */
    const char *name;     /* without dashes */
    const char *argument; /* what --help calls the value; NULL for flags and switches */
    const char *help;
    void *value;        /* holds the default, receives the value; its type is as said above */
    const char *except; /* what --help says behind the default that the value holds; may be NULL */
    const char *fallback; /* says in its place what the default is when it is yet to be chosen */
    bool *given;          /* set when the option is found; may be NULL */
    double minimum, maximum;
    bool above, below;          /* minimum and maximum themselves are not allowed */
    const char *const *choices; /* NULL at the end */
} vgg_cli_option;

typedef struct vgg_cli_group {
    const char *title;
    const vgg_cli_option *options;
    size_t count;
} vgg_cli_group;

/* All that --help says, in its order. */
typedef struct vgg_cli_usage {
    const char *command;
    const char *summary;     /* one line */
    const char *synopsis;    /* "vgg eval --model FILE DATA [options]" */
    const char *description; /* is wrapped; a newline starts a paragraph */
    const vgg_cli_group *groups;
    size_t group_count;
    const char *statuses; /* exit statuses beside 0, 1 and 2: lines; NULL: none */
    const char *examples; /* lines */
    const char *operand;  /* what a message about a missing or empty one calls it */
    size_t operands_least, operands_most;
} vgg_cli_usage;

/* Reads the command line argv[1..argc-1]: `--name value`, `--name=value`, `-o value`; "--" ends the
 * options. The other words, the operands, end up in argv[1..*operands]. False when the command is
 * over, with its exit status: --help was printed, whatever else the line says, or the line was
 * wrong and that was said. */
bool vgg_cli_parse(const vgg_cli_usage *usage, int argc, char **argv, size_t *operands,
                   int *status);

/* Prints the manual to standard output. */
void vgg_cli_print_help(const vgg_cli_usage *usage);

#define VGG_CLI_VALUE_SIZE 384
/* The value as vgg_cli_option_store reads it, "true" or "false" for a flag or switch. May be in the
 * buffer. NULL when the option has none: a text that is NULL, a number below the minimum, no
 * sizes. */
const char *vgg_cli_option_text(const vgg_cli_option *option, char buffer[VGG_CLI_VALUE_SIZE]);

#define VGG_CLI_EXPECTED_SIZE 256
/* Stores the value of an option that takes one; false when it is not what the option expects. */
bool vgg_cli_option_store(const vgg_cli_option *option, const char *value);
/* Writes what the option expects, such as "a whole number from 1 to 64"; returns buffer. */
const char *vgg_cli_option_expected(const vgg_cli_option *option,
                                    char buffer[VGG_CLI_EXPECTED_SIZE]);

#endif
