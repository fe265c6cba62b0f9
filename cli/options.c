#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/habits.h"
#include "cli/message.h"

/* The options of all groups, counted through; NULL beyond the last. */
static const vgg_cli_option *option_at(const vgg_cli_usage *usage, size_t number) {
    for (size_t g = 0; g < usage->group_count; g++) {
        if (number < usage->groups[g].count)
            return &usage->groups[g].options[number];
        number -= usage->groups[g].count;
    }
    return NULL;
}

static bool takes_value(const vgg_cli_option *option) {
    return option->type != VGG_CLI_FLAG && option->type != VGG_CLI_SWITCH;
}

/* The option that is called name[0..length-1], which is *negated when it was found as --no-name. */
static const vgg_cli_option *find_name(const vgg_cli_usage *usage, const char *name, size_t length,
                                       bool *negated) {
    const vgg_cli_option *option;
    for (size_t i = 0; (option = option_at(usage, i)) != NULL; i++) {
        size_t own = strlen(option->name);
        *negated = false;
        if (own == length && memcmp(option->name, name, own) == 0)
            return option;
        *negated = option->type == VGG_CLI_SWITCH && own + 3 == length &&
                   memcmp(name, "no-", 3) == 0 && memcmp(option->name, name + 3, own) == 0;
        if (*negated)
            return option;
    }
    return NULL;
}

/* The same by a name of other programs, such as batch_size, where it means exactly the same. */
static const vgg_cli_option *find_habit(const vgg_cli_usage *usage, const char *name, size_t length,
                                        bool *negated) {
    char text[VGG_CLI_TEXT_SIZE];
    if (length >= sizeof text)
        return NULL;
    snprintf(text, sizeof text, "%.*s", (int)length, name);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '_' ? '-' : *c;
    }
    const vgg_cli_option *option = find_name(usage, text, length, negated);
    const char *word = strncmp(text, "no-", 3) == 0 ? text + 3 : text, *ours;
    bool turned = word != text;
    for (size_t i = 0; option == NULL && (ours = vgg_cli_habit(word, i)) != NULL; i++) {
        option = find_name(usage, ours, strlen(ours), negated);
        /* --no-bn is one of a switch. */
        if (turned && option != NULL && option->type != VGG_CLI_SWITCH)
            option = NULL;
        *negated = turned;
    }
    return option;
}

static const vgg_cli_option *find_letter(const vgg_cli_usage *usage, char letter) {
    const vgg_cli_option *option;
    for (size_t i = 0; (option = option_at(usage, i)) != NULL; i++) {
        if (option->letter == letter)
            return option;
    }
    return NULL;
}

/* "; did you mean --epochs?" for a word that is close to an option, else an empty text. */
static void suggest(const vgg_cli_usage *usage, const char *name, char *buffer, size_t size) {
    size_t best = (size_t)-1;
    const vgg_cli_option *option;
    buffer[0] = '\0';
    for (size_t i = 0; (option = option_at(usage, i)) != NULL; i++) {
        for (int negated = 0; negated <= (option->type == VGG_CLI_SWITCH); negated++) {
            char candidate[VGG_CLI_TEXT_SIZE];
            snprintf(candidate, sizeof candidate, "%s%s", negated ? "no-" : "", option->name);
            size_t distance = vgg_cli_word_distance(name, candidate);
            if (distance < best && vgg_cli_is_slip(name, distance)) {
                best = distance;
                snprintf(buffer, size, "; did you mean --%s?", candidate);
            }
        }
    }
}

/* Whether the command prints this format: who asks for --json means --format json. */
static bool is_format(const vgg_cli_usage *usage, const char *name) {
    bool negated;
    const vgg_cli_option *format = find_name(usage, "format", strlen("format"), &negated);
    bool found = false;
    for (size_t i = 0; format != NULL && format->choices != NULL && format->choices[i] != NULL;
         i++) {
        found = found || strcmp(format->choices[i], name) == 0;
    }
    return found;
}

static bool unknown_option(const vgg_cli_usage *usage, const char *word, size_t length) {
    char name[VGG_CLI_TEXT_SIZE], suggestion[2 * VGG_CLI_TEXT_SIZE];
    const char *letters = word + strspn(word, "-");
    size_t count = length - (size_t)(letters - word);
    snprintf(name, sizeof name, "%.*s", (int)(count < sizeof name ? count : sizeof name), letters);
    if (is_format(usage, name)) {
        vgg_cli_complain(usage->command, "%.*s: that is --format %s here", (int)length, word, name);
        return false;
    }
    const char *answer = vgg_cli_habit_answer(usage->command, name);
    if (answer != NULL) {
        vgg_cli_complain(usage->command, "%.*s: %s", (int)length, word, answer);
        return false;
    }
    suggest(usage, name, suggestion, sizeof suggestion);
    if (suggestion[0] == '\0')
        snprintf(suggestion, sizeof suggestion, "; vgg %s --help lists the options",
                 usage->command);
    vgg_cli_complain(usage->command, "unknown option %.*s%s", (int)length, word, suggestion);
    return false;
}

