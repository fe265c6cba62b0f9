/* Measuring for `vgg eval`, from where an earlier evaluation ended. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/eval.h"
#include "cli/eval_journal.h"
#include "cli/message.h"
#include "cli/picture_progress.h"
#include "cli/skipped.h"
#include "cli/terminal.h"

typedef struct measuring {
    const vgg_cli_eval_options *o;
    const vgg_cli_eval_data *data;
    const char *title;
    const vgg_model *model;   /* computed in batches, or */
    vgg_predictor *predictor; /* views of a picture at a time; NULL: batches */
    vgg_scores *scores;
    vgg_cli_journal journal;
    vgg_cli_progress progress;
    vgg_cli_skipped skipped;
    size_t total, begin; /* pictures of all parts, and the first that is computed */
    size_t before;       /* pictures of the parts before the one that is measured */
    size_t at;           /* the picture that is told next, of all */
    double started;
    bool complained;
} measuring;

static bool show_progress(void *user, size_t done, size_t total) {
    measuring *m = user;
    (void)total;
    if (!vgg_cli_journal_flush(&m->journal)) {
        m->complained = true;
        return false;
    }
    vgg_cli_picture_progress(&m->progress, m->title, m->before + done, m->begin, m->total,
                             m->started);
    return true;
}

static bool skip(void *user, const char *name, const vgg_error *why) {
    measuring *m = user;
    return vgg_cli_skip(&m->skipped, name, why);
}

static bool fail_changed(measuring *m, const char *name) {
    vgg_cli_complain("eval",
                     "%s: --resume: %s now has other scores than when the evaluation began; with "
                     "the model and the options of then it goes on, without --resume it is begun "
                     "anew",
                     m->o->predictions, name);
    return false;
}

/* A picture that was done before, of the batch that is computed again, has the same bits. */
static bool check_again(measuring *m, const char *name, size_t truth, const float *row) {
    const float *earlier;
    if (m->at >= m->journal.count)
        return true;
    if (!vgg_cli_journal_take(&m->journal, name, truth, &earlier))
        return false;
    size_t bytes = m->journal.classes * sizeof *row;
    return row == NULL || earlier == NULL || memcmp(row, earlier, bytes) == 0 ||
           fail_changed(m, name);
}

static bool scored(void *user, const char *name, size_t truth, const float *row) {
    measuring *m = user;
    m->complained =
        !check_again(m, name, truth, row) || !vgg_cli_journal_add(&m->journal, name, truth, row);
    m->at++;
    return !m->complained;
}

/* ---- going on ---- */

/* The last batch that was begun is computed again, to find out whether it is the same. */
static void find_begin(measuring *m) {
    size_t before = 0, batch = m->o->batch, done = m->journal.count;
    for (size_t i = 0; i < m->data->count; i++) {
        size_t count = vgg_dataset_count(m->data->chosen[i]);
        if (done > before && done <= before + count)
            m->begin = before + (done - before - 1) / batch * batch;
        before += count;
    }
    m->total = before;
}

static bool check_count(const measuring *m) {
    if (m->journal.count <= m->total)
        return true;
    vgg_cli_complain("eval", "%s: --resume: %zu pictures are done, but the data has %zu",
                     m->o->predictions, m->journal.count, m->total);
    return false;
}

/* Takes the first pictures of a part, which are done. */
static bool take_done(measuring *m, const vgg_dataset *part, size_t count) {
    vgg_error error;
    for (size_t item = 0; item < count; item++, m->at++) {
        const char *name = vgg_dataset_item_name(part, item);
        size_t truth = vgg_dataset_item_class(part, item);
        const float *row;
        if (!vgg_cli_journal_take(&m->journal, name, truth, &row))
            return false;
        vgg_status status = row != NULL ? vgg_scores_add(m->scores, name, truth, row, &error)
                                        : vgg_scores_add_unreadable(m->scores, name, truth, &error);
        if (status != VGG_OK) {
            vgg_cli_complain("eval", "%s", error.message);
            return false;
        }
        m->skipped.count += row == NULL;
        bool there = m->journal.offsets != NULL;
        if (!there && !vgg_cli_journal_add(&m->journal, name, truth, row))
            return false;
    }
    return true;
}

/* ---- measuring ---- */

static vgg_eval_options options_of(measuring *m) {
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.batch = m->o->batch;
    options.threads = m->o->views.threads;
    options.workers = m->o->workers;
    options.exact = m->o->views.exact;
    options.precision = vgg_precision_named(m->o->views.computing.precision);
    options.device = vgg_device_named(m->o->views.computing.device);
    options.protocol = vgg_protocol_named(m->o->views.protocol);
    options.skipped = skip;
    options.progress = show_progress;
    options.user = m;
    options.warn = vgg_cli_picture_note;
    options.warn_user = &m->skipped;
    options.scores = m->scores;
    options.scored = scored;
    options.scored_user = m;
    return options;
}

