/* The figures of an evaluation. */
#include <math.h>
#include <stdlib.h>

#include "cli/message.h"
#include "cli/report/html.h"
#include "cli/report/report.h"

#define TEXT 96

/* ---- cards ---- */

static const char *share_text(char buffer[TEXT], double share) {
    if (isfinite(share))
        snprintf(buffer, TEXT, "%.1f %%", 100 * share);
    else
        snprintf(buffer, TEXT, "–");
    return buffer;
}

static const char *interval_text(char buffer[TEXT], double low, double high) {
    snprintf(buffer, TEXT, "95 %%: %.1f to %.1f %%", 100 * low, 100 * high);
    return isfinite(low) ? buffer : "";
}

void vgg_cli_evaluation_cards(FILE *out, const vgg_cli_evaluation *evaluation) {
    vgg_score_figures f = {.struct_size = sizeof f};
    char value[TEXT], note[TEXT], count[VGG_CLI_TEXT_SIZE];
    if (!vgg_cli_page_has(out, vgg_scores_figures(evaluation->scores, &f, NULL)))
        return;
    vgg_cli_card(out, "Top-1", share_text(value, f.accuracy),
                 interval_text(note, f.accuracy_low, f.accuracy_high));
    if (vgg_scores_class_count(evaluation->scores) > 5)
        vgg_cli_card(out, "Top-5", share_text(value, f.top5),
                     interval_text(note, f.top5_low, f.top5_high));
    if (isfinite(f.loss)) {
        snprintf(value, sizeof value, "%.4g", f.loss);
        vgg_cli_card(out, "Loss", value, "cross-entropy");
        vgg_cli_card(out, "Calibration error", share_text(value, f.calibration_error),
                     "confidence against accuracy");
    }
    vgg_cli_count_text(count, f.pictures);
    snprintf(note, sizeof note, "%s%s", evaluation->part, f.unreadable > 0 ? ", without " : "");
    if (f.unreadable > 0)
        snprintf(note, sizeof note, "%s, without %zu unreadable", evaluation->part, f.unreadable);
    vgg_cli_card(out, "Pictures", count, note);
}

/* ---- classes ---- */

static void write_share(FILE *out, double share, const char *title) {
    if (!isfinite(share)) {
        fputs("<td data-value=\"-1\">–</td>", out);
        return;
    }
    fprintf(
        out,
        "<td class=\"share\" data-value=\"%.6f\"%s%s%s><svg class=\"bar\" viewBox=\"0 0 100 10\" "
        "preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"%.1f\" "
        "height=\"10\"/></svg><span>%.1f&nbsp;%%</span></td>",
        share, title != NULL ? " title=\"" : "", title != NULL ? title : "",
        title != NULL ? "\"" : "", 100 * share, 100 * share);
}

static void write_class(FILE *out, const vgg_class_figures *f) {
    char interval[TEXT];
    fputs("<tr><th scope=\"row\">", out);
    vgg_cli_html_text(out, f->name);
    fprintf(out, "</th><td data-value=\"%zu\">%zu</td>", f->pictures, f->pictures);
    write_share(out, f->recall,
                f->pictures > 0 ? interval_text(interval, f->recall_low, f->recall_high) : NULL);
    write_share(out, f->precision, NULL);
    write_share(out, f->f1, NULL);
    fputs("</tr>\n", out);
}

static void put_classes(FILE *out, const vgg_cli_evaluation *evaluation) {
    static const char *const heads[] = {"class", "pictures", "recall", "precision", "F1"};
    vgg_cli_section_begin(out, "classes", "Classes");
    fputs(
        "<p class=\"hint\">Recall: the share of a class's pictures that are found. Precision: the "
        "share of those taken for the class that belong to it. A heading sorts.</p>\n"
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Figures of the "
        "classes\">"
        "<table class=\"sortable\"><thead><tr>",
        out);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        fprintf(out, "<th scope=\"col\"><button type=\"button\">%s</button></th>", heads[i]);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (size_t c = 0; c < vgg_scores_class_count(evaluation->scores); c++) {
        vgg_class_figures figures = {.struct_size = sizeof figures};
        if (vgg_cli_page_has(out, vgg_scores_class(evaluation->scores, c, &figures, NULL)))
            write_class(out, &figures);
    }
    fputs("</tbody></table></div>\n", out);
    vgg_cli_section_end(out);
}

/* ---- calibration ---- */

/* The drawing, and where 0 and 1 lie in it. */
enum { WIDTH = 356, HEIGHT = 320, LEFT = 46, RIGHT = 328, TOP = 12, BOTTOM = 276 };

