/* Scores from NumPy's arrays, of ours or of another program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/elements.h"
#include "base/error.h"
#include "base/memory.h"
#include "formats/containers/archive.h"
#include "scores/file.h"
#include "scores/npz_text.h"

/* What an array may be, by its names. */
enum { NAMES, CLASSES, TRUTH, PREDICTED, ROWS, UNREAD, UNREAD_TRUTH, UNREAD_BEFORE, ROLES };

static const struct {
    const char *name;
    int role;
    bool said; /* the kind of ROWS */
    vgg_score_kind kind;
} words[] = {
    {"names", NAMES, 0, 0},
    {"files", NAMES, 0, 0},
    {"filenames", NAMES, 0, 0},
    {"paths", NAMES, 0, 0},
    {"classes", CLASSES, 0, 0},
    {"class_names", CLASSES, 0, 0},
    {"labels", TRUTH, 0, 0},
    {"truth", TRUTH, 0, 0},
    {"y_true", TRUTH, 0, 0},
    {"targets", TRUTH, 0, 0},
    {"label", TRUTH, 0, 0},
    {"target", TRUTH, 0, 0},
    {"y", TRUTH, 0, 0},
    {"predicted", PREDICTED, 0, 0},
    {"predictions", PREDICTED, 0, 0},
    {"y_pred", PREDICTED, 0, 0},
    {"preds", PREDICTED, 0, 0},
    {"pred", PREDICTED, 0, 0},
    {"logits", ROWS, true, VGG_SCORE_LOGITS},
    {"probabilities", ROWS, true, VGG_SCORE_PROBABILITIES},
    {"probs", ROWS, true, VGG_SCORE_PROBABILITIES},
    {"proba", ROWS, true, VGG_SCORE_PROBABILITIES},
    {"scores", ROWS, false, 0},
    {"y_score", ROWS, false, 0},
    {"unreadable", UNREAD, 0, 0},
    {"unreadable_labels", UNREAD_TRUTH, 0, 0},
    {"unreadable_before", UNREAD_BEFORE, 0, 0},
};
#define WORDS (sizeof words / sizeof *words)

typedef struct npz_reading {
    const char *path;
    vgg_storage storage;
    vgg_archive *archive;
    const char *names[ROLES]; /* of the arrays; NULL: there is none */
    vgg_npy arrays[ROLES];
    vgg_npz_texts texts[ROLES]; /* of all but ROWS */
    vgg_score_file file;
} npz_reading;

/* ---- finding the arrays ---- */

/* The array "NAME.npy" of the archive. */
static vgg_status open_array(npz_reading *r, const char *name, bool *found, vgg_npy *npy,
                             vgg_error *error) {
    char record_name[64];
    size_t record, size;
    const unsigned char *bytes;
    snprintf(record_name, sizeof record_name, "%s.npy", name);
    vgg_status status = vgg_archive_find(r->archive, record_name, found, &record, error);
    if (status != VGG_OK || !*found)
        return status;
    status = vgg_archive_use(r->archive, record, &bytes, &size, error);
    if (status == VGG_OK)
        status = vgg_npy_open(record_name, bytes, size, npy, error);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", r->path);
    return status;
}

/* A matrix that is called predictions holds scores. */
static int role_of(size_t word, const vgg_npy *npy) {
    return words[word].role == PREDICTED && npy->dimensions == 2 ? ROWS : words[word].role;
}

static vgg_status find_arrays(npz_reading *r, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t w = 0; status == VGG_OK && w < WORDS; w++) {
        bool found;
        vgg_npy npy;
        status = open_array(r, words[w].name, &found, &npy, error);
        if (status != VGG_OK || !found)
            continue;
        int role = role_of(w, &npy);
        if (r->names[role] != NULL)
            continue;
        r->names[role] = words[w].name;
        r->arrays[role] = npy;
        if (role == ROWS) {
            r->file.kind_said = words[w].said;
            r->file.kind = words[w].kind;
        }
    }
    if (status == VGG_OK && r->names[TRUTH] == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has no array called labels (or truth, y_true)", r->path);
    if (status == VGG_OK && r->names[ROWS] == NULL && r->names[PREDICTED] == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has no array called logits, probabilities, scores or predicted",
                        r->path);
    return status;
}

