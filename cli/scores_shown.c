#include "cli/scores_shown.h"

#include <stdlib.h>
#include <string.h>

#include "cli/message.h"

const char *const vgg_cli_score_formats[] = {"text", "json", "csv", NULL};

vgg_cli_option vgg_cli_hardest_option(size_t *value) {
    return (vgg_cli_option){
        .type = VGG_CLI_SIZE,
        .name = "hardest",
        .argument = "N",
        .value = value,
        .minimum = 0,
        .maximum = 1e9,
        .help = "name the N pictures of highest loss, and N whose label is probably wrong; of two "
                "networks, at most N that one alone gets right, of which json and csv have all "
                "where it is not given"};
}

size_t *vgg_cli_scores_select(const vgg_cli_scores_shown *shown, vgg_score_order order,
                              size_t *found, size_t *all) {
    size_t *pictures = calloc(shown->hardest + 1, sizeof *pictures);
    *found = *all = 0;
    if (pictures != NULL && vgg_scores_select(shown->scores, order, shown->hardest, pictures, found,
                                              all, NULL) == VGG_ERROR_MEMORY) {
        free(pictures);
        return NULL;
    }
    return pictures;
}

bool vgg_cli_scores_show(const vgg_cli_scores_shown *shown, const char *format) {
    vgg_score_figures figures = {.struct_size = sizeof figures};
    vgg_error error;
    bool complete = vgg_scores_figures(shown->scores, &figures, &error) == VGG_OK;
    if (complete && strcmp(format, "json") == 0)
        complete = vgg_cli_scores_json(shown, &figures);
    else if (complete && strcmp(format, "csv") == 0)
        complete = vgg_cli_scores_csv(shown, &figures);
    else if (complete)
        complete = vgg_cli_scores_text(shown, &figures);
    if (!complete)
        vgg_cli_complain(shown->command, "out of memory while writing figures");
    return complete;
}
