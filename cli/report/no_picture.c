/* A program without Cairo draws no pictures. */
#include "cli/report/picture.h"

void vgg_cli_results_picture(const vgg_cli_run_facts *run, const char *folder) {
    (void)run;
    (void)folder;
}

void vgg_cli_confusion_picture(const vgg_scores *scores, const char *folder) {
    (void)scores;
    (void)folder;
}
