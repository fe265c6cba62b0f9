/* vgg eval with a model for several labels of a picture. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/csv.h"
#include "cli/eval.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/picture_progress.h"
#include "cli/skipped.h"
#include "cli/table.h"
#include "cli/terminal.h"

bool vgg_cli_eval_labels_allow(const vgg_cli_eval_options *o) {
    const struct {
        bool given;
        const char *name;
    } refused[] = {
        {o->compare, "compare"},     {o->predictions != NULL, "predictions"},
        {o->page != NULL, "report"}, {o->fit_temperature, "fit-temperature"},
        {o->hardest > 0, "hardest"}, {o->table, "table"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (refused[i].given) {
            vgg_cli_complain("eval",
                             "--%s: is for models of one class of each picture, and this model is "
                             "for several labels",
                             refused[i].name);
            return false;
        }
    }
    return true;
}

/* ---- measuring ---- */

typedef struct measuring {
    vgg_cli_progress progress;
    vgg_cli_skipped skipped;
    size_t before; /* pictures of the parts before the one that is measured */
    size_t total;  /* of all parts */
    double started;
} measuring;

static bool show_progress(void *user, size_t done, size_t total) {
    measuring *m = user;
    (void)total;
    vgg_cli_picture_progress(&m->progress, "measuring", m->before + done, 0, m->total, m->started);
    return true;
}

static bool skip(void *user, const char *name, const vgg_error *why) {
    measuring *m = user;
    return vgg_cli_skip(&m->skipped, name, why);
}

/* predictor: NULL where the model is computed in batches. */
static vgg_status measure(const vgg_cli_eval_options *o, const vgg_model *model,
                          vgg_predictor *predictor, const vgg_cli_eval_data *data,
                          vgg_label_scores *scores, measuring *m, vgg_error *error) {
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.batch = o->batch;
    options.threads = o->views.threads;
    options.workers = o->workers;
    options.exact = o->views.exact;
    options.precision = vgg_precision_named(o->views.computing.precision);
    options.device = vgg_device_named(o->views.computing.device);
    options.protocol = vgg_protocol_named(o->views.protocol);
    options.skipped = skip;
    options.progress = show_progress;
    options.user = m;
    options.warn = vgg_cli_picture_note;
    options.warn_user = &m->skipped;
    options.label_scores = scores;
    vgg_status status = VGG_OK;
    for (size_t i = 0; i < data->count; i++) {
        m->total += vgg_dataset_count(data->chosen[i]);
    }
    for (size_t i = 0; status == VGG_OK && i < data->count; i++) {
        vgg_eval_result result = {.struct_size = sizeof result};
        status = predictor != NULL
                     ? vgg_evaluate_with(predictor, data->chosen[i], &options, &result, error)
                     : vgg_evaluate(model, data->chosen[i], &options, &result, error);
        m->before += vgg_dataset_count(data->chosen[i]);
    }
    return status;
}

/* ---- figures ---- */

/* What is printed. */
typedef struct shown {
    const vgg_label_scores *scores;
    const vgg_cli_eval_data *data;
    size_t skipped;
    double temperature; /* NaN: of several models */
    const vgg_cli_viewing *views;
    size_t models;
    vgg_label_figures figures;
} shown;

static vgg_label_class_figures class_of(const shown *s, size_t c) {
    vgg_label_class_figures f = {.struct_size = sizeof f};
    if (vgg_label_scores_class(s->scores, c, &f, NULL) != VGG_OK)
        f = (vgg_label_class_figures){.struct_size = sizeof f,
                                      .name = "?",
                                      .average_precision = NAN,
                                      .precision = NAN,
                                      .recall = NAN,
                                      .f1 = NAN};
    return f;
}

static void print_percent(FILE *rows, double share) {
    if (isfinite(share))
        fprintf(rows, "  %7.2f", 100 * share);
    else
        fprintf(rows, "  %7s", "-");
}

