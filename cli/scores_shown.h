/* Figures of scores on standard output, for `vgg eval` and `vgg score`. */
#ifndef VGG_CLI_SCORES_SHOWN_H
#define VGG_CLI_SCORES_SHOWN_H

#include <stdbool.h>

#include "cli/options.h"
#include "cli/views.h"
#include "vgg/scores.h"

/* "text", "json" and "csv"; NULL at the end. */
extern const char *const vgg_cli_score_formats[];

typedef struct vgg_cli_scores_shown {
    const char *command;
    const vgg_scores *scores;
    const char *part;             /* of the data; NULL: not known */
    const char *noted;            /* what is to be said of it behind; "" */
    size_t hardest;               /* pictures of each list */
    double temperature;           /* of the model; 0: not known, or several models */
    const vgg_cli_viewing *views; /* by which it was measured; NULL: not known */
    size_t models;                /* whose probabilities were averaged */
} vgg_cli_scores_shown;

/* Prints in one of the formats. False, which is complained about, when memory ran out. */
bool vgg_cli_scores_show(const vgg_cli_scores_shown *shown, const char *format);

/* What the formats are made of. */
bool vgg_cli_scores_text(const vgg_cli_scores_shown *shown, const vgg_score_figures *figures);
bool vgg_cli_scores_json(const vgg_cli_scores_shown *shown, const vgg_score_figures *figures);
bool vgg_cli_scores_csv(const vgg_cli_scores_shown *shown, const vgg_score_figures *figures);

/* Classes whose confusion matrix is printed at most. */
#define VGG_CLI_MATRIX_CLASSES 2000

/* Up to `hardest` pictures of an order, and how many there are of it in all: an array for the
 * caller to free; NULL when memory ran out. Of an order that the scores do not have *found and *all
 * are 0. */
size_t *vgg_cli_scores_select(const vgg_cli_scores_shown *shown, vgg_score_order order,
                              size_t *found, size_t *all);

vgg_cli_option vgg_cli_hardest_option(size_t *value);

/* Two of them compared: the figures of each beside the other's, classes and pictures on which they
 * differ, McNemar's test. */
typedef struct vgg_cli_compared {
    const char *command;
    const char *names[2];
    const vgg_scores *scores[2];
    double images_per_s[2]; /* 0: not measured */
    double bytes[2];        /* of the models; 0: not known */
    double parameters[2];
    size_t pictures; /* named at most; 0: none in the text, all in JSON and CSV */
} vgg_cli_compared;

bool vgg_cli_compared_show(const vgg_cli_compared *compared, const char *format);

#endif