/* ---- what they hold ---- */

static vgg_status read_texts(npz_reading *r, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (int role = 0; status == VGG_OK && role < ROLES; role++) {
        if (role != ROWS && r->names[role] != NULL)
            status = vgg_npz_texts_read(r->path, r->names[role], &r->arrays[role], &r->texts[role],
                                        error);
    }
    return status;
}

/* The other arrays of pictures are as long as that of their classes. */
static vgg_status check_lengths(const npz_reading *r, int role, size_t expected, vgg_error *error) {
    size_t rows = r->arrays[role].dimensions > 0 ? r->arrays[role].shape[0] : 0;
    if (r->names[role] == NULL || rows == expected)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE, "%s: its array \"%s\" has %zu elements, expected %zu",
                    r->path, r->names[role], rows, expected);
}

static vgg_status check_arrays(const npz_reading *r, vgg_error *error) {
    size_t pictures = r->texts[TRUTH].count, unread = r->texts[UNREAD].count;
    const vgg_npy *rows = &r->arrays[ROWS];
    vgg_status status = check_lengths(r, NAMES, pictures, error);
    if (status == VGG_OK)
        status = check_lengths(r, PREDICTED, pictures, error);
    if (status == VGG_OK)
        status = check_lengths(r, ROWS, pictures, error);
    if (status == VGG_OK && r->names[ROWS] != NULL &&
        (rows->dimensions != 2 || rows->shape[1] == 0 || rows->shape[1] > VGG_SCORE_CLASSES))
        status = vgg_fail(error, VGG_ERROR_SHAPE,
                          "%s: its array \"%s\" has %zu dimensions, expected pictures x classes",
                          r->path, r->names[ROWS], rows->dimensions);
    if (status == VGG_OK && r->names[ROWS] != NULL)
        status = check_lengths(r, CLASSES, rows->shape[1], error);
    if (status == VGG_OK)
        status = check_lengths(r, UNREAD_TRUTH, unread, error);
    if (status == VGG_OK)
        status = check_lengths(r, UNREAD_BEFORE, unread, error);
    return status;
}

/* ---- scores ---- */

static vgg_status check_rows(const npz_reading *r, vgg_error *error) {
    const vgg_npy *rows = &r->arrays[ROWS];
    const vgg_element_type *type = vgg_numpy_type(rows->type, strlen(rows->type));
    size_t bytes;
    if (type == NULL || !vgg_element_is_weight(type->element))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its array \"%s\" has values of type '%s', expected little-endian "
                        "floating-point numbers",
                        r->path, r->names[ROWS], rows->type);
    if (!vgg_size_mul(rows->count, type->bytes, &bytes) || bytes != rows->length)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its array \"%s\" has %zu bytes, expected %zu values of %zu", r->path,
                        r->names[ROWS], rows->length, rows->count, type->bytes);
    return VGG_OK;
}

static void read_row(const npz_reading *r, size_t picture, float *row) {
    const vgg_npy *rows = &r->arrays[ROWS];
    const vgg_element_type *type = vgg_numpy_type(rows->type, strlen(rows->type));
    size_t classes = rows->shape[1];
    if (!rows->columns) {
        vgg_elements_to_float(type->element, rows->bytes + picture * classes * type->bytes, classes,
                              row);
        return;
    }
    for (size_t c = 0; c < classes; c++) {
        size_t at = c * rows->shape[0] + picture;
        vgg_elements_to_float(type->element, rows->bytes + at * type->bytes, 1, &row[c]);
    }
}

/* Text i of a role; NULL without that array. */
static const char *text_at(const npz_reading *r, int role, size_t i) {
    return r->names[role] != NULL ? vgg_npz_texts_get(&r->texts[role], i) : NULL;
}

