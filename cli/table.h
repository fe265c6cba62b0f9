/* A table for people, whose rows are written with as many blanks as they like between the columns.
 * On a terminal that is narrower, blanks that stand below each other are left out, and when that is
 * not enough, the columns that do not fit follow below, each time after the first column. */
#ifndef VGG_CLI_TABLE_H
#define VGG_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

typedef struct vgg_cli_table {
    FILE *rows; /* where the rows are to be written */
    char *text;
    size_t size;
} vgg_cli_table;

void vgg_cli_table_begin(vgg_cli_table *table);
/* Prints the table to standard output. */
void vgg_cli_table_end(vgg_cli_table *table);

#endif
