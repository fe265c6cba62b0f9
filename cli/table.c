#include "cli/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/memory_stream.h"
#include "cli/terminal.h"
#include "cli/wrap.h"

/* The rows, filled with blanks to the width of the longest, one each `stride` bytes, a byte for
 * each column of the terminal. One more row is not shown: GAP where the table has a gap between its
 * columns. */
typedef struct grid {
    const char *text;
    char *cells;
    size_t rows, width, stride;
} grid;

#define GAP ' '
#define NO_GAP '|'
/* In place of a letter that is no byte of ASCII, and of the second column of a wide one. */
#define LETTER '\1'
#define WIDE '\2'

static char *row_of(const grid *g, size_t row) {
    return g->cells + row * g->stride;
}

/* A line of nothing but "-" or "=" may be cut off anywhere. */
static bool is_rule(const char *row, size_t width) {
    size_t same = 0;
    while (same < width && row[same] == row[0]) {
        same++;
    }
    return same == width && (row[0] == '-' || row[0] == '=');
}

static bool is_blank(const grid *g, size_t column) {
    bool blank = true;
    for (size_t r = 0; blank && r < g->rows; r++) {
        blank = row_of(g, r)[column] == ' ' || is_rule(row_of(g, r), g->width);
    }
    return blank;
}

/* The bytes of a letter and of the marks that are put on it. */
static size_t letter_bytes(const char *text) {
    bool control;
    size_t bytes = vgg_cli_letter(text, &control);
    while ((unsigned char)text[bytes] >= 0x80) {
        size_t more = vgg_cli_letter(text + bytes, &control);
        if (vgg_cli_columns(text + bytes, more) > 0)
            break;
        bytes += more;
    }
    return bytes;
}

/* The cells of a line, whose number is returned; they may be NULL. */
static size_t fill(char *cells, const char *line) {
    size_t column = 0;
    for (size_t bytes; *line != '\n' && *line != '\0'; line += bytes) {
        bytes = letter_bytes(line);
        size_t columns = vgg_cli_columns(line, bytes);
        if (cells != NULL && columns > 0) {
            memset(cells + column, WIDE, columns);
            cells[column] = bytes > 1 || (unsigned char)*line >= 0x80 ? LETTER : *line;
        }
        column += columns;
    }
    return column;
}

static const char *next_line(const char *line) {
    size_t length = strcspn(line, "\n");
    return line + length + (line[length] != '\0');
}

static bool create(grid *g, const char *text) {
    *g = (grid){.text = text};
    for (const char *line = text; *line != '\0'; g->rows++) {
        size_t columns = fill(NULL, line);
        g->width = columns > g->width ? columns : g->width;
        line = next_line(line);
    }
    g->stride = g->width + 1;
    g->cells = malloc((g->rows + 1) * g->stride);
    if (g->cells == NULL)
        return false;
    memset(g->cells, ' ', (g->rows + 1) * g->stride);
    for (size_t r = 0; r < g->rows; r++) {
        fill(row_of(g, r), text);
        text = next_line(text);
    }
    /* One blank may stand within a column. */
    for (size_t c = 0; c < g->width; c++) {
        bool gap = is_blank(g, c) &&
                   ((c > 0 && is_blank(g, c - 1)) || (c + 1 < g->width && is_blank(g, c + 1)));
        row_of(g, g->rows)[c] = gap ? GAP : NO_GAP;
    }
    return true;
}

/* Takes a blank out of the widest gap; false when all have `least` or fewer. What stands before the
 * first column is all to spare. */
static bool squeeze(grid *g, size_t least) {
    const char *marks = row_of(g, g->rows);
    size_t best = 0, at = 0, run = 0;
    for (size_t c = 0; c < g->width; c++) {
        run = marks[c] == GAP ? run + 1 : 0;
        size_t kept = run == c + 1 ? 0 : least;
        if (run > kept && run - kept > best) {
            best = run - kept;
            at = c;
        }
    }
    for (size_t r = 0; best > 0 && r <= g->rows; r++) {
        memmove(row_of(g, r) + at, row_of(g, r) + at + 1, g->width - at - 1);
    }
    g->width -= best > 0;
    return best > 0;
}

/* Behind the column that begins at `from`, or behind the gap there. */
static size_t column_end(const grid *g, size_t from) {
    const char *marks = row_of(g, g->rows);
    while (from < g->width && marks[from] == GAP) {
        from++;
    }
    while (from < g->width && marks[from] != GAP) {
        from++;
    }
    return from;
}

/* The cells of a row from `from` on, whose letters stand in the line. */
static void print_cells(const char *row, const char *line, size_t from, size_t to) {
    for (size_t c = 0; c < to; c++) {
        size_t bytes = 0;
        if (row[c] == LETTER) {
            while ((bytes = letter_bytes(line)) == 1 && (unsigned char)*line < 0x80) {
                line++;
            }
        }
        if (c >= from && row[c] == LETTER)
            printf("%.*s", (int)bytes, line);
        else if (c >= from && row[c] != WIDE)
            putchar(row[c]);
        line += bytes;
    }
}

static void print_row(const char *row, const char *line, size_t first, size_t from, size_t to) {
    while (to > from && row[to - 1] == ' ') {
        to--;
    }
    while (to == from && first > 0 && row[first - 1] == ' ') {
        first--;
    }
    print_cells(row, line, 0, first);
    print_cells(row, line, from, to);
    putchar('\n');
}

static void print_blocks(const grid *g, size_t width) {
    size_t first = 0;
    for (size_t from = 0; from < g->width;) {
        size_t to = column_end(g, from);
        for (size_t next = to; next < g->width && first + next - from <= width;) {
            next = column_end(g, to);
            if (first + next - from <= width)
                to = next;
        }
        if (from > 0)
            putchar('\n');
        const char *line = g->text;
        for (size_t r = 0; r < g->rows; r++) {
            print_row(row_of(g, r), line, first, from, to);
            line = next_line(line);
        }
        first = column_end(g, 0);
        from = to;
    }
}

static bool print_narrow(const char *text, size_t width) {
    grid g;
    if (!create(&g, text))
        return false;
    for (size_t least = 2; least > 0; least--) {
        while (g.width > width && squeeze(&g, least)) {
        }
    }
    print_blocks(&g, width);
    free(g.cells);
    return true;
}

void vgg_cli_table_begin(vgg_cli_table *table) {
    *table = (vgg_cli_table){.rows = stdout};
    if (!vgg_cli_is_screen(stdout))
        return;
    FILE *memory = vgg_cli_memory_stream(&table->text, &table->size);
    if (memory != NULL)
        table->rows = memory;
}

void vgg_cli_table_end(vgg_cli_table *table) {
    if (table->rows == stdout)
        return;
    bool whole = !ferror(table->rows);
    if (fclose(table->rows) != 0 || !whole ||
        !print_narrow(table->text, vgg_cli_terminal_width(stdout)))
        vgg_cli_output_lose();
    free(table->text);
}