static double x_of(double share) {
    return LEFT + (RIGHT - LEFT) * share;
}

static double y_of(double share) {
    return BOTTOM - (BOTTOM - TOP) * share;
}

static void draw_frame(FILE *out) {
    for (int i = 0; i <= 4; i++) {
        double share = i / 4.0;
        fprintf(out,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>"
                "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d %%</text>\n",
                LEFT, RIGHT, y_of(share), y_of(share), LEFT - 6, y_of(share) + 4, 25 * i,
                x_of(share), BOTTOM + 18, 25 * i);
    }
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">confidence</text>\n", RIGHT,
            BOTTOM + 36);
}

/* A bar for the accuracy of each bin, the darker the more pictures it has, and the distance to the
 * confidence. */
static void draw_bins(FILE *out, const vgg_reliability_bin *bins, size_t most) {
    for (size_t i = 0; i < VGG_RELIABILITY_BINS; i++) {
        const vgg_reliability_bin *bin = &bins[i];
        if (bin->pictures == 0)
            continue;
        double left = x_of(bin->low) + 1, width = x_of(bin->high) - x_of(bin->low) - 2;
        double gap = fabs(bin->accuracy - bin->confidence);
        double higher = fmax(bin->accuracy, bin->confidence);
        fprintf(out,
                "<rect class=\"bin\" x=\"%.1f\" width=\"%.1f\" y=\"%.1f\" height=\"%.1f\" "
                "fill-opacity=\"%.2f\"/><rect class=\"gap\" x=\"%.1f\" width=\"%.1f\" y=\"%.1f\" "
                "height=\"%.1f\"/>\n",
                left, width, y_of(bin->accuracy), BOTTOM - y_of(bin->accuracy),
                0.35 + 0.65 * sqrt((double)bin->pictures / (double)most), left, width, y_of(higher),
                (BOTTOM - TOP) * gap);
    }
    fprintf(out, "<line class=\"ideal\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", LEFT, BOTTOM,
            RIGHT, TOP);
}

static void write_bins(FILE *out, const vgg_reliability_bin *bins) {
    fputs("<details><summary>Numbers</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"Calibration\"><table><thead><tr><th scope=\"col\">confidence</th>"
          "<th scope=\"col\">pictures</th><th scope=\"col\">mean confidence</th>"
          "<th scope=\"col\">accuracy</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < VGG_RELIABILITY_BINS; i++) {
        if (bins[i].pictures == 0)
            continue;
        fprintf(out, "<tr><th scope=\"row\">%.0f to %.0f&nbsp;%%</th><td>%zu</td><td>",
                100 * bins[i].low, 100 * bins[i].high, bins[i].pictures);
        vgg_cli_html_percent(out, bins[i].confidence);
        fputs("</td><td>", out);
        vgg_cli_html_percent(out, bins[i].accuracy);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></div></details>\n", out);
}

static void put_reliability(FILE *out, const vgg_cli_evaluation *evaluation) {
    vgg_reliability_bin bins[VGG_RELIABILITY_BINS];
    size_t most = 1;
    if (!vgg_cli_page_has(
            out, vgg_scores_reliability(evaluation->scores, VGG_RELIABILITY_BINS, bins, NULL)))
        return;
    for (size_t i = 0; i < VGG_RELIABILITY_BINS; i++) {
        most = bins[i].pictures > most ? bins[i].pictures : most;
    }
    vgg_cli_section_begin(out, "calibration", "Calibration");
    fputs(
        "<p class=\"hint\">How often the network is right where it is so sure. Bars that end below "
        "the line are of pictures that it is too sure of. Darker bars have more pictures.</p>\n",
        out);
    fprintf(out,
            "<figure class=\"reliability\"><svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"Accuracy by confidence; the numbers are below\">\n",
            WIDTH, HEIGHT);
    draw_frame(out);
    draw_bins(out, bins, most);
    fputs("</svg></figure>\n", out);
    write_bins(out, bins);
    vgg_cli_section_end(out);
}

void vgg_cli_evaluation_sections(FILE *out, const vgg_cli_evaluation *evaluation) {
    vgg_cli_confusion(out, evaluation);
    vgg_cli_gallery(out, evaluation);
    put_classes(out, evaluation);
    put_reliability(out, evaluation);
    vgg_cli_cells(out, evaluation);
    if (evaluation->thumbnails != NULL && !vgg_cli_thumbnails_whole(evaluation->thumbnails))
        vgg_cli_page_has(out, VGG_ERROR_MEMORY);
}
