#include "cli/predict_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/csv.h"
#include "cli/message.h"
#include "cli/predict_json.h"
#include "cli/predict_sort.h"
#include "cli/terminal.h"

#define BAR_CELLS 20
/* Below this the likeliest class is less likely than all others together. */
#define UNSURE_BELOW 0.5

void vgg_cli_predict_begin(const vgg_cli_predict_output *output) {
    if (output->format == VGG_CLI_PREDICT_JSON)
        vgg_cli_predict_json_begin(stdout);
    else if (output->format == VGG_CLI_PREDICT_CSV)
        printf("image,rank,index,label,%s\n", output->logits ? "logit" : "probability");
}

void vgg_cli_predict_end(const vgg_cli_predict_output *output) {
    if (output->format == VGG_CLI_PREDICT_JSON)
        vgg_cli_predict_json_end(stdout, output);
}

static void write_none(const char *image, const vgg_prediction *likeliest) {
    char name[VGG_CLI_TEXT_SIZE];
    if (likeliest->label != NULL)
        vgg_cli_clean_text(name, sizeof name, likeliest->label);
    else
        snprintf(name, sizeof name, "class %zu", likeliest->index);
    vgg_cli_print_line("%s  " VGG_CLI_NONE " (the likeliest, %s, has only %.1f %%)", image, name,
                       100.0 * likeliest->probability);
}

static void write_text(const vgg_cli_predict_output *output, const char *image,
                       const vgg_prediction *best, size_t count) {
    if (output->written > 0)
        putchar('\n');
    if (vgg_cli_predict_is_none(output, best, count)) {
        write_none(image, best);
        return;
    }
    if (count > 0 && best[0].probability < UNSURE_BELOW && !output->multi_label)
        vgg_cli_print_line("%s  (unsure: the likeliest has only %.1f %%)", image,
                           100.0 * best[0].probability);
    else
        vgg_cli_print_line("%s", image);
    for (size_t i = 0; i < count; i++) {
        char bar[VGG_CLI_BAR_SIZE], value[32];
        if (output->logits)
            snprintf(value, sizeof value, "%10.4f", best[i].logit);
        else
            snprintf(value, sizeof value, "%5.1f %%", 100.0 * best[i].probability);
        vgg_cli_bar(bar, best[i].probability, BAR_CELLS);
        int column = printf("%4zu  %s  ", i + 1, value);
        printf("%s%s%s  ", i == 0 ? vgg_cli_accent(stdout) : "", bar,
               i == 0 ? vgg_cli_accent_end(stdout) : "");
        char number[VGG_CLI_TEXT_SIZE];
        snprintf(number, sizeof number, "class %zu", best[i].index);
        vgg_cli_print_rest((size_t)(column > 0 ? column : 0) + BAR_CELLS + 2,
                           best[i].label != NULL ? best[i].label : number);
    }
}

static double value_of(const vgg_cli_predict_output *output, const vgg_prediction *prediction) {
    return output->logits ? prediction->logit : prediction->probability;
}

static void write_csv(const vgg_cli_predict_output *output, const char *image,
                      const vgg_prediction *best, size_t count) {
    if (vgg_cli_predict_is_none(output, best, count)) {
        vgg_cli_csv_field(image);
        printf(",1,," VGG_CLI_NONE ",%.9g\n", value_of(output, best));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        vgg_cli_csv_field(image);
        printf(",%zu,%zu,", i + 1, best[i].index);
        if (best[i].label != NULL)
            vgg_cli_csv_field(best[i].label);
        printf(",%.9g\n", value_of(output, &best[i]));
    }
}

bool vgg_cli_predict_write(vgg_cli_predict_output *output, const char *image,
                           const vgg_prediction *best, size_t count) {
    errno = 0;
    switch (output->format) {
    case VGG_CLI_PREDICT_TEXT:
        write_text(output, image, best, count);
        break;
    case VGG_CLI_PREDICT_JSON:
        if (!vgg_cli_predict_json_picture(stdout, output, image, best, count)) {
            vgg_cli_complain("predict", "out of memory while writing JSON");
            return false;
        }
        break;
    case VGG_CLI_PREDICT_CSV:
        write_csv(output, image, best, count);
        break;
    }
    output->written++;
    return vgg_cli_flush_output("predict");
}
