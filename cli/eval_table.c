#include "cli/eval_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"

/* A set of models while it is measured. The scores of a model at all scales are kept for what all
 * of them say together. */
typedef struct measuring {
    const vgg_cli_eval_options *o;
    const char *path; /* of the data */
    vgg_cli_tables tables;
    vgg_scores *dense[VGG_CLI_TEXTS_MOST], *crops[VGG_CLI_TEXTS_MOST];
    int status; /* VGG_CLI_SKIPPED where pictures could not be read, VGG_CLI_USAGE of a model that
                 * the tables are not for */
} measuring;

/* One model. */
typedef struct measured_model {
    vgg_cli_models one;
    vgg_cli_eval_data data;
    size_t number;
    size_t scales, sides[VGG_SCALES_MOST];
    char train[48], all[8 * VGG_SCALES_MOST]; /* S, and all scales */
} measured_model;

static bool fail(const vgg_error *error) {
    vgg_cli_complain("eval", "%s", error->message);
    return false;
}

static bool add_row(measuring *m, int table, const char *network, const measured_model *model,
                    const char *test, const char *method, const vgg_scores *scores) {
    vgg_error error;
    vgg_cli_table_row *row = &m->tables.rows[m->tables.count];
    *row = (vgg_cli_table_row){
        .table = table, .method = method, .figures = {.struct_size = sizeof row->figures}};
    snprintf(row->train, sizeof row->train, "%s", model->train);
    snprintf(row->test, sizeof row->test, "%s", test);
    if (vgg_scores_figures(scores, &row->figures, &error) != VGG_OK)
        return fail(&error);
    row->network = strdup(network);
    m->tables.count++;
    if (row->network == NULL)
        vgg_cli_complain("eval", "out of memory for the name of a row");
    return row->network != NULL;
}

/* ---- one model ---- */

/* "[128; 256]" where the training drew scales, else "128". */
static void describe_training(measured_model *model) {
    size_t resize = vgg_model_preprocess(model->one.models[0])->resize;
    const char *note = vgg_model_note(model->one.models[0], "options.scale-jitter");
    double jitter = note != NULL ? strtod(note, NULL) : 1;
    if (jitter > 1)
        snprintf(model->train, sizeof model->train, "[%zu; %.0f]", resize, (double)resize * jitter);
    else
        snprintf(model->train, sizeof model->train, "%zu", resize);
}

/* The scales of the model: those that were asked for, or S. */
static bool find_scales(const measuring *m, measured_model *model) {
    vgg_cli_scales scales;
    const char *path = model->one.paths[0];
    const char *text = m->o->views.scale != NULL ? m->o->views.scale : "S";
    if (!vgg_cli_scales_read("eval", text, &scales) ||
        !vgg_cli_scales_of("eval", &scales, path, model->one.models[0], model->sides))
        return false;
    model->scales = scales.count;
    vgg_cli_scales_text(model->sides, model->scales, model->all);
    return true;
}

/* Measures the model by a protocol at scales. */
static bool measure(measuring *m, const measured_model *model, const char *protocol,
                    const char *scale, vgg_scores **scores) {
    char title[64];
    double images_per_s;
    vgg_cli_eval_options own = *m->o;
    own.views.protocol = protocol;
    own.views.scale = scale;
    snprintf(title, sizeof title, "%zu/%zu %s %.24s", model->number + 1, m->o->models.count,
             protocol, scale);
    int status =
        vgg_cli_eval_measure(&own, title, &model->one, &model->data, scores, &images_per_s);
    if (status != VGG_CLI_OK)
        m->status = status;
    return status == VGG_CLI_OK || status == VGG_CLI_SKIPPED;
}

static bool fuse(vgg_scores *const *members, size_t count, vgg_scores **fused) {
    vgg_error error;
    return vgg_scores_fuse((const vgg_scores *const *)members, count, fused, &error) == VGG_OK ||
           fail(&error);
}

/* Dense at each scale, and at all of them: Tables 3 and 4. */
static bool measure_dense(measuring *m, const measured_model *model) {
    vgg_scores *each[VGG_SCALES_MOST] = {NULL};
    const char *network = model->one.paths[0];
    bool fine = true;
    for (size_t i = 0; fine && i < model->scales; i++) {
        char side[24];
        snprintf(side, sizeof side, "%zu", model->sides[i]);
        fine = measure(m, model, "dense", side, &each[i]) &&
               add_row(m, 3, network, model, side, "dense", each[i]);
    }
    vgg_scores **all = &m->dense[model->number];
    fine = fine && fuse(each, model->scales, all);
    if (fine && model->scales > 1)
        fine = add_row(m, 4, network, model, model->all, "dense", *all);
    for (size_t i = 0; i < model->scales; i++) {
        vgg_scores_free(each[i]);
    }
    return fine;
}

