/* Two networks beside each other on standard output. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/csv.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/scores_shown.h"

#define CLASSES_SHOWN 10

/* A class on which they differ. */
typedef struct class_pair {
    size_t number, right[2], pictures;
} class_pair;

/* A picture that one of them alone gets right. */
typedef struct picture_pair {
    size_t numbers[2]; /* of the picture in either */
    int right;         /* which is right */
} picture_pair;

typedef struct comparison {
    const vgg_cli_compared *c;
    vgg_score_figures figures[2];
    vgg_score_comparison test;
    class_pair *classes; /* the largest difference first */
    size_t class_count;
    picture_pair *pictures; /* in the order of the first */
    size_t picture_count;
} comparison;

/* ---- what differs ---- */

static size_t distance(const class_pair *pair) {
    return pair->right[0] > pair->right[1] ? pair->right[0] - pair->right[1]
                                           : pair->right[1] - pair->right[0];
}

static int compare(const void *left, const void *right) {
    const class_pair *a = left, *b = right;
    if (distance(a) != distance(b))
        return distance(a) > distance(b) ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static bool is_right(const vgg_scored_picture *info) {
    return info->truth == info->predicted;
}

/* Counts of classes over the common pictures, and the pictures on which they differ. */
static void add_picture(comparison *m, size_t first, size_t second) {
    vgg_scored_picture left = {.struct_size = sizeof left}, right = {.struct_size = sizeof right};
    if (vgg_scores_picture(m->c->scores[0], first, &left, NULL) != VGG_OK ||
        vgg_scores_picture(m->c->scores[1], second, &right, NULL) != VGG_OK)
        return;
    class_pair *pair = &m->classes[left.truth];
    pair->pictures++;
    pair->right[0] += is_right(&left);
    pair->right[1] += is_right(&right);
    if (is_right(&left) != is_right(&right))
        m->pictures[m->picture_count++] = (picture_pair){{first, second}, is_right(&left) ? 0 : 1};
}

static void keep_different(comparison *m, size_t classes) {
    for (size_t c = 0; c < classes; c++) {
        m->classes[c].number = c;
        if (distance(&m->classes[c]) > 0)
            m->classes[m->class_count++] = m->classes[c];
    }
    qsort(m->classes, m->class_count, sizeof *m->classes, compare);
}

static vgg_status find_differences(comparison *m, vgg_error *error) {
    size_t count = vgg_scores_count(m->c->scores[0]);
    size_t classes = vgg_scores_class_count(m->c->scores[0]);
    size_t *partner = calloc(count + 1, sizeof *partner);
    m->classes = calloc(classes, sizeof *m->classes);
    m->pictures = calloc(count + 1, sizeof *m->pictures);
    vgg_status status = VGG_ERROR_MEMORY;
    if (partner != NULL && m->classes != NULL && m->pictures != NULL)
        status = vgg_scores_match(m->c->scores[0], m->c->scores[1], partner, error);
    else
        strcpy(error->message, "out of memory for comparing");
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        if (partner[i] != SIZE_MAX)
            add_picture(m, i, partner[i]);
    }
    if (status == VGG_OK)
        keep_different(m, classes);
    free(partner);
    return status;
}

static vgg_status work_out(comparison *m, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < 2; i++) {
        m->figures[i].struct_size = sizeof m->figures[i];
        status = vgg_scores_figures(m->c->scores[i], &m->figures[i], error);
    }
    m->test.struct_size = sizeof m->test;
    if (status == VGG_OK)
        status = vgg_scores_compare(m->c->scores[0], m->c->scores[1], &m->test, error);
    return status == VGG_OK ? find_differences(m, error) : status;
}

/* The class that the one that is wrong takes it for. */
static size_t mistaken(const comparison *m, const picture_pair *pair) {
    vgg_scored_picture info = {.struct_size = sizeof info};
    int wrong = 1 - pair->right;
    vgg_scores_picture(m->c->scores[wrong], pair->numbers[wrong], &info, NULL);
    return info.predicted;
}

