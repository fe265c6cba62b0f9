/* The paper's tables on standard output. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/csv.h"
#include "cli/eval_table.h"
#include "cli/message.h"
#include "cli/report/html.h"
#include "cli/report/report.h"
#include "cli/table.h"

/* Columns of a network's name. */
#define NETWORK_LEAST 16
#define NETWORK_MOST 60

/* The tables, and which columns of a row they have. */
static const struct {
    int number;
    const char *title;
    bool train, test, method;
} kinds[] = {
    {3, "Table 3. One test scale, dense", true, true, false},
    {4, "Table 4. Several test scales, dense", true, true, false},
    {5, "Table 5. Dense and multi-crop evaluation", false, true, true},
    {6, "Table 6. Networks fused, each at its scales", false, false, true},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* A share of pictures that are wrong, with its interval. */
typedef struct error_share {
    double error, low, high;
} error_share;

static error_share top1(const vgg_score_figures *f) {
    return (error_share){1 - f->accuracy, 1 - f->accuracy_high, 1 - f->accuracy_low};
}

static error_share top5(const vgg_score_figures *f) {
    return (error_share){1 - f->top5, 1 - f->top5_high, 1 - f->top5_low};
}

static bool has_rows(const vgg_cli_tables *tables, int number) {
    for (size_t i = 0; i < tables->count; i++) {
        if (tables->rows[i].table == number)
            return true;
    }
    return false;
}

static const char *network_of(const vgg_cli_table_row *row) {
    return row->network != NULL ? row->network : "";
}

/* ---- text ---- */

static void print_row(FILE *out, size_t kind, int width, const vgg_cli_table_row *row) {
    char clean[1024];
    error_share first = top1(&row->figures), fifth = top5(&row->figures);
    fprintf(out, "%-*s", width, vgg_cli_clean_text(clean, sizeof clean, network_of(row)));
    if (kinds[kind].train)
        fprintf(out, "  %12s", row->train);
    if (kinds[kind].test)
        fprintf(out, "  %16s", row->test);
    if (kinds[kind].method)
        fprintf(out, "  %-11s", row->method);
    fprintf(out, "  %7.2f  %6.2f to %6.2f  %7.2f  %6.2f to %6.2f\n", 100 * first.error,
            100 * first.low, 100 * first.high, 100 * fifth.error, 100 * fifth.low,
            100 * fifth.high);
}

static void print_head(FILE *out, size_t kind, int width) {
    fprintf(out, "%-*s", width, "network");
    if (kinds[kind].train)
        fprintf(out, "  %12s", "train S");
    if (kinds[kind].test)
        fprintf(out, "  %16s", "test Q");
    if (kinds[kind].method)
        fprintf(out, "  %-11s", "method");
    fprintf(out, "  %7s  %16s  %7s  %16s\n", "top-1 %", "95 %    ", "top-5 %", "95 %    ");
}

/* The longest name of a table's rows. */
static int width_of(const vgg_cli_tables *tables, int number) {
    size_t width = NETWORK_LEAST;
    for (size_t i = 0; i < tables->count; i++) {
        size_t own = strlen(network_of(&tables->rows[i]));
        if (tables->rows[i].table == number && own > width)
            width = own;
    }
    return (int)(width < NETWORK_MOST ? width : NETWORK_MOST);
}

static void print_text(const vgg_cli_tables *tables) {
    bool first = true;
    for (size_t kind = 0; kind < KINDS; kind++) {
        if (!has_rows(tables, kinds[kind].number))
            continue;
        int width = width_of(tables, kinds[kind].number);
        if (!first)
            putchar('\n');
        vgg_cli_print_line("%s: errors", kinds[kind].title);
        vgg_cli_table table;
        vgg_cli_table_begin(&table);
        print_head(table.rows, kind, width);
        for (size_t i = 0; i < tables->count; i++) {
            if (tables->rows[i].table == kinds[kind].number)
                print_row(table.rows, kind, width, &tables->rows[i]);
        }
        vgg_cli_table_end(&table);
        first = false;
    }
}

/* ---- CSV ---- */

static void print_share(error_share share) {
    const double values[] = {share.error, share.low, share.high};
    for (size_t i = 0; i < 3; i++) {
        if (isfinite(values[i]))
            printf(",%.15g", values[i]);
        else
            putchar(',');
    }
}

static void print_csv(const vgg_cli_tables *tables) {
    puts("table,network,train_s,test_q,method,images,top1_error,top1_low,top1_high,top5_error,"
         "top5_low,top5_high");
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < tables->count; i++) {
            const vgg_cli_table_row *row = &tables->rows[i];
            const char *const fields[] = {network_of(row), row->train, row->test, row->method};
            if (row->table != kinds[kind].number)
                continue;
            printf("%d", row->table);
            for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
                putchar(',');
                vgg_cli_csv_field(fields[f]);
            }
            printf(",%zu", row->figures.pictures);
            print_share(top1(&row->figures));
            print_share(top5(&row->figures));
            putchar('\n');
        }
    }
}

