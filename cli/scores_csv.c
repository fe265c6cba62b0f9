/* Figures of scores as CSV: a line for each, with the class, the predicted class and the picture
 * that it is of, where it is of one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/csv.h"
#include "cli/scores_shown.h"

static void print_value(double value) {
    if (isfinite(value))
        printf(",%.15g\n", value);
    else
        puts(",");
}

/* Texts may be NULL: then the field is empty. */
static void print_line(const char *figure, const char *truth, const char *predicted,
                       const char *image, double value) {
    const char *const fields[] = {truth, predicted, image};
    vgg_cli_csv_field(figure);
    for (size_t i = 0; i < 3; i++) {
        putchar(',');
        if (fields[i] != NULL)
            vgg_cli_csv_field(fields[i]);
    }
    print_value(value);
}

static void print_figures(const vgg_score_figures *f) {
    const struct {
        const char *name;
        double value;
    } figures[] = {
        {"images", (double)f->pictures},
        {"skipped", (double)f->unreadable},
        {"top1", f->accuracy},
        {"top1_low", f->accuracy_low},
        {"top1_high", f->accuracy_high},
        {"top5", f->top5},
        {"top5_low", f->top5_low},
        {"top5_high", f->top5_high},
        {"loss", f->loss},
        {"balanced_accuracy", f->balanced_accuracy},
        {"macro_precision", f->precision},
        {"macro_recall", f->recall},
        {"macro_f1", f->f1},
        {"brier", f->brier},
        {"confidence", f->confidence},
        {"calibration_error", f->calibration_error},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        print_line(figures[i].name, NULL, NULL, NULL, figures[i].value);
    }
}

static void print_class(const vgg_scores *scores, size_t class_index) {
    vgg_class_figures f = {.struct_size = sizeof f};
    if (vgg_scores_class(scores, class_index, &f, NULL) != VGG_OK)
        return;
    print_line("class_images", f.name, NULL, NULL, (double)f.pictures);
    print_line("class_predicted", f.name, NULL, NULL, (double)f.predicted);
    print_line("class_accuracy", f.name, NULL, NULL, f.recall);
    print_line("class_accuracy_low", f.name, NULL, NULL, f.recall_low);
    print_line("class_accuracy_high", f.name, NULL, NULL, f.recall_high);
    print_line("class_precision", f.name, NULL, NULL, f.precision);
    print_line("class_f1", f.name, NULL, NULL, f.f1);
}

static bool print_matrix(const vgg_scores *scores) {
    size_t classes = vgg_scores_class_count(scores);
    if (classes > VGG_CLI_MATRIX_CLASSES)
        return true;
    size_t *counts = calloc(classes * classes, sizeof *counts);
    bool complete = counts != NULL && vgg_scores_confusion(scores, counts, NULL) == VGG_OK;
    for (size_t i = 0; complete && i < classes * classes; i++) {
        print_line("confusion", vgg_scores_class_name(scores, i / classes),
                   vgg_scores_class_name(scores, i % classes), NULL, (double)counts[i]);
    }
    free(counts);
    return complete;
}

static void print_reliability(const vgg_scores *scores) {
    vgg_reliability_bin bins[VGG_RELIABILITY_BINS];
    if (vgg_scores_reliability(scores, VGG_RELIABILITY_BINS, bins, NULL) != VGG_OK)
        return;
    for (size_t b = 0; b < VGG_RELIABILITY_BINS; b++) {
        print_line("bin_high", NULL, NULL, NULL, bins[b].high);
        print_line("bin_images", NULL, NULL, NULL, (double)bins[b].pictures);
        print_line("bin_confidence", NULL, NULL, NULL, bins[b].confidence);
        print_line("bin_accuracy", NULL, NULL, NULL, bins[b].accuracy);
    }
}

static bool print_pictures(const vgg_cli_scores_shown *shown, const char *figure,
                           vgg_score_order order) {
    const vgg_scores *scores = shown->scores;
    size_t found, all, *pictures = vgg_cli_scores_select(shown, order, &found, &all);
    for (size_t i = 0; i < found; i++) {
        vgg_scored_picture info = {.struct_size = sizeof info};
        if (vgg_scores_picture(scores, pictures[i], &info, NULL) == VGG_OK)
            print_line(figure, vgg_scores_class_name(scores, info.truth),
                       vgg_scores_class_name(scores, info.predicted), info.name, info.loss);
    }
    bool complete = pictures != NULL;
    free(pictures);
    return complete;
}

bool vgg_cli_scores_csv(const vgg_cli_scores_shown *shown, const vgg_score_figures *figures) {
    const vgg_scores *scores = shown->scores;
    puts("figure,truth,predicted,image,value");
    print_figures(figures);
    for (size_t c = 0; c < vgg_scores_class_count(scores); c++) {
        print_class(scores, c);
    }
    print_reliability(scores);
    for (size_t i = 0; i < vgg_scores_unreadable_count(scores); i++) {
        print_line("unreadable", NULL, NULL, vgg_scores_unreadable_name(scores, i), (double)NAN);
    }
    return print_matrix(scores) && print_pictures(shown, "hardest", VGG_SCORE_HARDEST) &&
           print_pictures(shown, "label_error", VGG_SCORE_LABELS);
}