static vgg_scored_picture picture_of(const comparison *m, const picture_pair *pair) {
    vgg_scored_picture info = {.struct_size = sizeof info};
    vgg_scores_picture(m->c->scores[0], pair->numbers[0], &info, NULL);
    return info;
}

static const char *class_name(const comparison *m, size_t class_index) {
    return vgg_scores_class_name(m->c->scores[0], class_index);
}

/* ---- text ---- */

static void print_network(const comparison *m, size_t i) {
    const vgg_score_figures *f = &m->figures[i];
    char text[VGG_CLI_TEXT_SIZE];
    vgg_cli_print_line("%s    %s", i == 0 ? "first " : "second", m->c->names[i]);
    printf("  top-1      %.2f %%  (95 %%: %.2f to %.2f)\n", 100 * f->accuracy,
           100 * f->accuracy_low, 100 * f->accuracy_high);
    if (isfinite(f->loss))
        printf("  loss       %.4f\n", f->loss);
    if (m->c->images_per_s[i] > 0)
        printf("  speed      %.1f images/s, reading them included\n", m->c->images_per_s[i]);
    if (m->c->bytes[i] > 0)
        printf("  size       %s\n", vgg_cli_bytes_text(text, (size_t)m->c->bytes[i]));
    if (m->c->parameters[i] > 0)
        printf("  parameters %s\n", vgg_cli_count_text(text, (size_t)m->c->parameters[i]));
}

static void print_test(const vgg_score_comparison *t) {
    putchar('\n');
    vgg_cli_print_line("of %zu pictures both are right on %zu and wrong on %zu;", t->pictures,
                       t->both_right, t->both_wrong);
    vgg_cli_print_line("the first alone is right on %zu, the second alone on %zu; they say "
                       "different things of %zu",
                       t->first_right, t->second_right, t->disagree);
    vgg_cli_print_line("McNemar's test: p = %.4g (exact), p = %.4g (chi-square %.3f): %s",
                       t->p_exact, t->p_chi_square, t->chi_square,
                       t->p_exact < 0.05 ? "unlikely to be chance" : "may well be chance");
}

static void print_differences(const comparison *m) {
    if (m->class_count > 0)
        puts("\nclasses that differ most, pictures that are right");
    for (size_t i = 0; i < m->class_count && i < CLASSES_SHOWN; i++) {
        const class_pair *pair = &m->classes[i];
        vgg_cli_print_line("  %.100s: %zu and %zu of %zu", class_name(m, pair->number),
                           pair->right[0], pair->right[1], pair->pictures);
    }
    if (m->c->pictures > 0 && m->picture_count > 0)
        puts("\npictures that one alone gets right");
    for (size_t i = 0; i < m->picture_count && i < m->c->pictures; i++) {
        const picture_pair *pair = &m->pictures[i];
        vgg_scored_picture info = picture_of(m, pair);
        vgg_cli_print_line("  %s: %s, taken for %s by the %s", info.name, class_name(m, info.truth),
                           class_name(m, mistaken(m, pair)), pair->right == 0 ? "second" : "first");
    }
}

static void print_text(const comparison *m) {
    print_network(m, 0);
    print_network(m, 1);
    print_test(&m->test);
    print_differences(m);
}

/* How many of them JSON and CSV have, which have all where no number is given. */
static size_t pictures_listed(const comparison *m) {
    size_t most = m->c->pictures;
    return most > 0 && most < m->picture_count ? most : m->picture_count;
}

/* ---- JSON ---- */

static json_t *known(double value) {
    return value > 0 ? json_real(value) : json_null();
}

