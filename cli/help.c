#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/wrap.h"

#define HELP_COLUMN 26

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

static void print_heading(const char *text) {
    printf("%s%s%s\n", vgg_cli_accent(stdout), text, vgg_cli_accent_end(stdout));
}

/* Prints lines, indented by two. */
static void print_lines(const char *lines, void (*print)(FILE *stream, const char *line)) {
    while (*lines != '\0') {
        char line[256];
        size_t length = strcspn(lines, "\n");
        snprintf(line, sizeof line, "%s%.*s", length > 0 ? "  " : "", (int)length, lines);
        print(stdout, line);
        lines += length;
        if (*lines == '\n')
            lines++;
    }
}

void vgg_cli_print_help(const vgg_cli_usage *usage) {
    char title[256];
    snprintf(title, sizeof title, "vgg %s - %s", usage->command, usage->summary);
    vgg_cli_wrap_line(stdout, title);
    putchar('\n');
    print_heading("USAGE");
    print_lines(usage->synopsis, vgg_cli_wrap_line);
    putchar('\n');
    print_heading("DESCRIPTION");
    printf("  ");
    vgg_cli_print_wrapped(usage->description, 2, 2);
    for (size_t g = 0; g < usage->group_count; g++) {
        putchar('\n');
        print_heading(usage->groups[g].title);
        for (size_t i = 0; i < usage->groups[g].count; i++) {
            print_option(&usage->groups[g].options[i]);
        }
    }
    printf("\n  %-*sprint this manual\n\n", HELP_COLUMN - 2, "-h, --help");
    print_heading("EXIT STATUS");
    print_lines("0    success\n"
                "1    failure; a line on standard error says of what\n"
                "2    a mistake in the command line; nothing was done",
                vgg_cli_wrap_line);
    if (usage->statuses != NULL)
        print_lines(usage->statuses, vgg_cli_wrap_line);
    putchar('\n');
    print_heading("EXAMPLES");
    print_lines(usage->examples, vgg_cli_wrap_command);
}