static void print_classes(const shown *s) {
    vgg_cli_table table;
    putchar('\n');
    vgg_cli_table_begin(&table);
    fprintf(table.rows, "%-24s %9s  %7s  %7s  %7s  %7s\n", "class", "images", "AP %", "prec. %",
            "rec. %", "F1 %");
    for (size_t c = 0; c < vgg_label_scores_class_count(s->scores); c++) {
        const vgg_label_class_figures f = class_of(s, c);
        char count[VGG_CLI_TEXT_SIZE], name[128];
        vgg_cli_clean_text(name, sizeof name, f.name);
        fprintf(table.rows, "%-24.24s %9s", name, vgg_cli_count_text(count, f.pictures));
        print_percent(table.rows, f.average_precision);
        print_percent(table.rows, f.precision);
        print_percent(table.rows, f.recall);
        print_percent(table.rows, f.f1);
        fputc('\n', table.rows);
    }
    vgg_cli_table_end(&table);
}

static void print_text(const shown *s) {
    const vgg_label_figures *f = &s->figures;
    char count[VGG_CLI_TEXT_SIZE];
    printf("images       %s\n", vgg_cli_count_text(count, f->pictures));
    if (s->skipped > 0)
        printf("skipped      %s\n", vgg_cli_count_text(count, s->skipped));
    printf("labels       %s\n", vgg_cli_count_text(count, f->labels));
    if (isfinite(f->mean_average_precision))
        vgg_cli_print_line("precision    %.2f %%, the mean average precision of %zu classes",
                           100 * f->mean_average_precision, f->labelled_classes);
    vgg_cli_print_line("exact        %.2f %%  (95 %%: %.2f to %.2f) have each label right",
                       100 * f->exact_match, 100 * f->exact_low, 100 * f->exact_high);
    printf("loss         %.4f\n", f->loss);
    if (s->temperature < 1 || s->temperature > 1)
        printf("temperature  %.4f\n", s->temperature);
    vgg_cli_print_line("part         %s%s", s->data->name, s->data->noted);
    print_classes(s);
}

static json_t *class_object(const shown *s, size_t c) {
    const vgg_label_class_figures f = class_of(s, c);
    return json_pack("{s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "class", vgg_cli_json_text(f.name),
                     "images", (json_int_t)f.pictures, "predicted", (json_int_t)f.predicted,
                     "right", (json_int_t)f.right, "average_precision",
                     vgg_cli_json_number(f.average_precision), "precision",
                     vgg_cli_json_number(f.precision), "recall", vgg_cli_json_number(f.recall),
                     "f1", vgg_cli_json_number(f.f1));
}

