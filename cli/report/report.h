/* The parts of a report: a page of HTML that needs nothing but itself. */
#ifndef VGG_CLI_REPORT_REPORT_H
#define VGG_CLI_REPORT_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/report/chart.h"
#include "vgg/vgg.h"

/* ---- run_facts.c: what the folder of a run says ---- */

/* Columns of what was measured after each epoch; NaN where it was not. */
enum {
    VGG_CLI_EPOCH,
    VGG_CLI_TRAIN_LOSS,
    VGG_CLI_TRAIN_ACCURACY,
    VGG_CLI_LOSS,
    VGG_CLI_TOP1,
    VGG_CLI_TOP5,
    VGG_CLI_PRECISION, /* mean average precision of several labels */
    VGG_CLI_EXACT,     /* share of pictures of which each class is right */
    VGG_CLI_RATE,
    VGG_CLI_SPEED,
    VGG_CLI_COLUMNS
};

typedef struct vgg_cli_run_facts {
    const char *folder;
    json_t *about; /* run.json: the command, the machine, the options; NULL: it is not there */
    size_t epochs; /* that are complete */
    double *columns[VGG_CLI_COLUMNS]; /* (epochs) each */
    bool several;                     /* labels of a picture */
    double seconds;                   /* NaN: not known */
    size_t best;                      /* the row of the best epoch; epochs: none */
} vgg_cli_run_facts;

/* The plain file of that name in the folder of a run; NULL, with the reason in errno, where it
 * cannot be opened. */
FILE *vgg_cli_run_open(const char *folder, const char *name);
/* Whether a file that is not there, or no plain one, is all that is wrong. */
bool vgg_cli_run_lacks(int reason);

/* Reads the run, which may be under way. False when that was complained about. */
bool vgg_cli_run_facts_read(vgg_cli_run_facts *facts, const char *command, const char *folder);
void vgg_cli_run_facts_free(vgg_cli_run_facts *facts);
/* A text of run.json: of the object `group`, or of all with NULL. NULL when it is not there. */
const char *vgg_cli_run_fact(const vgg_cli_run_facts *facts, const char *group, const char *name);

/* ---- thumbnails.c: pictures made small, each once ---- */

typedef struct vgg_cli_thumbnails vgg_cli_thumbnails;

#define VGG_CLI_SETS_MOST 3
/* Of the pictures of up to three data sets, which must outlive it. NULL when memory ran out. The
 * command is that of a note about the first picture of each page that cannot be read. */
vgg_cli_thumbnails *vgg_cli_thumbnails_create(const char *command, const vgg_dataset *const *sets,
                                              size_t count);
void vgg_cli_thumbnails_free(vgg_cli_thumbnails *thumbnails);
/* Finds the pictures of the scores, which were made in the order of the data sets. Begins a new
 * page, for which thumbnails are made for so many seconds; those made before are there at once.
 * False when memory ran out. */
bool vgg_cli_thumbnails_begin(vgg_cli_thumbnails *thumbnails, const vgg_scores *scores,
                              double seconds);
/* The picture of that number in the scores as an address "data:..."; NULL when the page is full or
 * the picture cannot be read. It belongs to the thumbnails. */
const char *vgg_cli_thumbnail(vgg_cli_thumbnails *thumbnails, size_t picture);
/* Whether all that the page under way was to have of them found memory. */
bool vgg_cli_thumbnails_whole(const vgg_cli_thumbnails *thumbnails);

/* ---- page.c ---- */

/* Whether a part of the page can be written. Where memory ran out for it the page fails, as if
 * memory for its text had run out: a page that is written has all its parts. */
bool vgg_cli_page_has(FILE *out, vgg_status status);

/* Everything before the sections, and behind them. */
void vgg_cli_page_begin(FILE *out, const char *title);
void vgg_cli_page_end(FILE *out);
/* A section with a heading; `id` for links to it. */
void vgg_cli_section_begin(FILE *out, const char *id, const char *heading);
void vgg_cli_section_end(FILE *out);
/* A figure that matters, with what it is called below. */
void vgg_cli_card(FILE *out, const char *name, const char *value, const char *note);
/* A picture within the page. */
void vgg_cli_page_image(FILE *out, const vgg_image *image, vgg_image_format format,
                        const char *name, const char *css_class);

/* ---- curves.c ---- */

/* Losses, accuracies and rates of up to VGG_CLI_RUNS_MOST runs, one over the other. */
#define VGG_CLI_RUNS_MOST 6
typedef void vgg_cli_chart_callback(void *user, const vgg_cli_chart *chart);
void vgg_cli_each_chart(const vgg_cli_run_facts *const *runs, size_t count,
                        vgg_cli_chart_callback *tell, void *user);
void vgg_cli_curves(FILE *out, const vgg_cli_run_facts *const *runs, size_t count);

/* ---- scores.c, confusion.c, gallery.c: an evaluation ---- */

typedef struct vgg_cli_evaluation {
    const char *part; /* "validation", "test", ... */
    const vgg_scores *scores;
    vgg_cli_thumbnails *thumbnails; /* NULL: without pictures */
} vgg_cli_evaluation;

void vgg_cli_evaluation_cards(FILE *out, const vgg_cli_evaluation *evaluation);
void vgg_cli_evaluation_sections(FILE *out, const vgg_cli_evaluation *evaluation);
void vgg_cli_confusion(FILE *out, const vgg_cli_evaluation *evaluation);
void vgg_cli_gallery(FILE *out, const vgg_cli_evaluation *evaluation);
/* The pictures behind the cells of the matrix, as data of the script. */
void vgg_cli_cells(FILE *out, const vgg_cli_evaluation *evaluation);

/* ---- network.c ---- */

/* The first convolution's filters as pictures. */
void vgg_cli_filters(FILE *out, const vgg_model *model);
/* What the network saw: the picture views.png of the run, without pixels where there is none. False
 * when that was complained about; of a damaged one there is a note. */
bool vgg_cli_views_load(const char *command, const char *folder, vgg_image *views);
void vgg_cli_views(FILE *out, const vgg_image *views);
void vgg_cli_configuration(FILE *out, const vgg_cli_run_facts *const *runs, size_t count);

/* ---- report.c ---- */

/* An evaluation as HTML, which a page may take from an earlier one of the run. */
typedef struct vgg_cli_rendered {
    char *cards, *sections; /* NULL: nothing was evaluated */
} vgg_cli_rendered;

/* False when memory ran out; `rendered` is then as it was. */
bool vgg_cli_render(vgg_cli_rendered *rendered, const vgg_cli_evaluation *evaluation);
/* Takes the parts of the page report.html in the folder, if there is one. False when that was
 * complained about. */
bool vgg_cli_rendered_read(vgg_cli_rendered *rendered, const char *command, const char *folder);
void vgg_cli_rendered_free(vgg_cli_rendered *rendered);

/* Each writes a page; false when that was complained about. */
bool vgg_cli_report_runs(const char *command, const char *path,
                         const vgg_cli_run_facts *const *runs, size_t count, const vgg_model *model,
                         const vgg_cli_rendered *rendered);
/* about: rows of name and value of what was measured, NULL at the end. */
bool vgg_cli_report_evaluation(const char *command, const char *path, const char *title,
                               const char *const (*about)[2], const vgg_model *model,
                               const vgg_cli_evaluation *evaluation);

#endif