static bool store(const vgg_cli_usage *usage, const vgg_cli_option *option, const char *value) {
    char expected[VGG_CLI_EXPECTED_SIZE];
    vgg_cli_option_expected(option, expected);
    if (value == NULL) {
        vgg_cli_complain(usage->command, "--%s: has no value, expected %s", option->name, expected);
        return false;
    }
    if (!vgg_cli_option_store(option, value)) {
        vgg_cli_complain(usage->command, "--%s: found \"%s\", expected %s", option->name, value,
                         expected);
        return false;
    }
    return true;
}

/* A word of the command line that is an option. */
typedef struct found_option {
    const vgg_cli_option *option; /* NULL: there is no such one */
    const char *word;
    size_t length; /* of the word up to "=" */
    bool negated;
    const char *value; /* NULL: there is none */
} found_option;

/* Looks at the option argv[*at] and moves on to its value, when that stands apart. */
static found_option find_option(const vgg_cli_usage *usage, int argc, char **argv, int *at) {
    found_option found = {.word = argv[*at], .length = strlen(argv[*at])};
    if (found.word[1] == '-') {
        const char *equals = strchr(found.word, '=');
        if (equals != NULL) {
            found.length = (size_t)(equals - found.word);
            found.value = equals + 1;
        }
        found.option = find_name(usage, found.word + 2, found.length - 2, &found.negated);
        if (found.option == NULL)
            found.option = find_habit(usage, found.word + 2, found.length - 2, &found.negated);
    } else {
        found.option = found.length == 2 ? find_letter(usage, found.word[1]) : NULL;
    }
    /* A value may start with one dash, as "-1" and the file "-" do; with two it is an option. */
    if (found.option != NULL && takes_value(found.option) && found.value == NULL &&
        *at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
        found.value = argv[++*at];
    return found;
}

static bool take_option(const vgg_cli_usage *usage, const found_option *found) {
    const vgg_cli_option *option = found->option;
    if (option == NULL)
        return unknown_option(usage, found->word, found->length);
    if (option->given != NULL)
        *option->given = true;
    if (takes_value(option))
        return store(usage, option, found->value);
    if (found->value != NULL) {
        vgg_cli_complain(usage->command, "%.*s: takes no value, found \"%s\"", (int)found->length,
                         found->word, found->value);
        return false;
    }
    *(bool *)option->value = !found->negated;
    return true;
}

static bool check_operands(const vgg_cli_usage *usage, char **argv, size_t count) {
    if (count < usage->operands_least) {
        vgg_cli_complain(usage->command, "%s is missing; expected %s", usage->operand,
                         usage->synopsis);
        return false;
    }
    for (size_t i = 1; i <= count; i++) {
        if (argv[i][0] == '\0') {
            vgg_cli_complain(usage->command, "%s: found \"\", expected %s", usage->operand,
                             usage->synopsis);
            return false;
        }
    }
    if (count > usage->operands_most) {
        vgg_cli_complain(usage->command, "unexpected argument \"%s\"; expected %s",
                         argv[usage->operands_most + 1], usage->synopsis);
        return false;
    }
    return true;
}

static bool is_operand(const char *word) {
    return word[0] != '-' || word[1] == '\0';
}

/* Before a value is stored: the manual prints the defaults, which the options hold until then. */
static bool asks_for_help(const vgg_cli_usage *usage, int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
        if (!is_operand(argv[i]))
            find_option(usage, argc, argv, &i);
    }
    return false;
}

bool vgg_cli_parse(const vgg_cli_usage *usage, int argc, char **argv, size_t *operands,
                   int *status) {
    size_t kept = 0;
    bool only_operands = false;
    if (asks_for_help(usage, argc, argv)) {
        vgg_cli_print_help(usage);
        *status = VGG_CLI_OK;
        return false;
    }
    for (int i = 1; i < argc; i++) {
        if (only_operands || is_operand(argv[i])) {
            argv[++kept] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else {
            found_option found = find_option(usage, argc, argv, &i);
            if (!take_option(usage, &found)) {
                *status = VGG_CLI_USAGE;
                return false;
            }
        }
    }
    if (!check_operands(usage, argv, kept)) {
        *status = VGG_CLI_USAGE;
        return false;
    }
    *operands = kept;
    return true;
}
