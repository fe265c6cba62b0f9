#include "cli/terminal.h"

#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

bool vgg_cli_is_screen(FILE *stream) {
    int before = errno;
    bool screen = isatty(fileno(stream));
    errno = before;
    return screen;
}

bool vgg_cli_is_terminal(FILE *stream) {
    const char *kind = getenv("TERM");
    return vgg_cli_is_screen(stream) && (kind == NULL || strcmp(kind, "dumb") != 0);
}

/* What https://no-color.org asks for. */
static bool has_colour(FILE *stream) {
    const char *refused = getenv("NO_COLOR");
    return vgg_cli_is_terminal(stream) && (refused == NULL || refused[0] == '\0');
}

/* Magenta, which can be read on black and on white. */
const char *vgg_cli_accent(FILE *stream) {
    return has_colour(stream) ? "\033[35m" : "";
}

const char *vgg_cli_accent_end(FILE *stream) {
    return has_colour(stream) ? "\033[0m" : "";
}

size_t vgg_cli_terminal_width(FILE *stream) {
    struct winsize size;
    int before = errno;
    bool said = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    errno = before;
    return said ? size.ws_col : 80;
}

/* Whether the locale's letters are UTF-8, so that bars may be drawn with block characters. */
static bool is_utf8(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

const char *vgg_cli_bar(char buffer[VGG_CLI_BAR_SIZE], double fraction, size_t cells) {
    /* U+258F to U+2588: a column filled by one to eight eighths. */
    static const char *const eighths[] = {"\u258f", "\u258e", "\u258d", "\u258c",
                                          "\u258b", "\u258a", "\u2589", "\u2588"};
    bool utf8 = is_utf8();
    if (!(fraction >= 0.0))
        fraction = 0.0;
    size_t parts = utf8 ? 8 : 1;
    size_t filled = (size_t)lround(fmin(fraction, 1.0) * (double)(cells * parts));
    char *out = buffer;
    for (size_t cell = 0; cell < cells; cell++) {
        size_t left = filled > cell * parts ? filled - cell * parts : 0;
        const char *drawn = left == 0 ? " " : !utf8 ? "#" : eighths[left >= 8 ? 7 : left - 1];
        out = stpcpy(out, drawn);
    }
    *out = '\0';
    return buffer;
}

double vgg_cli_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

vgg_cli_progress vgg_cli_progress_on(FILE *stream) {
    return (vgg_cli_progress){.stream = stream, .live = vgg_cli_is_terminal(stream)};
}

bool vgg_cli_progress_due(const vgg_cli_progress *progress) {
    return progress->live && (!progress->drawn || vgg_cli_now() - progress->latest >= 0.1);
}

void vgg_cli_progress_draw(vgg_cli_progress *progress, const char *left, double fraction,
                           const char *right) {
    if (!progress->live)
        return;
    char bar[VGG_CLI_BAR_SIZE];
    /* The last column stays empty: some terminals go to the next line when it is written. */
    size_t width = vgg_cli_terminal_width(progress->stream) - 1;
    size_t text = strlen(left) + strlen(right) + 6;
    size_t cells = width > text ? width - text : 0;
    cells = cells > VGG_CLI_BAR_CELLS ? VGG_CLI_BAR_CELLS : cells;
    fputs("\r\033[K", progress->stream);
    if (cells >= 4) {
        bool utf8 = is_utf8();
        fprintf(progress->stream, "%s  %s%s%s  %s", left, utf8 ? "\u2595" : "[",
                vgg_cli_bar(bar, fraction, cells), utf8 ? "\u258f" : "]", right);
    } else {
        char line[512];
        snprintf(line, sizeof line, "%s  %s", left, right);
        fprintf(progress->stream, "%.*s", (int)width, line);
    }
    fflush(progress->stream);
    progress->drawn = true;
    progress->latest = vgg_cli_now();
}

void vgg_cli_progress_clear(vgg_cli_progress *progress) {
    if (!progress->drawn)
        return;
    fputs("\r\033[K", progress->stream);
    fflush(progress->stream);
    progress->drawn = false;
}
