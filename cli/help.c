#include <stdio.h>
#include <string.h>

#include "cli/options.h"

#define PAGE_WIDTH 79
#define HELP_COLUMN 26

void vgg_cli_print_wrapped(const char *text, size_t column, size_t indent) {
    bool line_start = true;
    while (*text != '\0') {
        size_t length = strcspn(text, " \n");
        if (!line_start && column + 1 + length > PAGE_WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
            line_start = true;
        }
        column += length + (line_start ? 0 : 1);
        printf("%s%.*s", line_start ? "" : " ", (int)length, text);
        line_start = false;
        text += length;
        if (*text == '\n') {
            printf("\n\n%*s", (int)indent, "");
            column = indent;
            line_start = true;
        }
        if (*text != '\0')
            text++;
    }
    putchar('\n');
}

/* "off" for a switch; NULL when there is no default to print. */
static const char *default_text(const vgg_cli_option *option, char buffer[VGG_CLI_VALUE_SIZE]) {
    if (option->fallback != NULL)
        return option->fallback;
    if (option->type == VGG_CLI_FLAG)
        return NULL;
    if (option->type == VGG_CLI_SWITCH)
        return *(const bool *)option->value ? "on" : "off";
    return vgg_cli_option_text(option, buffer);
}

static void print_option(const vgg_cli_option *option) {
    char left[80], help[2048], buffer[VGG_CLI_VALUE_SIZE];
    char letter[] = {'-', option->letter, ',', ' ', '\0'};
    snprintf(left, sizeof left, "  %s--%s%s%s%s", option->letter != '\0' ? letter : "",
             option->type == VGG_CLI_SWITCH ? "[no-]" : "", option->name,
             option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
    const char *value = default_text(option, buffer);
    bool excepted = value != NULL && option->except != NULL;
    snprintf(help, sizeof help, "%s%s%s%s%s%s", option->help, value != NULL ? " (default: " : "",
             value != NULL ? value : "", excepted ? "; " : "", excepted ? option->except : "",
             value != NULL ? ")" : "");
    fputs(left, stdout);
    if (strlen(left) + 2 > HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", (int)(HELP_COLUMN - strlen(left)), "");
    vgg_cli_print_wrapped(help, HELP_COLUMN, HELP_COLUMN);
}

/* Prints lines as they are, indented by two. */
static void print_lines(const char *lines) {
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");
        printf("%s%.*s\n", length > 0 ? "  " : "", (int)length, lines);
        lines += length;
        if (*lines == '\n')
            lines++;
    }
}

void vgg_cli_print_help(const vgg_cli_usage *usage) {
    printf("vgg %s - %s\n\nUSAGE\n", usage->command, usage->summary);
    print_lines(usage->synopsis);
    printf("\nDESCRIPTION\n  ");
    vgg_cli_print_wrapped(usage->description, 2, 2);
    for (size_t g = 0; g < usage->group_count; g++) {
        printf("\n%s\n", usage->groups[g].title);
        for (size_t i = 0; i < usage->groups[g].count; i++) {
            print_option(&usage->groups[g].options[i]);
        }
    }
    printf("\n  %-*sprint this manual\n\nEXIT STATUS\n", HELP_COLUMN - 2, "-h, --help");
    print_lines("0    success\n"
                "1    failure; a line on standard error says of what\n"
                "2    a mistake in the command line; nothing was done");
    if (usage->statuses != NULL)
        print_lines(usage->statuses);
    printf("\nEXAMPLES\n");
    print_lines(usage->examples);
}
