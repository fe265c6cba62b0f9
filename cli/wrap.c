#include "cli/wrap.h"

#include <stdbool.h>
#include <string.h>
#include <wchar.h>

#include "cli/terminal.h"

/* No title is longer; a gap further right is part of the text. */
#define TITLE_MOST 26
/* Columns that text has at least, however narrow the terminal is. */
#define TEXT_LEAST 20
/* Further lines of a command, from its first word on. */
#define COMMAND_INDENT 4

size_t vgg_cli_columns(const char *text, size_t length) {
    size_t columns = 0;
    mbstate_t state = {0};
    while (length > 0) {
        wchar_t letter;
        size_t bytes = mbrtowc(&letter, text, length, &state);
        int wide = 1;
        if (bytes == 0 || bytes > length) {
            /* No letter of the locale: a terminal shows something in its place. */
            bytes = 1;
            state = (mbstate_t){0};
        } else {
            wide = wcwidth(letter);
        }
        columns += wide > 0 ? (size_t)wide : 0;
        text += bytes;
        length -= bytes;
    }
    return columns;
}

/* The last column stays empty: some terminals go to the next line when it is written. */
static size_t page_width(FILE *stream, size_t indent) {
    size_t width = vgg_cli_terminal_width(stream) - 1;
    return width < indent + TEXT_LEAST ? indent + TEXT_LEAST : width;
}

void vgg_cli_wrap(FILE *stream, const char *text, size_t column, size_t indent) {
    size_t width = page_width(stream, indent);
    bool begun = false;
    while (*text != '\0') {
        size_t gap = strspn(text, " "), length = strcspn(text + gap, " \n");
        size_t word = vgg_cli_columns(text + gap, length);
        /* A word that stands where a new line would begin gains nothing by one. */
        if (begun && length > 0 && column + gap + word > width && column + gap > indent) {
            fprintf(stream, "\n%*s", (int)indent, "");
            column = indent;
        } else {
            fprintf(stream, "%*s", (int)gap, "");
            column += gap;
        }
        fprintf(stream, "%.*s", (int)length, text + gap);
        column += word;
        begun = begun || length > 0;
        text += gap + length;
        if (*text == '\n') {
            fprintf(stream, "\n\n%*s", (int)indent, "");
            column = indent;
            begun = false;
            text++;
        }
    }
}

void vgg_cli_print_wrapped(const char *text, size_t column, size_t indent) {
    vgg_cli_wrap(stdout, text, column, indent);
    putchar('\n');
}

static size_t indent_of(const char *line) {
    size_t leading = strspn(line, " ");
    const char *gap = strstr(line + leading, "  ");
    if (gap != NULL) {
        size_t column = vgg_cli_columns(line, (size_t)(gap - line) + strspn(gap, " "));
        if (column <= TITLE_MOST)
            return column;
    }
    return leading > 0 ? leading : 2;
}

static void write_line(FILE *stream, const char *text, size_t column, size_t indent) {
    if (vgg_cli_is_screen(stream))
        vgg_cli_wrap(stream, text, column, indent);
    else
        fputs(text, stream);
    fputc('\n', stream);
}

void vgg_cli_wrap_line(FILE *stream, const char *line) {
    write_line(stream, line, 0, indent_of(line));
}

void vgg_cli_wrap_rest(FILE *stream, const char *text, size_t column) {
    write_line(stream, text, column, column);
}

/* The bytes of a shell's word, in which quotes may hold blanks. */
static size_t shell_word(const char *text) {
    size_t length = 0;
    bool quoted = false;
    while (text[length] != '\0' && (quoted || text[length] != ' ')) {
        if (text[length] == '\'')
            quoted = !quoted;
        else if (text[length] == '\\' && !quoted && text[length + 1] != '\0')
            length++;
        length++;
    }
    return length;
}

/* The same of an option together with its value, when both fit on a line of their own. */
static size_t shell_words(const char *text, size_t room) {
    size_t length = shell_word(text);
    if (text[0] != '-' || text[length] != ' ' || text[length + 1] == '-')
        return length;
    size_t both = length + 1 + shell_word(text + length + 1);
    return vgg_cli_columns(text, both) <= room ? both : length;
}

void vgg_cli_wrap_command(FILE *stream, const char *line) {
    bool wraps = vgg_cli_is_screen(stream);
    size_t indent = strspn(line, " ") + COMMAND_INDENT, column = 0;
    /* Room for the blank and the backslash. */
    size_t width = page_width(stream, indent) - 2;
    while (*line != '\0') {
        size_t gap = strspn(line, " "), length = shell_words(line + gap, width - indent);
        size_t word = vgg_cli_columns(line + gap, length);
        if (wraps && column + gap + word > width && column > indent && length > 0) {
            fprintf(stream, " \\\n%*s", (int)indent, "");
            column = indent + word;
        } else {
            fprintf(stream, "%*s", (int)gap, "");
            column += gap + word;
        }
        fprintf(stream, "%.*s", (int)length, line + gap);
        line += gap + length;
    }
    fputc('\n', stream);
}
