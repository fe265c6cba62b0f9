/* Figures of scores as JSON: what `vgg eval` had before comes first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "cli/scores_shown.h"

/* Adds a value to an object, which is NULL when something before it found no memory. */
static void set(json_t **object, const char *key, json_t *value) {
    if (*object == NULL) {
        json_decref(value);
    } else if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

static void set_number(json_t **object, const char *key, double value) {
    set(object, key, vgg_cli_json_number(value));
}

static void set_count(json_t **object, const char *key, size_t value) {
    set(object, key, json_integer((json_int_t)value));
}

static json_t *interval(double low, double high) {
    return json_pack("[o, o]", vgg_cli_json_number(low), vgg_cli_json_number(high));
}

static json_t *class_text(const vgg_scores *scores, size_t class_index) {
    return vgg_cli_json_text(vgg_scores_class_name(scores, class_index));
}

static json_t *class_object(const vgg_scores *scores, size_t class_index) {
    json_t *object = json_object();
    vgg_class_figures f = {.struct_size = sizeof f};
    if (vgg_scores_class(scores, class_index, &f, NULL) != VGG_OK)
        return object;
    set(&object, "class", vgg_cli_json_text(f.name));
    set_count(&object, "images", f.pictures);
    set_count(&object, "predicted", f.predicted);
    set_count(&object, "right", f.right);
    set_number(&object, "accuracy", f.recall);
    set(&object, "accuracy_interval", interval(f.recall_low, f.recall_high));
    set_number(&object, "precision", f.precision);
    set_number(&object, "f1", f.f1);
    return object;
}

static json_t *class_list(const vgg_scores *scores) {
    json_t *list = json_array();
    for (size_t c = 0; list != NULL && c < vgg_scores_class_count(scores); c++) {
        list = vgg_cli_json_appended(list, class_object(scores, c));
    }
    return list;
}

static json_t *confused_list(const vgg_scores *scores) {
    vgg_confused_pair pairs[20];
    size_t found = 0;
    json_t *list = json_array();
    if (vgg_scores_confused(scores, 20, pairs, &found, NULL) != VGG_OK) {
        json_decref(list);
        return NULL;
    }
    for (size_t i = 0; list != NULL && i < found; i++) {
        json_t *pair = json_object();
        set(&pair, "truth", class_text(scores, pairs[i].truth));
        set(&pair, "predicted", class_text(scores, pairs[i].predicted));
        set_count(&pair, "images", pairs[i].pictures);
        list = vgg_cli_json_appended(list, pair);
    }
    return list;
}

/* A row for each class, of the classes that its pictures are taken for; null for very many. */
static json_t *matrix(const vgg_scores *scores) {
    size_t classes = vgg_scores_class_count(scores);
    if (classes > VGG_CLI_MATRIX_CLASSES)
        return json_null();
    size_t *counts = calloc(classes * classes, sizeof *counts);
    json_t *rows = counts != NULL ? json_array() : NULL;
    if (rows != NULL && vgg_scores_confusion(scores, counts, NULL) != VGG_OK) {
        json_decref(rows);
        rows = NULL;
    }
    for (size_t t = 0; rows != NULL && t < classes; t++) {
        json_t *row = json_array();
        for (size_t p = 0; row != NULL && p < classes; p++) {
            row = vgg_cli_json_appended(row, json_integer((json_int_t)counts[t * classes + p]));
        }
        rows = vgg_cli_json_appended(rows, row);
    }
    free(counts);
    return rows;
}

static json_t *reliability(const vgg_scores *scores) {
    vgg_reliability_bin bins[VGG_RELIABILITY_BINS];
    if (vgg_scores_reliability(scores, VGG_RELIABILITY_BINS, bins, NULL) != VGG_OK)
        return json_null();
    json_t *list = json_array();
    for (size_t b = 0; list != NULL && b < VGG_RELIABILITY_BINS; b++) {
        json_t *bin = json_object();
        set_number(&bin, "low", bins[b].low);
        set_number(&bin, "high", bins[b].high);
        set_count(&bin, "images", bins[b].pictures);
        set_number(&bin, "confidence", bins[b].confidence);
        set_number(&bin, "accuracy", bins[b].accuracy);
        list = vgg_cli_json_appended(list, bin);
    }
    return list;
}

static json_t *picture_object(const vgg_scores *scores, size_t picture) {
    json_t *object = json_object();
    vgg_scored_picture info = {.struct_size = sizeof info};
    if (vgg_scores_picture(scores, picture, &info, NULL) != VGG_OK)
        return object;
    set(&object, "image", vgg_cli_json_text(info.name));
    set(&object, "truth", class_text(scores, info.truth));
    set(&object, "predicted", class_text(scores, info.predicted));
    set_number(&object, "confidence", info.confidence);
    set_number(&object, "probability", info.probability);
    set_number(&object, "loss", info.loss);
    return object;
}

static json_t *picture_list(const vgg_cli_scores_shown *shown, vgg_score_order order, size_t *all) {
    size_t found, *pictures = vgg_cli_scores_select(shown, order, &found, all);
    json_t *list = pictures != NULL ? json_array() : NULL;
    for (size_t i = 0; list != NULL && i < found; i++) {
        list = vgg_cli_json_appended(list, picture_object(shown->scores, pictures[i]));
    }
    free(pictures);
    return list;
}

static json_t *unreadable_list(const vgg_scores *scores) {
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < vgg_scores_unreadable_count(scores); i++) {
        list =
            vgg_cli_json_appended(list, vgg_cli_json_text(vgg_scores_unreadable_name(scores, i)));
    }
    return list;
}