static vgg_status add_unread(npz_reading *r, size_t i, vgg_error *error) {
    const vgg_score_line line = {.name = text_at(r, UNREAD, i),
                                 .truth = text_at(r, UNREAD_TRUTH, i),
                                 .line = i,
                                 .unread = true};
    vgg_status status = vgg_score_file_add(&r->file, &line, error);
    if (status == VGG_OK && r->file.columns > 0)
        memset(r->file.rows + (r->file.count - 1) * r->file.columns, 0,
               r->file.columns * sizeof(float));
    return status;
}

static vgg_status add_picture(npz_reading *r, size_t i, vgg_error *error) {
    const vgg_score_line line = {.name = text_at(r, NAMES, i),
                                 .truth = text_at(r, TRUTH, i),
                                 .predicted = text_at(r, PREDICTED, i),
                                 .line = i};
    vgg_status status = vgg_score_file_add(&r->file, &line, error);
    if (status == VGG_OK && r->file.columns > 0)
        read_row(r, i, r->file.rows + (r->file.count - 1) * r->file.columns);
    return status;
}

static vgg_status add_pictures(npz_reading *r, vgg_error *error) {
    size_t pictures = r->texts[TRUTH].count, unread = 0, before;
    vgg_status status = VGG_OK;
    bool known = r->names[UNREAD_TRUTH] != NULL && r->names[UNREAD_BEFORE] != NULL;
    for (size_t i = 0; status == VGG_OK && i <= pictures; i++) {
        while (status == VGG_OK && known && unread < r->texts[UNREAD].count &&
               vgg_score_number(text_at(r, UNREAD_BEFORE, unread), &before) && before == i) {
            status = add_unread(r, unread++, error);
        }
        if (status == VGG_OK && i < pictures)
            status = add_picture(r, i, error);
    }
    return status;
}

static vgg_status name_classes(npz_reading *r, vgg_error *error) {
    size_t count = r->texts[CLASSES].count;
    if (count == 0)
        return VGG_OK;
    r->file.classes = vgg_calloc(count, sizeof *r->file.classes);
    if (r->file.classes == NULL)
        return vgg_fail_memory(error, "the class names", count * sizeof(char *));
    r->file.class_count = count;
    for (size_t c = 0; c < count; c++) {
        r->file.classes[c] = text_at(r, CLASSES, c);
    }
    return VGG_OK;
}

static bool is_number(const npz_reading *r, int role) {
    char kind = r->names[role] == NULL ? 'i' : r->arrays[role].type[1];
    return kind != 'U' && kind != 'S';
}

static vgg_status read_arrays(npz_reading *r, vgg_error *error) {
    vgg_status status = find_arrays(r, error);
    if (status == VGG_OK)
        status = read_texts(r, error);
    if (status == VGG_OK)
        status = check_arrays(r, error);
    if (status == VGG_OK && r->names[ROWS] != NULL) {
        r->file.columns = r->arrays[ROWS].shape[1];
        status = check_rows(r, error);
    }
    if (status == VGG_OK)
        status = name_classes(r, error);
    r->file.numbered = is_number(r, TRUTH) && is_number(r, PREDICTED);
    return status == VGG_OK ? add_pictures(r, error) : status;
}

vgg_status vgg_scores_read_npz(const char *path, const vgg_scores_read_options *options,
                               vgg_scores **scores, vgg_error *error) {
    npz_reading r = {.path = path, .file = {.path = path, .unit = "picture"}};
    const vgg_bytes bytes = {.kind = VGG_BYTES_COPY, .name = path};
    vgg_status status = vgg_storage_open(&r.storage, &bytes, error);
    if (status == VGG_OK)
        status = vgg_archive_open(&r.storage, path, &r.archive, error);
    if (status == VGG_OK)
        status = read_arrays(&r, error);
    if (status == VGG_OK)
        status = vgg_score_file_take(&r.file, options, scores, error);
    vgg_archive_close(r.archive);
    for (int role = 0; role < ROLES; role++) {
        vgg_npz_texts_free(&r.texts[role]);
    }
    vgg_score_file_free(&r.file);
    vgg_storage_free(&r.storage);
    return status;
}