/* Dense, a grid, and both, at all scales: a row of a table for each, of one model or of several. */
static bool add_methods(measuring *m, int table, const char *network, const measured_model *model,
                        const char *test, vgg_scores *dense, vgg_scores *crops) {
    vgg_scores *const members[] = {dense, crops};
    vgg_scores *both = NULL;
    bool fine = add_row(m, table, network, model, test, "dense", dense) &&
                add_row(m, table, network, model, test, "crops", crops) &&
                fuse(members, 2, &both) &&
                add_row(m, table, network, model, test, "dense+crops", both);
    vgg_scores_free(both);
    return fine;
}

static bool measure_model(measuring *m, measured_model *model) {
    const char *network = m->o->models.values[model->number];
    model->data = (vgg_cli_eval_data){.parts = {.struct_size = sizeof model->data.parts}};
    int opened = vgg_cli_models_open("eval", &m->o->source, &network, 1, &model->one);
    if (opened == VGG_CLI_OK && vgg_model_output(model->one.models[0]) == VGG_OUTPUT_SIGMOID &&
        !vgg_cli_eval_labels_allow(m->o))
        opened = VGG_CLI_USAGE;
    if (opened != VGG_CLI_OK)
        m->status = opened;
    bool fine = opened == VGG_CLI_OK &&
                vgg_cli_eval_open(m->o, m->path, model->one.models[0], &model->data) &&
                find_scales(m, model);
    if (fine) {
        describe_training(model);
        fine = measure_dense(m, model) &&
               measure(m, model, "crops", model->all, &m->crops[model->number]) &&
               add_methods(m, 5, network, model, model->all, m->dense[model->number],
                           m->crops[model->number]);
    }
    vgg_dataset_parts_free(&model->data.parts);
    vgg_cli_models_close(&model->one);
    return fine;
}

/* ---- all of them ---- */

/* "A + D". */
static char *name_all(const vgg_cli_texts *models) {
    char *text = strdup(models->values[0]);
    for (size_t i = 1; text != NULL && i < models->count; i++) {
        char *longer = NULL;
        if (asprintf(&longer, "%s + %s", text, models->values[i]) < 0)
            longer = NULL;
        free(text);
        text = longer;
    }
    return text;
}

/* Table 6. */
static bool fuse_models(measuring *m) {
    size_t count = m->o->models.count;
    const measured_model none = {0};
    vgg_scores *dense = NULL, *crops = NULL;
    char *name = name_all(&m->o->models);
    if (name == NULL)
        vgg_cli_complain("eval", "out of memory for the names of %zu models", count);
    bool fine = name != NULL && fuse(m->dense, count, &dense) && fuse(m->crops, count, &crops) &&
                add_methods(m, 6, name, &none, "", dense, crops);
    free(name);
    vgg_scores_free(dense);
    vgg_scores_free(crops);
    return fine;
}

static bool measure_all(measuring *m) {
    bool fine = true;
    for (size_t i = 0; fine && i < m->o->models.count; i++) {
        measured_model model = {.number = i};
        fine = measure_model(m, &model);
    }
    return fine && (m->o->models.count == 1 || fuse_models(m));
}

int vgg_cli_eval_table(const vgg_cli_eval_options *o, const char *path) {
    measuring m = {.o = o, .path = path, .status = VGG_CLI_OK};
    m.tables.rows = calloc(VGG_CLI_TABLE_ROWS, sizeof *m.tables.rows);
    bool fine = m.tables.rows != NULL && measure_all(&m);
    if (m.tables.rows == NULL)
        vgg_cli_complain("eval", "out of memory for the tables");
    if (fine)
        vgg_cli_tables_show(&m.tables, o->format, o->line);
    for (size_t i = 0; i < m.tables.count; i++) {
        free(m.tables.rows[i].network);
    }
    for (size_t i = 0; i < o->models.count; i++) {
        vgg_scores_free(m.dense[i]);
        vgg_scores_free(m.crops[i]);
    }
    free(m.tables.rows);
    return fine || m.status == VGG_CLI_USAGE ? m.status : VGG_CLI_FAILURE;
}