static void set_figures(json_t **object, const vgg_score_figures *f) {
    set(object, "top1_interval", interval(f->accuracy_low, f->accuracy_high));
    set(object, "top5_interval", interval(f->top5_low, f->top5_high));
    set_number(object, "balanced_accuracy", f->balanced_accuracy);
    set_number(object, "macro_precision", f->precision);
    set_number(object, "macro_recall", f->recall);
    set_number(object, "macro_f1", f->f1);
    set_number(object, "brier", f->brier);
    set_number(object, "confidence", f->confidence);
    set_number(object, "calibration_error", f->calibration_error);
}

/* Adds the values of another object. */
static void add_all(json_t **object, json_t *more) {
    if (*object == NULL || json_object_update(*object, more) != 0) {
        json_decref(*object);
        *object = NULL;
    }
    json_decref(more);
}

bool vgg_cli_scores_json(const vgg_cli_scores_shown *shown, const vgg_score_figures *f) {
    const vgg_scores *scores = shown->scores;
    size_t all, likely;
    json_t *object = json_object();
    set_count(&object, "images", f->pictures);
    set_count(&object, "skipped", f->unreadable);
    set_number(&object, "top1", f->accuracy);
    set_number(&object, "top5", f->top5);
    set_number(&object, "loss", f->loss);
    set(&object, "part", vgg_cli_json_text(shown->part));
    set_figures(&object, f);
    set_number(&object, "temperature", shown->temperature > 0 ? shown->temperature : (double)NAN);
    set(&object, "reliability", reliability(scores));
    set(&object, "classes", class_list(scores));
    set(&object, "confused", confused_list(scores));
    set(&object, "confusion", matrix(scores));
    set(&object, "unreadable", unreadable_list(scores));
    set(&object, "hardest", picture_list(shown, VGG_SCORE_HARDEST, &all));
    set(&object, "label_errors", picture_list(shown, VGG_SCORE_LABELS, &likely));
    set_count(&object, "label_error_count", likely);
    if (shown->views != NULL)
        add_all(&object, vgg_cli_views_json(shown->views, shown->models));
    if (!vgg_cli_json_print(object, false, 0))
        return false;
    putchar('\n');
    return true;
}
