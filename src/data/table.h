/* Tables that say which picture is what: CSV files, and the lists of Tiny ImageNet. */
#ifndef VGG_DATA_TABLE_H
#define VGG_DATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "data/part_names.h"
#include "vgg/status.h"

typedef struct vgg_row {
    const char *picture, *label; /* texts of the table; picture NULL: one for each, in order */
    size_t labels;               /* that many, one behind the zero of another; 1 as a rule */
    vgg_part_kind part;          /* VGG_PART_NONE: not said */
    size_t line;                 /* in the file, from 1 */
    bool found;                  /* its picture is there; false when the table is read */
} vgg_row;

/* Start with {0}; vgg_table_clear ends it. */
typedef struct vgg_table {
    char *text;  /* the file, cut into fields */
    char *names; /* the same of a file that says what numbers of classes mean; NULL */
    vgg_row *rows;
    size_t count, capacity;
    bool several; /* a row has more labels than one */
    bool unnamed; /* rows name no pictures: they are of all that there are, in the order of their
                   * names */
    bool from_zero, from_one; /* all labels are numbers of classes, from 0 or 1 on */
} vgg_table;

void vgg_table_clear(vgg_table *table);

/* Reads a CSV file: fields after RFC 4180, with or without a line of names first. `name` begins
 * messages. Takes over `text`, which is zero-terminated behind its `size` bytes. Pictures with
 * several labels are refused, unless they are `allowed`; then others may have none. */
vgg_status vgg_table_read_csv(char *text, size_t size, const char *name, bool allowed,
                              vgg_table *table, vgg_error *error);

/* Lines of a picture, a tab, its class, and whatever comes behind another tab: none has several,
 * whatever is `allowed`. */
vgg_status vgg_table_read_annotations(char *text, size_t size, const char *name, bool allowed,
                                      vgg_table *table, vgg_error *error);

/* Kaggle's LOC_val_solution.csv: lines of a picture, and its class before the boxes. */
vgg_status vgg_table_read_solution(char *text, size_t size, const char *name, bool allowed,
                                   vgg_table *table, vgg_error *error);

/* Lines of a picture and its class, as Caffe's val.txt has them, or of a class for each picture. */
vgg_status vgg_table_read_truth(char *text, size_t size, const char *name, bool allowed,
                                vgg_table *table, vgg_error *error);

/* Puts WordNet ids in place of numbers from 1 on, by map_clsloc.txt: lines of an id, its number and
 * a name. Takes over `map`, which is zero-terminated behind its `size` bytes. */
vgg_status vgg_table_name_numbers(vgg_table *table, char *map, size_t size, const char *name,
                                  vgg_error *error);

/* Appends a row; `name` begins messages. */
vgg_status vgg_table_add(vgg_table *table, vgg_row row, const char *name, vgg_error *error);

/* The label behind this one of the same row. */
const char *vgg_table_next_label(const char *label);

#endif
