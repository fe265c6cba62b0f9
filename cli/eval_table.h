/* The paper's tables of a set of models: vgg eval --table. */
#ifndef VGG_CLI_EVAL_TABLE_H
#define VGG_CLI_EVAL_TABLE_H

#include <stddef.h>

#include "cli/eval.h"

/* A row of the paper's Table 3, 4, 5 or 6. */
typedef struct vgg_cli_table_row {
    int table;
    char *network;                             /* the model as it was named, or all of them */
    char train[48], test[8 * VGG_SCALES_MOST]; /* scales S and Q */
    const char *method;                        /* "dense", "crops" or "dense+crops" */
    vgg_score_figures figures;
} vgg_cli_table_row;

/* Table 3 has a row for each scale of a model; of a model there are four more at most, and of all
 * together three. */
#define VGG_CLI_TABLE_ROWS (VGG_CLI_TEXTS_MOST * (VGG_SCALES_MOST + 4) + 3)

typedef struct vgg_cli_tables {
    vgg_cli_table_row *rows; /* VGG_CLI_TABLE_ROWS, in the order of their measuring */
    size_t count;
} vgg_cli_tables;

/* Prints the tables in a format: text, csv or html. */
void vgg_cli_tables_show(const vgg_cli_tables *tables, const char *format, const char *line);

/* Measures and prints. Returns the exit status. */
int vgg_cli_eval_table(const vgg_cli_eval_options *o, const char *path);

#endif
