#include "cli/csv.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/terminal.h"

void vgg_cli_csv_field(const char *field) {
    bool shown = vgg_cli_is_terminal(stdout), quoted = strpbrk(field, ",\"\r\n") != NULL;
    if (quoted)
        putchar('"');
    while (*field != '\0') {
        bool control;
        size_t length = vgg_cli_letter(field, &control);
        if (*field == '"')
            putchar('"');
        if (control && shown)
            putchar('?');
        else
            fwrite(field, 1, length, stdout);
        field += length;
    }
    if (quoted)
        putchar('"');
}
