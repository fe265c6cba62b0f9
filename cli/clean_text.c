#include "cli/clean_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/wrap.h"

/* There was no memory to print a line. */
static bool lost;

bool vgg_cli_output_lost(void) {
    bool was_lost = lost;
    lost = false;
    return was_lost;
}

bool vgg_cli_letter_continues(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* 0 for a byte that begins no letter of UTF-8. Overlong forms are let through as letters; none of
 * their bytes is a control character by itself for who reads UTF-8. */
static size_t utf8_length(const char *text) {
    unsigned char first = (unsigned char)text[0];
    size_t length = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;
    for (size_t i = 1; i < length; i++) {
        if (!vgg_cli_letter_continues(text[i]))
            return 0;
    }
    return length;
}

size_t vgg_cli_letter(const char *text, bool *control) {
    unsigned char first = (unsigned char)text[0];
    size_t length = utf8_length(text);
    if (length == 0) {
        *control = first < 0xa0;
        return 1;
    }
    *control = first < 0x20 || first == 0x7f ||
               (length == 2 && first == 0xc2 && (unsigned char)text[1] < 0xa0);
    return length;
}

void vgg_cli_clean(char *text) {
    char *out = text;
    while (*text != '\0') {
        bool control;
        size_t length = vgg_cli_letter(text, &control);
        if (control)
            *out++ = '?';
        else
            out = (char *)memmove(out, text, length) + length;
        text += length;
    }
    *out = '\0';
}

const char *vgg_cli_clean_text(char *buffer, size_t size, const char *text) {
    size_t used = 0, cut = 0;
    while (*text != '\0') {
        bool control;
        size_t length = vgg_cli_letter(text, &control), needed = control ? 1 : length;
        if (used + 3 < size)
            cut = used;
        if (used + needed >= size) {
            strcpy(buffer + cut, "...");
            return buffer;
        }
        memcpy(buffer + used, control ? "?" : text, needed);
        used += needed;
        text += length;
    }
    buffer[used] = '\0';
    return buffer;
}

void vgg_cli_output_lose(void) {
    lost = true;
}

/* The formatted text without control characters, freed by the caller; NULL when memory ran out. */
static char *cleaned(const char *format, va_list arguments) {
    char *line;
    if (vasprintf(&line, format, arguments) < 0) {
        lost = true;
        return NULL;
    }
    vgg_cli_clean(line);
    return line;
}

void vgg_cli_print_line(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *line = cleaned(format, arguments);
    va_end(arguments);
    if (line != NULL)
        vgg_cli_wrap_line(stdout, line);
    free(line);
}

void vgg_cli_print_command(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *line = cleaned(format, arguments);
    va_end(arguments);
    if (line != NULL)
        vgg_cli_wrap_command(stdout, line);
    free(line);
}

void vgg_cli_print_rest(size_t column, const char *text) {
    char *line = strdup(text);
    if (line == NULL) {
        lost = true;
        return;
    }
    vgg_cli_clean(line);
    vgg_cli_wrap_rest(stdout, line, column);
    free(line);
}
