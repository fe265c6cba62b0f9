/* Scores as CSV. */
#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "scores/file.h"

typedef struct csv_writing {
    const vgg_scores *scores;
    vgg_score_labels labels;
    vgg_file_writer file;
    vgg_text line;
} csv_writing;

static vgg_status write_line(csv_writing *w, vgg_error *error) {
    vgg_text_add_bytes(&w->line, "\n", 1);
    if (w->line.failed)
        return vgg_fail_memory(error, "a line of scores", w->line.capacity);
    vgg_status status = vgg_file_write(&w->file, w->line.data, w->line.length, error);
    w->line.length = 0;
    return status;
}

static vgg_status write_head(csv_writing *w, vgg_error *error) {
    vgg_score_kind kind = w->scores->kind;
    vgg_text_add(&w->line, "name,truth,predicted%s",
                 kind == VGG_SCORE_PREDICTED ? "" : ",confidence");
    for (size_t c = 0; kind != VGG_SCORE_PREDICTED && c < w->labels.count; c++) {
        vgg_text column = {0};
        vgg_text_add(&column, "%s:%s", kind == VGG_SCORE_LOGITS ? "logit" : "probability",
                     w->labels.texts[c]);
        char *text = vgg_text_take(&column);
        if (text == NULL)
            return vgg_fail_memory(error, "a line of scores", 0);
        vgg_text_add_bytes(&w->line, ",", 1);
        vgg_csv_add(&w->line, text);
        vgg_free(text);
    }
    return write_line(w, error);
}

/* Its name and its class. */
static void add_picture(csv_writing *w, size_t name, size_t truth) {
    vgg_csv_add(&w->line, vgg_scores_name(w->scores, name));
    vgg_text_add_bytes(&w->line, ",", 1);
    vgg_csv_add(&w->line, w->labels.texts[truth]);
    vgg_text_add_bytes(&w->line, ",", 1);
}

/* Nine digits give the same float again. */
static vgg_status write_score(csv_writing *w, size_t picture, vgg_error *error) {
    const vgg_score *score = &w->scores->items[picture];
    add_picture(w, score->name, score->truth);
    vgg_csv_add(&w->line, w->labels.texts[score->predicted]);
    if (w->scores->kind != VGG_SCORE_PREDICTED) {
        const float *row = vgg_scores_row_at(w->scores, picture);
        vgg_text_add(&w->line, ",%.6f", score->confidence);
        for (size_t c = 0; c < w->labels.count; c++) {
            vgg_text_add(&w->line, ",%.9g", (double)row[c]);
        }
    }
    return write_line(w, error);
}

static vgg_status write_unread(csv_writing *w, const vgg_unread *unread, vgg_error *error) {
    size_t fields = w->scores->kind == VGG_SCORE_PREDICTED ? 0 : 1 + w->labels.count;
    add_picture(w, unread->name, unread->truth);
    for (size_t i = 0; i < fields; i++) {
        vgg_text_add_bytes(&w->line, ",", 1);
    }
    return write_line(w, error);
}

static vgg_status write_lines(csv_writing *w, vgg_error *error) {
    const vgg_scores *scores = w->scores;
    vgg_status status = write_head(w, error);
    size_t unread = 0;
    for (size_t i = 0; status == VGG_OK && i <= scores->count; i++) {
        while (status == VGG_OK && unread < scores->unread_count &&
               scores->unread[unread].before == i) {
            status = write_unread(w, &scores->unread[unread++], error);
        }
        if (status == VGG_OK && i < scores->count)
            status = write_score(w, i, error);
    }
    return status;
}

vgg_status vgg_scores_write_csv(const vgg_scores *scores, const char *path, vgg_error *error) {
    csv_writing w = {.scores = scores};
    vgg_status status = vgg_score_labels_make((const char *const *)scores->class_names,
                                              scores->classes, &w.labels, error);
    if (status == VGG_OK) {
        status = vgg_file_create(&w.file, path, error);
        if (status == VGG_OK) {
            status = write_lines(&w, error);
            if (status == VGG_OK)
                status = vgg_file_commit(&w.file, error);
            else
                vgg_file_abandon(&w.file);
        }
    }
    vgg_text_free(&w.line);
    vgg_score_labels_free(&w.labels);
    return status;
}
