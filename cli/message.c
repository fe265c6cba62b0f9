#include "cli/message.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/memory_stream.h"
#include "cli/terminal.h"
#include "cli/wrap.h"
#include "vgg/plan.h"

/* The bytes of a message that are shown; a longer one, because of a long word in it, loses its
 * middle: who complains stands at the beginning, what is wrong at the end. */
#define MESSAGE_MOST 1000
#define GAP " ... "

/* Takes the middle out of a text of `length` bytes, between two letters of UTF-8. */
static void shorten(char *text, size_t length) {
    size_t half = (MESSAGE_MOST - strlen(GAP)) / 2, head = half, tail = length - half;
    while (head > 0 && vgg_cli_letter_continues(text[head])) {
        head--;
    }
    while (tail < length && vgg_cli_letter_continues(text[tail])) {
        tail++;
    }
    memcpy(text + head, GAP, strlen(GAP));
    memmove(text + head + strlen(GAP), text + tail, length - tail + 1);
}

/* A program that reads it gets it in one piece. */
static void write_message(const char *title, const char *message) {
    if (!vgg_cli_is_screen(stderr)) {
        fprintf(stderr, "%s %s\n", title, message);
        return;
    }
    fprintf(stderr, "%s%s%s ", vgg_cli_accent(stderr), title, vgg_cli_accent_end(stderr));
    vgg_cli_wrap(stderr, message, strlen(title) + 1, 2);
    fputc('\n', stderr);
}

void vgg_cli_complain(const char *command, const char *format, ...) {
    va_list arguments;
    char *message;
    va_start(arguments, format);
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (length < 0) {
        fputs("vgg: out of memory\n", stderr);
        return;
    }
    if (length > MESSAGE_MOST)
        shorten(message, (size_t)length);
    vgg_cli_clean(message);
    char title[VGG_CLI_TEXT_SIZE];
    snprintf(title, sizeof title, "vgg%s%s:", command != NULL ? " " : "",
             command != NULL ? command : "");
    write_message(title, message);
    free(message);
}

int vgg_cli_exit_status(vgg_status status) {
    bool usage = status == VGG_ERROR_ARGUMENT && strcmp(vgg_cpu_tier(), "none") != 0;
    return usage ? VGG_CLI_USAGE : VGG_CLI_FAILURE;
}

int vgg_cli_fail(const char *command, vgg_status status, const vgg_error *error) {
    vgg_cli_complain(command, "%s", error->message);
    return vgg_cli_exit_status(status);
}

void vgg_cli_note(void *user, const char *message) {
    vgg_cli_complain(user, "note: %s", message);
}

bool vgg_cli_flush_output(const char *command) {
    if (vgg_cli_output_lost()) {
        vgg_cli_complain(command, "out of memory for the output");
        return false;
    }
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    /* What was written earlier has left no reason; another letter meets the same one. */
    if (errno == 0 && write(STDOUT_FILENO, "\n", 1) == 1)
        errno = 0;
    vgg_cli_complain(command, "cannot write to standard output%s%s", errno != 0 ? ": " : "",
                     errno != 0 ? strerror(errno) : "");
    clearerr(stdout);
    return false;
}

int vgg_cli_finish_output(const char *command, int status) {
    errno = 0;
    return vgg_cli_flush_output(command) ? status : VGG_CLI_FAILURE;
}

const char *vgg_cli_count_text(char buffer[VGG_CLI_TEXT_SIZE], size_t count) {
    char digits[VGG_CLI_TEXT_SIZE];
    int length = snprintf(digits, sizeof digits, "%zu", count);
    char *out = buffer;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return buffer;
}

const char *vgg_cli_bytes_text(char buffer[VGG_CLI_TEXT_SIZE], size_t bytes) {
    double megabytes = (double)bytes / (1024.0 * 1024.0);
    if (megabytes < 1000.0)
        snprintf(buffer, VGG_CLI_TEXT_SIZE, "%.1f MB", megabytes);
    else
        snprintf(buffer, VGG_CLI_TEXT_SIZE, "%.1f GB", megabytes / 1024.0);
    return buffer;
}