static bool measure_part(measuring *m, const vgg_dataset *part) {
    vgg_eval_options options = options_of(m);
    vgg_eval_result result = {.struct_size = sizeof result};
    vgg_error error;
    size_t count = vgg_dataset_count(part);
    options.first = m->begin <= m->before ? 0 : m->begin - m->before;
    options.first = options.first < count ? options.first : count;
    if (!take_done(m, part, options.first))
        return false;
    vgg_status status = VGG_OK;
    if (options.first < count && m->predictor != NULL)
        status = vgg_evaluate_with(m->predictor, part, &options, &result, &error);
    else if (options.first < count)
        status = vgg_evaluate(m->model, part, &options, &result, &error);
    m->before += count;
    if (status != VGG_OK && !m->complained) {
        vgg_cli_progress_clear(&m->progress);
        vgg_cli_complain("eval", "%s", error.message);
    }
    return status == VGG_OK;
}

static bool create_scores(measuring *m, const char *const *class_names, size_t classes) {
    vgg_scores_options options;
    vgg_error error;
    vgg_scores_options_init(&options, sizeof options);
    options.rows = m->o->predictions != NULL || m->o->fit_temperature || m->o->table;
    if (vgg_scores_create(class_names, classes, &options, &m->scores, &error) == VGG_OK)
        return true;
    vgg_cli_complain("eval", "%s", error.message);
    return false;
}

/* Reads what is done and begins to write what comes. */
static bool open_journal(measuring *m, const char *const *class_names, size_t classes) {
    if (m->o->predictions == NULL) {
        find_begin(m);
        return true;
    }
    if (!vgg_cli_journal_read(&m->journal, m->o->predictions, m->o->resume, class_names, classes))
        return false;
    find_begin(m);
    /* Nothing is added to what is complete. */
    bool complete = m->journal.offsets == NULL && m->journal.count == m->total;
    return check_count(m) && (complete || vgg_cli_journal_begin(&m->journal, m->begin));
}

static bool measure(measuring *m, const char *const *class_names, size_t classes) {
    bool fine = create_scores(m, class_names, classes) && open_journal(m, class_names, classes);
    m->started = vgg_cli_now();
    for (size_t i = 0; fine && i < m->data->count; i++) {
        fine = measure_part(m, m->data->chosen[i]);
    }
    vgg_cli_progress_clear(&m->progress);
    vgg_cli_skipped_sum(&m->skipped);
    if (fine && vgg_scores_count(m->scores) == 0) {
        vgg_cli_complain("eval", "not one of the %zu pictures could be read", m->total);
        fine = false;
    }
    vgg_error error;
    if (fine && m->o->predictions != NULL &&
        vgg_scores_write(m->scores, m->o->predictions, &error) != VGG_OK) {
        vgg_cli_complain("eval", "%s", error.message);
        fine = false;
    }
    return fine;
}

int vgg_cli_eval_predictor(const vgg_cli_eval_options *o, const vgg_cli_models *models,
                           vgg_predictor **predictor) {
    bool batches = models->count == 1 && o->views.scale == NULL &&
                   vgg_protocol_named(o->views.protocol) <= VGG_PROTOCOL_FLIP;
    return batches ? VGG_CLI_OK : vgg_cli_predictor_create("eval", &o->views, models, predictor);
}

int vgg_cli_eval_measure(const vgg_cli_eval_options *o, const char *title,
                         const vgg_cli_models *models, const vgg_cli_eval_data *data,
                         vgg_scores **scores, double *images_per_s) {
    const vgg_dataset *first = data->chosen[0];
    size_t classes = vgg_dataset_class_count(first);
    measuring m = {.o = o,
                   .data = data,
                   .title = title,
                   .model = models->models[0],
                   .progress = vgg_cli_progress_on(stderr)};
    m.skipped = (vgg_cli_skipped){.command = "eval", .strict = o->strict, .progress = &m.progress};
    int status = vgg_cli_eval_predictor(o, models, &m.predictor);
    if (status != VGG_CLI_OK)
        return status;
    const char **names = calloc(classes, sizeof *names);
    bool fine = names != NULL;
    for (size_t c = 0; fine && c < classes; c++) {
        names[c] = vgg_dataset_class_name(first, c);
    }
    if (fine)
        fine = measure(&m, names, classes);
    else
        vgg_cli_complain("eval", "out of memory for the class names");
    free(names);
    vgg_predictor_free(m.predictor);
    vgg_cli_journal_close(&m.journal, fine);
    if (!fine) {
        vgg_scores_free(m.scores);
        return VGG_CLI_FAILURE;
    }
    *images_per_s = (double)(m.total - m.begin) / (vgg_cli_now() - m.started);
    *scores = m.scores;
    return vgg_scores_unreadable_count(m.scores) > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}
