/* libFuzzer's entry for files of scores: CSV, or NumPy's where it begins as a zip archive does.
 * What is read has figures, and is written. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "folder.h"
#include "vgg/scores.h"

static void use(const vgg_scores *scores, const char *ending) {
    vgg_error error = {0};
    char name[16];
    vgg_score_figures figures = {.struct_size = sizeof figures};
    vgg_class_figures of_class = {.struct_size = sizeof of_class};
    size_t pictures[4], found;
    insist(vgg_scores_figures(scores, &figures, &error) == VGG_OK);
    insist(figures.pictures == vgg_scores_count(scores));
    insist(vgg_scores_class(scores, 0, &of_class, &error) == VGG_OK);
    insist(vgg_scores_select(scores, VGG_SCORE_HARDEST, 4, pictures, &found, NULL, &error) ==
           VGG_OK);
    snprintf(name, sizeof name, "out%s", ending);
    insist(vgg_scores_write(scores, in_folder(name), &error) == VGG_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bool zip = size >= 2 && data[0] == 'P' && data[1] == 'K';
    const char *in = zip ? "in.npz" : "in.csv";
    write_file(in, data, size);
    vgg_scores_read_options options;
    vgg_scores_read_options_init(&options, sizeof options);
    options.rows = true;
    vgg_scores *scores = NULL;
    vgg_error error = {0};
    vgg_status status = vgg_scores_read(in_folder(in), &options, &scores, &error);
    insist(status == VGG_OK ? scores != NULL : scores == NULL && error.message[0] != '\0');
    if (scores != NULL)
        use(scores, zip ? ".npz" : ".csv");
    vgg_scores_free(scores);
    return 0;
}