static bool print_json(const shown *s) {
    const vgg_label_figures *f = &s->figures;
    json_t *classes = json_array();
    for (size_t c = 0; classes != NULL && c < vgg_label_scores_class_count(s->scores); c++) {
        classes = vgg_cli_json_appended(classes, class_object(s, c));
    }
    json_t *object = json_pack(
        "{s:I, s:I, s:b, s:I, s:o, s:o, s:o, s:[o,o], s:o, s:o, s:o, s:o, s:o, s:o}", "images",
        (json_int_t)f->pictures, "skipped", (json_int_t)s->skipped, "multi_label", 1, "labels",
        (json_int_t)f->labels, "mean_average_precision",
        vgg_cli_json_number(f->mean_average_precision), "loss", vgg_cli_json_number(f->loss),
        "exact_match", vgg_cli_json_number(f->exact_match), "exact_match_interval",
        vgg_cli_json_number(f->exact_low), vgg_cli_json_number(f->exact_high), "part",
        vgg_cli_json_text(s->data->name), "macro_precision", vgg_cli_json_number(f->precision),
        "macro_recall", vgg_cli_json_number(f->recall), "macro_f1", vgg_cli_json_number(f->f1),
        "temperature", vgg_cli_json_number(s->temperature), "classes", classes);
    json_t *views = vgg_cli_views_json(s->views, s->models);
    if (json_object_update(object, views) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(views);
    if (!vgg_cli_json_print(object, false, 0))
        return false;
    putchar('\n');
    return true;
}

static void print_value(const char *figure, const char *class, double value) {
    vgg_cli_csv_field(figure);
    putchar(',');
    if (class != NULL)
        vgg_cli_csv_field(class);
    if (isfinite(value))
        printf(",%.15g\n", value);
    else
        puts(",");
}

static void print_csv(const shown *s) {
    const vgg_label_figures *f = &s->figures;
    puts("figure,class,value");
    print_value("images", NULL, (double)f->pictures);
    print_value("skipped", NULL, (double)s->skipped);
    print_value("labels", NULL, (double)f->labels);
    print_value("mean_average_precision", NULL, f->mean_average_precision);
    print_value("exact_match", NULL, f->exact_match);
    print_value("exact_match_low", NULL, f->exact_low);
    print_value("exact_match_high", NULL, f->exact_high);
    print_value("loss", NULL, f->loss);
    print_value("macro_precision", NULL, f->precision);
    print_value("macro_recall", NULL, f->recall);
    print_value("macro_f1", NULL, f->f1);
    for (size_t c = 0; c < vgg_label_scores_class_count(s->scores); c++) {
        const vgg_label_class_figures class = class_of(s, c);
        print_value("images", class.name, (double)class.pictures);
        print_value("predicted", class.name, (double)class.predicted);
        print_value("right", class.name, (double)class.right);
        print_value("average_precision", class.name, class.average_precision);
        print_value("precision", class.name, class.precision);
        print_value("recall", class.name, class.recall);
        print_value("f1", class.name, class.f1);
    }
}

static bool show(const vgg_cli_eval_options *o, shown *s, vgg_error *error) {
    s->figures = (vgg_label_figures){.struct_size = sizeof s->figures};
    bool complete = vgg_label_scores_figures(s->scores, &s->figures, error) == VGG_OK;
    if (!complete)
        vgg_cli_complain("eval", "%s", error->message);
    else if (strcmp(o->format, "json") == 0) {
        complete = print_json(s);
        if (!complete)
            vgg_cli_complain("eval", "out of memory while writing JSON");
    } else if (strcmp(o->format, "csv") == 0)
        print_csv(s);
    else
        print_text(s);
    return complete;
}

int vgg_cli_eval_labels(const vgg_cli_eval_options *o, const vgg_cli_models *models,
                        const vgg_cli_eval_data *data) {
    const vgg_model *model = models->models[0];
    vgg_predictor *predictor = NULL;
    int begun = vgg_cli_eval_predictor(o, models, &predictor);
    if (begun != VGG_CLI_OK)
        return begun;
    measuring m = {.progress = vgg_cli_progress_on(stderr), .started = vgg_cli_now()};
    m.skipped = (vgg_cli_skipped){.command = "eval", .strict = o->strict, .progress = &m.progress};
    size_t classes = vgg_dataset_class_count(data->chosen[0]);
    vgg_label_scores *scores = NULL;
    vgg_error error;
    vgg_status status =
        vgg_label_scores_create(vgg_model_class_names(model), classes, &scores, &error);
    if (status == VGG_OK)
        status = measure(o, model, predictor, data, scores, &m, &error);
    vgg_cli_progress_clear(&m.progress);
    vgg_cli_skipped_sum(&m.skipped);
    shown s = {.scores = scores,
               .data = data,
               .skipped = m.skipped.count,
               .temperature = models->count == 1 ? vgg_model_temperature(model) : (double)NAN,
               .views = &o->views,
               .models = models->count};
    bool fine = status == VGG_OK;
    if (!fine)
        vgg_cli_complain("eval", "%s", error.message);
    fine = fine && show(o, &s, &error);
    vgg_label_scores_free(scores);
    vgg_predictor_free(predictor);
    return !fine ? VGG_CLI_FAILURE : m.skipped.count > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}