/* ---- HTML ---- */

static void write_cell(const char *text) {
    fputs("<td>", stdout);
    vgg_cli_html_text(stdout, text);
    fputs("</td>", stdout);
}

static void write_share(error_share share) {
    printf("<td>%.2f</td><td>%.2f to %.2f</td>", 100 * share.error, 100 * share.low,
           100 * share.high);
}

static void write_row(size_t kind, const vgg_cli_table_row *row) {
    fputs("<tr><th scope=\"row\">", stdout);
    vgg_cli_html_text(stdout, network_of(row));
    fputs("</th>", stdout);
    if (kinds[kind].train)
        write_cell(row->train);
    if (kinds[kind].test)
        write_cell(row->test);
    if (kinds[kind].method)
        write_cell(row->method);
    write_share(top1(&row->figures));
    write_share(top5(&row->figures));
    fputs("</tr>\n", stdout);
}

static void write_table(const vgg_cli_tables *tables, size_t kind) {
    char id[16];
    snprintf(id, sizeof id, "table-%d", kinds[kind].number);
    vgg_cli_section_begin(stdout, id, kinds[kind].title);
    printf("<table><thead><tr><th scope=\"col\">network</th>%s%s%s<th scope=\"col\">top-1 error "
           "%%</th><th scope=\"col\">95 %%</th><th scope=\"col\">top-5 error %%</th><th "
           "scope=\"col\">95 %%</th></tr></thead><tbody>\n",
           kinds[kind].train ? "<th scope=\"col\">train S</th>" : "",
           kinds[kind].test ? "<th scope=\"col\">test Q</th>" : "",
           kinds[kind].method ? "<th scope=\"col\">method</th>" : "");
    for (size_t i = 0; i < tables->count; i++) {
        if (tables->rows[i].table == kinds[kind].number)
            write_row(kind, &tables->rows[i]);
    }
    fputs("</tbody></table>\n", stdout);
    vgg_cli_section_end(stdout);
}

static void write_page(const vgg_cli_tables *tables, const char *line) {
    vgg_cli_page_begin(stdout, "The paper's tables");
    fputs("<header><h1>The paper's tables</h1>\n<p>Errors on the validation pictures, with "
          "intervals of 95 %, by ",
          stdout);
    fputs("<code>", stdout);
    vgg_cli_html_text(stdout, line != NULL ? line : "vgg eval --table");
    fputs("</code></p>\n</header>\n<main id=\"main\">\n", stdout);
    for (size_t kind = 0; kind < KINDS; kind++) {
        if (has_rows(tables, kinds[kind].number))
            write_table(tables, kind);
    }
    vgg_cli_page_end(stdout);
}

void vgg_cli_tables_show(const vgg_cli_tables *tables, const char *format, const char *line) {
    if (strcmp(format, "csv") == 0)
        print_csv(tables);
    else if (strcmp(format, "html") == 0)
        write_page(tables, line);
    else
        print_text(tables);
}