static json_t *network_object(const comparison *m, size_t i) {
    const vgg_score_figures *f = &m->figures[i];
    return json_pack("{s:o, s:I, s:I, s:o, s:[o,o], s:o, s:o, s:o, s:o, s:o}", "model",
                     vgg_cli_json_text(m->c->names[i]), "images", (json_int_t)f->pictures,
                     "skipped", (json_int_t)f->unreadable, "top1", vgg_cli_json_number(f->accuracy),
                     "top1_interval", vgg_cli_json_number(f->accuracy_low),
                     vgg_cli_json_number(f->accuracy_high), "loss", vgg_cli_json_number(f->loss),
                     "calibration_error", vgg_cli_json_number(f->calibration_error), "images_per_s",
                     known(m->c->images_per_s[i]), "bytes", known(m->c->bytes[i]), "parameters",
                     known(m->c->parameters[i]));
}

static json_t *class_list(const comparison *m) {
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < m->class_count; i++) {
        const class_pair *pair = &m->classes[i];
        list = vgg_cli_json_appended(list, json_pack("{s:o, s:I, s:[I,I]}", "class",
                                                     vgg_cli_json_text(class_name(m, pair->number)),
                                                     "images", (json_int_t)pair->pictures, "right",
                                                     (json_int_t)pair->right[0],
                                                     (json_int_t)pair->right[1]));
    }
    return list;
}

static json_t *picture_list(const comparison *m) {
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < pictures_listed(m); i++) {
        const picture_pair *pair = &m->pictures[i];
        vgg_scored_picture info = picture_of(m, pair);
        list = vgg_cli_json_appended(
            list, json_pack("{s:o, s:o, s:s, s:o}", "image", vgg_cli_json_text(info.name), "truth",
                            vgg_cli_json_text(class_name(m, info.truth)), "right",
                            pair->right == 0 ? "first" : "second", "taken_for",
                            vgg_cli_json_text(class_name(m, mistaken(m, pair)))));
    }
    return list;
}

static bool print_json(const comparison *m) {
    const vgg_score_comparison *t = &m->test;
    json_t *object = json_pack(
        "{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "first",
        network_object(m, 0), "second", network_object(m, 1), "images", (json_int_t)t->pictures,
        "both_right", (json_int_t)t->both_right, "both_wrong", (json_int_t)t->both_wrong,
        "first_right", (json_int_t)t->first_right, "second_right", (json_int_t)t->second_right,
        "disagree", (json_int_t)t->disagree, "mcnemar_p", vgg_cli_json_number(t->p_exact),
        "mcnemar_chi_square", vgg_cli_json_number(t->chi_square), "mcnemar_chi_square_p",
        vgg_cli_json_number(t->p_chi_square), "classes", class_list(m), "pictures",
        picture_list(m));
    if (!vgg_cli_json_print(object, false, 0))
        return false;
    putchar('\n');
    return true;
}

/* ---- CSV ---- */

/* The pictures on which they differ; the figures are in the other formats. */
static void print_csv(const comparison *m) {
    puts("image,truth,right,taken_for");
    for (size_t i = 0; i < pictures_listed(m); i++) {
        const picture_pair *pair = &m->pictures[i];
        vgg_scored_picture info = picture_of(m, pair);
        vgg_cli_csv_field(info.name);
        putchar(',');
        vgg_cli_csv_field(class_name(m, info.truth));
        printf(",%s,", pair->right == 0 ? "first" : "second");
        vgg_cli_csv_field(class_name(m, mistaken(m, pair)));
        putchar('\n');
    }
}

bool vgg_cli_compared_show(const vgg_cli_compared *compared, const char *format) {
    comparison m = {.c = compared};
    vgg_error error;
    bool complete = work_out(&m, &error) == VGG_OK;
    if (!complete) {
        vgg_cli_complain(compared->command, "%s", error.message);
    } else if (strcmp(format, "json") == 0) {
        complete = print_json(&m);
        if (!complete)
            vgg_cli_complain(compared->command, "out of memory while writing JSON");
    } else if (strcmp(format, "csv") == 0) {
        print_csv(&m);
    } else {
        print_text(&m);
    }
    free(m.classes);
    free(m.pictures);
    return complete;
}
