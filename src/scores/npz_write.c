/* Scores as NumPy's arrays. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/containers/npy_head.h"
#include "formats/containers/zip_writer.h"
#include "scores/file.h"

#define ARRAYS 8

typedef struct npz_writing {
    const vgg_scores *scores;
    vgg_zip_record records[ARRAYS];
    void *blocks[ARRAYS];
    size_t count;
} npz_writing;

/* A record of an array, whose header is written: returns where its values go, `bytes` of them. NULL
 * when memory ran out. */
static unsigned char *add_array(npz_writing *w, const char *name, const char *type, size_t rows,
                                size_t columns, size_t bytes) {
    unsigned char *block =
        bytes <= SIZE_MAX - VGG_NPY_HEAD ? vgg_malloc(VGG_NPY_HEAD + bytes) : NULL;
    if (block == NULL)
        return NULL;
    vgg_zip_record *record = &w->records[w->count];
    w->blocks[w->count++] = block;
    const size_t shape[] = {rows, columns};
    vgg_npy_head_write(block, type, shape, columns > 0 ? 2 : 1);
    snprintf(record->name, sizeof record->name, "%s.npy", name);
    record->bytes = block;
    record->size = VGG_NPY_HEAD + bytes;
    return block + VGG_NPY_HEAD;
}

/* `text(w, i)` is the text of element i. */
typedef const char *text_of(const npz_writing *w, size_t i);

static bool add_texts(npz_writing *w, const char *name, text_of *text, size_t count) {
    size_t most = 1, bytes;
    for (size_t i = 0; i < count; i++) {
        most = vgg_size_max(most, vgg_npy_points(text(w, i)));
    }
    char type[VGG_NPY_TYPE];
    vgg_npy_text_type(type, most);
    unsigned char *to =
        vgg_size_mul(count, 4 * most, &bytes) ? add_array(w, name, type, count, 0, bytes) : NULL;
    if (to == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        vgg_npy_put_text(to + 4 * i * most, text(w, i), most);
    }
    return true;
}

typedef size_t number_of(const npz_writing *w, size_t i);

static bool add_numbers(npz_writing *w, const char *name, number_of *number, size_t count) {
    unsigned char *to = add_array(w, name, "<i8", count, 0, 8 * count);
    for (size_t i = 0; to != NULL && i < count; i++) {
        int64_t value = (int64_t)number(w, i);
        memcpy(to + 8 * i, &value, sizeof value);
    }
    return to != NULL;
}

static const char *name_of(const npz_writing *w, size_t i) {
    return vgg_scores_name(w->scores, w->scores->items[i].name);
}

static const char *class_of(const npz_writing *w, size_t i) {
    return w->scores->class_names[i];
}

static const char *unread_of(const npz_writing *w, size_t i) {
    return vgg_scores_name(w->scores, w->scores->unread[i].name);
}

static size_t truth_of(const npz_writing *w, size_t i) {
    return w->scores->items[i].truth;
}

static size_t predicted_of(const npz_writing *w, size_t i) {
    return w->scores->items[i].predicted;
}

static size_t unread_truth(const npz_writing *w, size_t i) {
    return w->scores->unread[i].truth;
}

static size_t unread_before(const npz_writing *w, size_t i) {
    return w->scores->unread[i].before;
}

static bool add_rows(npz_writing *w) {
    const vgg_scores *s = w->scores;
    size_t row = s->classes * sizeof(float), bytes;
    if (s->kind == VGG_SCORE_PREDICTED)
        return true;
    unsigned char *to = vgg_size_mul(s->count, row, &bytes)
                            ? add_array(w, s->kind == VGG_SCORE_LOGITS ? "logits" : "probabilities",
                                        "<f4", s->count, s->classes, bytes)
                            : NULL;
    for (size_t i = 0; to != NULL && i < s->count; i++) {
        memcpy(to + i * row, vgg_scores_row_at(s, i), row);
    }
    return to != NULL;
}

static bool add_all(npz_writing *w) {
    const vgg_scores *s = w->scores;
    return add_texts(w, "names", name_of, s->count) &&
           add_texts(w, "classes", class_of, s->classes) &&
           add_numbers(w, "labels", truth_of, s->count) &&
           add_numbers(w, "predicted", predicted_of, s->count) && add_rows(w) &&
           add_texts(w, "unreadable", unread_of, s->unread_count) &&
           add_numbers(w, "unreadable_labels", unread_truth, s->unread_count) &&
           add_numbers(w, "unreadable_before", unread_before, s->unread_count);
}

vgg_status vgg_scores_write_npz(const vgg_scores *scores, const char *path, vgg_error *error) {
    npz_writing w = {.scores = scores};
    vgg_sink sink;
    vgg_status status = VGG_OK;
    if (!add_all(&w))
        status = vgg_fail_memory(error, "the arrays of scores",
                                 scores->count * scores->classes * sizeof(float));
    if (status == VGG_OK)
        status = vgg_sink_open_file(&sink, path, error);
    if (status == VGG_OK) {
        sink.meter = NULL;
        status = vgg_sink_close(&sink, vgg_zip_write(&sink, w.records, w.count, error), error);
    }
    for (size_t i = 0; i < w.count; i++) {
        vgg_free(w.blocks[i]);
    }
    return status;
}
