/* Charts as pictures, with Cairo; a program that was built without it has none. */
#ifndef VGG_CLI_REPORT_PICTURE_H
#define VGG_CLI_REPORT_PICTURE_H

#include "cli/report/report.h"

/* Writes results.png, the curves of a run, into its folder. A picture that cannot be made is left
 * out without a word: what it shows is in the page. */
void vgg_cli_results_picture(const vgg_cli_run_facts *run, const char *folder);
/* Writes confusion.png, the shares of each class's pictures. */
void vgg_cli_confusion_picture(const vgg_scores *scores, const char *folder);

#endif
