/* The page of an evaluation: vgg eval --report. */
#ifndef VGG_CLI_EVAL_PAGE_H
#define VGG_CLI_EVAL_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/vgg.h"

/* What was measured on what, and what came out. */
typedef struct vgg_cli_eval_page {
    const char *path; /* of the page */
    const char *line; /* the command line that repeats it */
    const char *model_name, *data_name, *part;
    const vgg_model *model;
    const vgg_dataset *const *sets; /* in the order of the scores */
    size_t set_count;
    const vgg_scores *scores;
    size_t threads; /* 0: the default */
    double seconds;
} vgg_cli_eval_page;

/* False when that was complained about. */
bool vgg_cli_eval_page_write(const vgg_cli_eval_page *page);

#endif
