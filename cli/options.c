#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
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
            size_t distance = vgg_cli_distance(name, candidate);
            if (distance < best && vgg_cli_is_slip(name, distance)) {
                best = distance;
                snprintf(buffer, size, "; did you mean --%s?", candidate);
            }
        }
    }
}

static bool unknown_option(const vgg_cli_usage *usage, const char *word, size_t length) {
    char name[VGG_CLI_TEXT_SIZE], suggestion[2 * VGG_CLI_TEXT_SIZE];
    const char *letters = word + strspn(word, "-");
    size_t count = length - (size_t)(letters - word);
    snprintf(name, sizeof name, "%.*s", (int)(count < sizeof name ? count : sizeof name), letters);
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

/* Takes the option argv[*at] and, when it stands apart, its value. */
static bool take_option(const vgg_cli_usage *usage, int argc, char **argv, int *at) {
    const char *word = argv[*at], *value = NULL;
    size_t length = strlen(word);
    bool negated = false;
    const vgg_cli_option *option;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        if (equals != NULL) {
            length = (size_t)(equals - word);
            value = equals + 1;
        }
        option = find_name(usage, word + 2, length - 2, &negated);
    } else {
        option = length == 2 ? find_letter(usage, word[1]) : NULL;
    }
    if (option == NULL)
        return unknown_option(usage, word, length);
    if (option->given != NULL)
        *option->given = true;
    if (!takes_value(option)) {
        if (value != NULL) {
            vgg_cli_complain(usage->command, "%.*s: takes no value, found \"%s\"", (int)length,
                             word, value);
            return false;
        }
        *(bool *)option->value = !negated;
        return true;
    }
    /* A value may start with one dash, as "-1" and the file "-" do; with two it is an option. */
    if (value == NULL && *at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
        value = argv[++*at];
    return store(usage, option, value);
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

bool vgg_cli_parse(const vgg_cli_usage *usage, int argc, char **argv, size_t *operands,
                   int *status) {
    size_t kept = 0;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (only_operands || word[0] != '-' || word[1] == '\0') {
            argv[++kept] = argv[i];
        } else if (strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            vgg_cli_print_help(usage);
            *status = VGG_CLI_OK;
            return false;
        } else if (!take_option(usage, argc, argv, &i)) {
            *status = VGG_CLI_USAGE;
            return false;
        }
    }
    if (!check_operands(usage, argv, kept)) {
        *status = VGG_CLI_USAGE;
        return false;
    }
    *operands = kept;
    return true;
}
