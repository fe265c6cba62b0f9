/* `vgg eval` and its sources. */
#ifndef VGG_CLI_EVAL_H
#define VGG_CLI_EVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/views.h"
#include "vgg/vgg.h"

typedef struct vgg_cli_eval_options {
    vgg_cli_model_source source;
    vgg_cli_texts models;
    vgg_cli_viewing views;
    const char *part, *format, *predictions, *out;
    size_t batch, workers, hardest;
    double validation_split;
    bool split_given, batch_given;
    uint64_t seed;
    bool strict, resume, overwrite, fit_temperature, compare, fuse, table;
    const char *page; /* of --report */
    char *line;       /* the command line */
} vgg_cli_eval_options;

/* What is measured: one part of the data or several. Start with
 * {.parts = {.struct_size = sizeof data.parts}}. */
typedef struct vgg_cli_eval_data {
    vgg_dataset_parts parts;
    const vgg_dataset *chosen[3];
    size_t count;
    const char *name;  /* of the part, or "all" */
    const char *noted; /* what is to be said of it; "" */
} vgg_cli_eval_data;

/* Opens the data with the classes of the model, and chooses the part. False, which is complained
 * about, when there is none. */
bool vgg_cli_eval_open(const vgg_cli_eval_options *o, const char *path, const vgg_model *model,
                       vgg_cli_eval_data *data);

/* Measures the models, whose probabilities are averaged: scores for the caller to free, with rows
 * where something needs them, and the pictures per second. Returns the exit status; anything but
 * VGG_CLI_OK and VGG_CLI_SKIPPED has been complained about, and there are no scores. `title` stands
 * before the bar. */
int vgg_cli_eval_measure(const vgg_cli_eval_options *o, const char *title,
                         const vgg_cli_models *models, const vgg_cli_eval_data *data,
                         vgg_scores **scores, double *images_per_s);

/* Measures a model for several labels and prints its figures. Returns the exit status. */
int vgg_cli_eval_labels(const vgg_cli_eval_options *o, const vgg_cli_models *models,
                        const vgg_cli_eval_data *data);
/* Whether the options are for models of one class of each picture; false, which is complained
 * about, when something of them is not for this model, which is for several labels. */
bool vgg_cli_eval_labels_allow(const vgg_cli_eval_options *o);

/* A predictor where views of a picture are computed at a time; *predictor stays as it is where the
 * one model is computed in batches. Returns the exit status. */
int vgg_cli_eval_predictor(const vgg_cli_eval_options *o, const vgg_cli_models *models,
                           vgg_predictor **predictor);

/* --compare. Returns the exit status. */
int vgg_cli_eval_compare(const vgg_cli_eval_options *o, const char *path);

/* Where --fit-temperature writes the model; NULL, which is complained about, where it must be
 * said. */
const char *vgg_cli_eval_fit_file(const vgg_cli_eval_options *o, const vgg_model *model);

/* --fit-temperature: fits it on the scores, which have rows of the model's logits, writes it into
 * the model and divides the scores by it. False, which is complained about, when that failed. */
bool vgg_cli_eval_fit(const char *path, vgg_model *model, vgg_scores *scores);

#endif
