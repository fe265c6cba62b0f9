/* Which columns of a CSV file are scores of classes. */
#ifndef VGG_SCORES_CSV_COLUMNS_H
#define VGG_SCORES_CSV_COLUMNS_H

#include "scores/file.h"

/* What stands in a field. */
typedef enum vgg_score_field {
    VGG_FIELD_EMPTY = 0,
    VGG_FIELD_NUMBER = 1,
    VGG_FIELD_TEXT = 2,
} vgg_score_field;

/* The columns that may be scores: all but those of names, truths and predictions. file.classes has
 * their names, file.columns how many they are, file.rows their numbers. */
typedef struct vgg_score_columns {
    vgg_score_file *file;
    unsigned char *fields; /* a vgg_score_field of each line and column */
    size_t capacity;       /* of them, in lines */
    const char **texts;    /* of each column the first field that is no number; NULL: none is */
    bool predicted;        /* the file has a column of predictions */
} vgg_score_columns;

/* The file is then what its lines say, and has as columns those that are scores, none where they
 * are not; its lines know whether they were read. VGG_ERROR_FORMAT where a column may be one or
 * not, and for fields of scores that are no numbers. */
vgg_status vgg_score_columns_choose(vgg_score_columns *columns, vgg_error *error);

#endif
