/* Files of scores: what their formats come down to. */
#ifndef VGG_SCORES_FILE_H
#define VGG_SCORES_FILE_H

#include "scores/labels.h"
#include "scores/scores.h"

/* Bytes of a file at most, and classes. */
#define VGG_SCORE_FILE_BYTES ((size_t)16 << 30)
#define VGG_SCORE_CLASSES 1000000
/* Numbers from here on are taken for names: a few bytes cannot ask for all classes below them. */
#define VGG_SCORE_NUMBERS 100000

/* One picture of a file. Texts are the file's. */
typedef struct vgg_score_line {
    const char *name;              /* NULL: the file names none */
    const char *truth, *predicted; /* NULL or "": not said */
    size_t line;                   /* for messages, from 1 */
    bool unread;
} vgg_score_line;

/* What a file says. Start with {0}. */
typedef struct vgg_score_file {
    const char *path;
    const char *unit; /* what a picture is called in messages: "line" or "picture" */
    vgg_score_line *lines;
    size_t count, capacity;
    const char **classes; /* names of the classes, class_count of them; 0: their numbers */
    size_t class_count;
    size_t columns;      /* scores of a picture; 0: predicted classes alone */
    float *rows;         /* count x columns */
    size_t row_capacity; /* in rows */
    bool kind_said;
    vgg_score_kind kind; /* where it is said */
    bool numbered; /* truths and predictions are numbers of classes, whatever these are called */
} vgg_score_file;

void vgg_score_file_free(vgg_score_file *file);

/* Adds a line with room for its row. */
vgg_status vgg_score_file_add(vgg_score_file *file, const vgg_score_line *line, vgg_error *error);

/* Scores of what the file says. */
vgg_status vgg_score_file_take(const vgg_score_file *file, const vgg_scores_read_options *options,
                               vgg_scores **scores, vgg_error *error);

vgg_status vgg_scores_read_csv(const char *path, const vgg_scores_read_options *options,
                               vgg_scores **scores, vgg_error *error);
vgg_status vgg_scores_write_csv(const vgg_scores *scores, const char *path, vgg_error *error);
vgg_status vgg_scores_read_npz(const char *path, const vgg_scores_read_options *options,
                               vgg_scores **scores, vgg_error *error);
vgg_status vgg_scores_write_npz(const vgg_scores *scores, const char *path, vgg_error *error);

#endif
