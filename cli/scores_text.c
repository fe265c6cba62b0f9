/* Figures of scores for people. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/message.h"
#include "cli/scores_shown.h"
#include "cli/table.h"

/* Of many classes those are shown that are recognised worst. */
#define CLASSES_SHOWN 30
#define PAIRS_SHOWN 10
#define NAME_WIDTH 24

static void print_share(const char *title, double share, double low, double high) {
    vgg_cli_print_line("%s %.2f %%  (95 %%: %.2f to %.2f)", title, 100 * share, 100 * low,
                       100 * high);
}

static void print_figures(const vgg_cli_scores_shown *shown, const vgg_score_figures *f) {
    char count[VGG_CLI_TEXT_SIZE];
    printf("images       %s\n", vgg_cli_count_text(count, f->pictures));
    if (f->unreadable > 0)
        printf("skipped      %s\n", vgg_cli_count_text(count, f->unreadable));
    if (f->pictures == 0)
        return;
    print_share("top-1       ", f->accuracy, f->accuracy_low, f->accuracy_high);
    if (vgg_scores_class_count(shown->scores) > VGG_CLI_TOP5_ABOVE && isfinite(f->top5))
        print_share("top-5       ", f->top5, f->top5_low, f->top5_high);
    if (isfinite(f->loss))
        printf("loss         %.4f\n", f->loss);
    if (isfinite(f->calibration_error))
        vgg_cli_print_line("confidence   %.2f %% on average, %.2f points off the accuracy "
                           "(calibration error)",
                           100 * f->confidence, 100 * f->calibration_error);
    if (shown->temperature > 0 && (shown->temperature < 1 || shown->temperature > 1))
        printf("temperature  %.4f\n", shown->temperature);
    if (shown->part != NULL)
        vgg_cli_print_line("part         %s%s", shown->part, shown->noted);
}

/* ---- classes ---- */

typedef struct ranked_class {
    double recall;
    size_t number;
} ranked_class;

static int compare(const void *left, const void *right) {
    const ranked_class *a = left, *b = right;
    if (a->recall < b->recall || a->recall > b->recall)
        return a->recall < b->recall ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* A percentage, or a dash for what is not defined, in seven columns. */
static const char *percent(char buffer[VGG_CLI_TEXT_SIZE], double share) {
    if (isfinite(share))
        snprintf(buffer, VGG_CLI_TEXT_SIZE, "%7.2f", 100 * share);
    else
        snprintf(buffer, VGG_CLI_TEXT_SIZE, "%7s", "-");
    return buffer;
}

/* The name in a column of its own; letters of UTF-8 may be several bytes, which printf counts. */
static void print_name(FILE *rows, const char *name) {
    char clean[4 * NAME_WIDTH + 4];
    size_t columns = 0, at = 0;
    vgg_cli_clean_text(clean, sizeof clean, name);
    for (; clean[at] != '\0'; at++) {
        columns += !vgg_cli_letter_continues(clean[at]);
        if (columns > NAME_WIDTH)
            break;
    }
    clean[at] = '\0';
    columns = columns > NAME_WIDTH ? NAME_WIDTH : columns;
    fprintf(rows, "%s%*s", clean, (int)(NAME_WIDTH - columns), "");
}

static void print_class(FILE *rows, const vgg_scores *scores, size_t class_index) {
    vgg_class_figures f = {.struct_size = sizeof f};
    char count[VGG_CLI_TEXT_SIZE], text[5][VGG_CLI_TEXT_SIZE];
    if (vgg_scores_class(scores, class_index, &f, NULL) != VGG_OK)
        return;
    print_name(rows, f.name);
    fprintf(rows, " %9s   %s  %s %s    %s  %s\n", vgg_cli_count_text(count, f.pictures),
            percent(text[0], f.recall), percent(text[1], f.recall_low),
            percent(text[2], f.recall_high), percent(text[3], f.precision), percent(text[4], f.f1));
}

/* Classes that there is something to say of, in their order or, of many, the worst first. */
static bool print_classes(const vgg_scores *scores) {
    size_t classes = vgg_scores_class_count(scores), count = 0;
    ranked_class *ranked = calloc(classes + 1, sizeof *ranked);
    if (ranked == NULL)
        return false;
    for (size_t c = 0; c < classes; c++) {
        vgg_class_figures f = {.struct_size = sizeof f};
        if (vgg_scores_class(scores, c, &f, NULL) == VGG_OK && f.pictures > 0)
            ranked[count++] = (ranked_class){f.recall, c};
    }
    bool many = count > CLASSES_SHOWN;
    if (many)
        qsort(ranked, count, sizeof *ranked, compare);
    vgg_cli_table table;
    putchar('\n');
    vgg_cli_table_begin(&table);
    fprintf(table.rows, "%-*s %9s   %7s  %15s    %7s  %7s\n", NAME_WIDTH, "class", "images",
            "acc. %", "95 %    ", "prec. %", "F1 %");
    for (size_t i = 0; i < count && i < CLASSES_SHOWN; i++) {
        print_class(table.rows, scores, ranked[i].number);
    }
    vgg_cli_table_end(&table);
    if (many)
        vgg_cli_print_line("the %d of lowest accuracy of %zu; --format csv has all", CLASSES_SHOWN,
                           count);
    free(ranked);
    return true;
}

static bool print_confused(const vgg_scores *scores) {
    vgg_confused_pair pairs[PAIRS_SHOWN];
    size_t found = 0;
    if (vgg_scores_confused(scores, PAIRS_SHOWN, pairs, &found, NULL) != VGG_OK)
        return false;
    if (found > 0)
        puts("\nmost confused");
    for (size_t i = 0; i < found; i++) {
        vgg_cli_print_line("%7zu  %.100s taken for %.100s", pairs[i].pictures,
                           vgg_scores_class_name(scores, pairs[i].truth),
                           vgg_scores_class_name(scores, pairs[i].predicted));
    }
    return true;
}

/* ---- pictures ---- */

static void print_picture(const vgg_scores *scores, size_t picture) {
    vgg_scored_picture info = {.struct_size = sizeof info};
    if (vgg_scores_picture(scores, picture, &info, NULL) != VGG_OK)
        return;
    const char *truth = vgg_scores_class_name(scores, info.truth);
    const char *predicted = vgg_scores_class_name(scores, info.predicted);
    if (isfinite(info.loss))
        vgg_cli_print_line("  %s: %s %.2f %%, taken for %s %.2f %%", info.name, truth,
                           100 * info.probability, predicted, 100 * info.confidence);
    else
        vgg_cli_print_line("  %s: %s, taken for %s", info.name, truth, predicted);
}

static bool print_pictures(const vgg_cli_scores_shown *shown, vgg_score_order order,
                           const char *title) {
    size_t found, all, *pictures = vgg_cli_scores_select(shown, order, &found, &all);
    if (all > 0 && order == VGG_SCORE_LABELS)
        printf("\n%s  %zu%s\n", title, all,
               shown->hardest == 0 ? ": --hardest N names the likeliest" : "");
    else if (found > 0)
        printf("\n%s\n", title);
    for (size_t i = 0; i < found; i++) {
        print_picture(shown->scores, pictures[i]);
    }
    bool complete = pictures != NULL;
    free(pictures);
    return complete;
}

bool vgg_cli_scores_text(const vgg_cli_scores_shown *shown, const vgg_score_figures *figures) {
    print_figures(shown, figures);
    return print_classes(shown->scores) && print_confused(shown->scores) &&
           print_pictures(shown, VGG_SCORE_HARDEST, "hardest") &&
           print_pictures(shown, VGG_SCORE_LABELS, "probable label errors");
}
