#include "cli/summary_table.h"

#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/message.h"
#include "cli/table.h"
#include "cli/terminal.h"

/* ---- one network ---- */

#define COLUMN 18 /* of multiply-adds, as wide as those of the largest network */

/* Of the multiply-adds, beside a line of the table; the rows of layers follow its title and rules.
 */
static void print_multiply_adds(FILE *rows, const vgg_network *network, char first, size_t line) {
    char number[VGG_CLI_TEXT_SIZE];
    vgg_layer_info info = {.struct_size = sizeof info};
    for (int i = 0; (first == '-' || first == '=') && i <= COLUMN; i++) {
        fputc(first, rows);
    }
    if (line == 1)
        fprintf(rows, " %*s", COLUMN, "Mult-Adds");
    if (line >= 3 && line < 3 + vgg_network_layer_count(network) &&
        vgg_network_layer(network, line - 3, &info, NULL) == VGG_OK)
        fprintf(rows, " %*s", COLUMN, vgg_cli_count_text(number, info.multiply_adds));
}

/* The lines below the table. Rules are as long as its own on a terminal that is too narrow. */
static void print_figures(const vgg_network *network, const char *text, bool multiply_adds) {
    char number[VGG_CLI_TEXT_SIZE];
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        size_t length = (size_t)(end - text), rule = length + (multiply_adds ? COLUMN + 1 : 0);
        size_t width = vgg_cli_terminal_width(stdout);
        if (vgg_cli_is_screen(stdout) && rule > width)
            rule = width;
        for (size_t i = 0; text[0] == '-' && i < rule; i++) {
            putchar('-');
        }
        vgg_cli_print_line("%.*s", text[0] == '-' ? 0 : (int)length, text);
        if (multiply_adds && strncmp(text, "Total params", 12) == 0)
            printf("Total mult-adds: %s\n",
                   vgg_cli_count_text(number, vgg_network_multiply_adds(network)));
    }
}

void vgg_cli_print_summary(const vgg_network *network, const char *text, bool multiply_adds) {
    vgg_cli_table table;
    size_t rules = 0, line = 0;
    vgg_cli_table_begin(&table);
    /* The second of its double rules ends the table. */
    for (const char *end; rules < 2 && (end = strchr(text, '\n')) != NULL; text = end + 1, line++) {
        fprintf(table.rows, "%.*s", (int)(end - text), text);
        if (multiply_adds)
            print_multiply_adds(table.rows, network, text[0], line);
        fputc('\n', table.rows);
        rules += text[0] == '=';
    }
    vgg_cli_table_end(&table);
    print_figures(network, text, multiply_adds);
}

/* ---- several ---- */

enum { TYPE, OUTPUT, PARAMETERS, MULTIPLY_ADDS, CELLS };
#define CELL_SIZE 96
typedef struct cell_row {
    char cells[CELLS][CELL_SIZE];
} cell_row;

static const cell_row titles = {{"Layer", "Output", "Params", "Mult-adds"}};

static size_t count_of(const json_t *object, const char *key) {
    return (size_t)json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void fill_layer(const json_t *layer, cell_row *row) {
    const json_t *shape = json_object_get(layer, "output_shape");
    size_t used = 0;
    char number[VGG_CLI_TEXT_SIZE];
    snprintf(row->cells[TYPE], CELL_SIZE, "%.40s", text_of(layer, "type"));
    for (size_t i = 1; i < json_array_size(shape) && used < CELL_SIZE; i++) {
        used += (size_t)snprintf(row->cells[OUTPUT] + used, CELL_SIZE - used, "%s%lld",
                                 i > 1 ? "x" : "",
                                 (long long)json_integer_value(json_array_get(shape, i)));
    }
    snprintf(row->cells[PARAMETERS], CELL_SIZE, "%s",
             vgg_cli_count_text(number, count_of(layer, "parameters")));
    snprintf(row->cells[MULTIPLY_ADDS], CELL_SIZE, "%s",
             vgg_cli_count_text(number, count_of(layer, "multiply_adds")));
}

/* The figures below the layers, in the places of a row. */
static void fill_totals(const json_t *network, cell_row *row) {
    char number[VGG_CLI_TEXT_SIZE];
    snprintf(row->cells[TYPE], CELL_SIZE, "%zu layers",
             json_array_size(json_object_get(network, "layers")));
    snprintf(row->cells[OUTPUT], CELL_SIZE, "%.2f MB",
             json_number_value(json_object_get(network, "total_mb")));
    snprintf(row->cells[PARAMETERS], CELL_SIZE, "%s",
             vgg_cli_count_text(number, count_of(network, "parameters")));
    snprintf(row->cells[MULTIPLY_ADDS], CELL_SIZE, "%s",
             vgg_cli_count_text(number, count_of(network, "multiply_adds")));
}

/* A network and how it is drawn. */
typedef struct side {
    const json_t *network, *layers;
    int widths[CELLS];
    size_t cells; /* that are shown of each row */
    size_t next;  /* the layer that is drawn next */
} side;

static void widen(side *s, const cell_row *row) {
    for (size_t c = 0; c < s->cells; c++) {
        int length = (int)strlen(row->cells[c]);
        s->widths[c] = length > s->widths[c] ? length : s->widths[c];
    }
}

static int width_of(const side *s) {
    int width = 2 * ((int)s->cells - 1);
    for (size_t c = 0; c < s->cells; c++) {
        width += s->widths[c];
    }
    return width;
}

static side begin(const json_t *network, bool multiply_adds) {
    side s = {.network = network,
              .layers = json_object_get(network, "layers"),
              .cells = multiply_adds ? CELLS : CELLS - 1};
    cell_row row = titles;
    widen(&s, &row);
    for (size_t l = 0; l < json_array_size(s.layers); l++) {
        fill_layer(json_array_get(s.layers, l), &row);
        widen(&s, &row);
    }
    fill_totals(network, &row);
    widen(&s, &row);
    char name[CELL_SIZE];
    int length = (int)strlen(vgg_cli_clean_text(name, sizeof name, text_of(network, "name")));
    if (width_of(&s) < length)
        s.widths[TYPE] += length - width_of(&s);
    return s;
}

/* The first column is to the left, and the figures to the right. */
static void print_row(const side *s, const cell_row *row) {
    for (size_t c = 0; c < s->cells; c++) {
        printf("%s%*s", c == 0 ? "" : "  ", c == TYPE ? -s->widths[c] : s->widths[c],
               row->cells[c]);
    }
}

static const char between[] = "   ";

static void print_rule(const side *sides, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? between : "", stdout);
        for (int n = width_of(&sides[i]); n > 0; n--) {
            putchar('-');
        }
    }
    putchar('\n');
}