const char *vgg_cli_number_text(char buffer[VGG_CLI_TEXT_SIZE], double value) {
    /* The fewest digits that are read back as the same number; 17 always are. From 6 on, since
     * fewer would turn 1000 into 1e+03. */
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(buffer, VGG_CLI_TEXT_SIZE, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value)
            break;
    }
    return buffer;
}

const char *vgg_cli_duration_text(char buffer[VGG_CLI_TEXT_SIZE], double seconds) {
    if (!(seconds >= 0.0 && seconds < 1e9)) {
        snprintf(buffer, VGG_CLI_TEXT_SIZE, "?");
        return buffer;
    }
    unsigned long whole = (unsigned long)lround(seconds);
    if (whole >= 3600)
        snprintf(buffer, VGG_CLI_TEXT_SIZE, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60,
                 whole % 60);
    else
        snprintf(buffer, VGG_CLI_TEXT_SIZE, "%lu:%02lu", whole / 60, whole % 60);
    return buffer;
}

static bool has_controls(const char *word) {
    bool control = false;
    while (!control && *word != '\0') {
        word += vgg_cli_letter(word, &control);
    }
    return control;
}

/* As bash, zsh and POSIX of 2024 read it: $'...' with the bytes of control characters, and what
 * means something there, in octal digits. */
static void quote_in_octal(const char *word, char *out) {
    out = stpcpy(out, "$'");
    while (*word != '\0') {
        bool control;
        size_t length = vgg_cli_letter(word, &control);
        control |= *word == '\'' || *word == '\\';
        for (size_t i = 0; i < length; i++, word++) {
            if (control)
                out += sprintf(out, "\\%03o", (unsigned)(unsigned char)*word);
            else
                *out++ = *word;
        }
    }
    strcpy(out, "'");
}

static void quote(const char *word, char *out) {
    *out++ = '\'';
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            out = stpcpy(out, "'\\''");
        else
            *out++ = *word;
    }
    strcpy(out, "'");
}

char *vgg_cli_shell_quote(const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./,:=+@%";
    if (word[0] != '\0' && strspn(word, plain) == strlen(word))
        return strdup(word);
    /* At worst every byte is written as four, between quotes. */
    char *quoted = malloc(4 * strlen(word) + 4);
    if (quoted == NULL)
        return NULL;
    if (has_controls(word))
        quote_in_octal(word, quoted);
    else
        quote(word, quoted);
    return quoted;
}

/* Words longer than this are not slips of an option or a command. */
#define WORD_MAX 40

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

char *vgg_cli_command_line(const char *command, int argc, char *const *argv) {
    char *line = NULL;
    size_t size = 0;
    bool whole = true;
    FILE *out = vgg_cli_memory_stream(&line, &size);
    if (out == NULL)
        return NULL;
    fprintf(out, "vgg %s", command);
    for (int i = 1; i < argc; i++) {
        char *word = vgg_cli_shell_quote(argv[i]);
        whole = whole && word != NULL;
        fprintf(out, " %s", word != NULL ? word : "");
        free(word);
    }
    if (fclose(out) == 0 && whole)
        return line;
    free(line);
    return NULL;
}

size_t vgg_cli_word_distance(const char *left, const char *right) {
    size_t rows = strlen(left), columns = strlen(right);
    if (rows > WORD_MAX || columns > WORD_MAX)
        return WORD_MAX;
    /* cost[i][j]: the distance of the first i letters of left from the first j of right. */
    size_t cost[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            size_t change = left[i - 1] == right[j - 1] ? 0 : 1;
            cost[i][j] =
                least(cost[i - 1][j - 1] + change, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[rows][columns];
}

bool vgg_cli_is_slip(const char *word, size_t distance) {
    return distance <= 1 + strlen(word) / 4 && distance < strlen(word);
}