/* Layers up to the next pool of 2x2, which ends a block. */
static size_t block_length(const side *s) {
    size_t total = json_array_size(s->layers), length = 0;
    while (s->next + length < total) {
        const char *type = text_of(json_array_get(s->layers, s->next + length++), "type");
        if (strcmp(type, "MaxPool2d") == 0 || strcmp(type, "AvgPool2d") == 0)
            break;
    }
    return length;
}

/* Of the line that is `line` of a block; nothing where the block is shorter. */
static void print_layers(side *sides, const size_t *lengths, size_t count, size_t line) {
    for (size_t i = 0; i < count; i++) {
        cell_row row = {0};
        if (line < lengths[i])
            fill_layer(json_array_get(sides[i].layers, sides[i].next++), &row);
        fputs(i > 0 ? between : "", stdout);
        print_row(&sides[i], &row);
    }
    putchar('\n');
}

static void print_blocks(side *sides, size_t count) {
    for (size_t longest = 1; longest > 0;) {
        size_t lengths[VGG_CLI_SUMMARIES_MOST];
        longest = 0;
        for (size_t i = 0; i < count; i++) {
            lengths[i] = block_length(&sides[i]);
            longest = lengths[i] > longest ? lengths[i] : longest;
        }
        for (size_t line = 0; line < longest; line++) {
            print_layers(sides, lengths, count, line);
        }
    }
}

static void print_beside(side *sides, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char name[CELL_SIZE];
        printf("%s%-*s", i > 0 ? between : "", width_of(&sides[i]),
               vgg_cli_clean_text(name, sizeof name, text_of(sides[i].network, "name")));
    }
    putchar('\n');
    print_rule(sides, count);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? between : "", stdout);
        print_row(&sides[i], &titles);
    }
    putchar('\n');
    print_rule(sides, count);
    print_blocks(sides, count);
    print_rule(sides, count);
    for (size_t i = 0; i < count; i++) {
        cell_row row = {0};
        fill_totals(sides[i].network, &row);
        fputs(i > 0 ? between : "", stdout);
        print_row(&sides[i], &row);
    }
    putchar('\n');
}

/* How many of the networks fit beside one another, at least one; all where nobody looks. */
static size_t fitting(const side *sides, size_t count) {
    size_t fit = 1, width = (size_t)width_of(&sides[0]);
    for (; fit < count; fit++) {
        width += strlen(between) + (size_t)width_of(&sides[fit]);
        if (vgg_cli_is_screen(stdout) && width > vgg_cli_terminal_width(stdout))
            break;
    }
    return fit;
}

void vgg_cli_print_summaries(const json_t *networks, bool multiply_adds) {
    side sides[VGG_CLI_SUMMARIES_MOST] = {0};
    size_t count = json_array_size(networks);
    for (size_t i = 0; i < count; i++) {
        sides[i] = begin(json_array_get(networks, i), multiply_adds);
    }
    for (size_t i = 0, fit; i < count; i += fit) {
        if (i > 0)
            putchar('\n');
        fit = fitting(&sides[i], count - i);
        print_beside(&sides[i], fit);
    }
}
