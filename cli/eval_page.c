#include "cli/eval_page.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/message.h"
#include "cli/report/report.h"

/* Seconds for making pictures small. */
#define SECONDS_MOST 60.0

bool vgg_cli_eval_page_write(const vgg_cli_eval_page *page) {
    char network[256], machine[96], time_text[VGG_CLI_TEXT_SIZE], now[VGG_CLI_TEXT_SIZE],
        title[512];
    const vgg_network_options *options = vgg_network_describe(vgg_model_network(page->model));
    time_t seconds = time(NULL);
    struct tm parts;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    snprintf(network, sizeof network, "%.200s, %zux%zux%zu", options->arch, options->channels,
             options->height, options->width);
    snprintf(machine, sizeof machine, "%s, %zu threads, vgg %s", vgg_cpu_tier(),
             page->threads > 0 ? page->threads : vgg_threads_default(), vgg_version());
    vgg_cli_duration_text(time_text, page->seconds);
    snprintf(title, sizeof title, "%.220s on %.220s", page->model_name, page->data_name);
    const char *const about[][2] = {
        {"Command", page->line},   {"Model", page->model_name}, {"Network", network},
        {"Data", page->data_name}, {"Part", page->part},        {"Measured", now},
        {"Time", time_text},       {"Machine", machine},        {NULL, NULL}};
    vgg_cli_thumbnails *thumbnails = vgg_cli_thumbnails_create("eval", page->sets, page->set_count);
    if (thumbnails == NULL || !vgg_cli_thumbnails_begin(thumbnails, page->scores, SECONDS_MOST)) {
        vgg_cli_complain("eval", "out of memory for the pictures of %s", page->path);
        vgg_cli_thumbnails_free(thumbnails);
        return false;
    }
    const vgg_cli_evaluation evaluation = {
        .part = page->part, .scores = page->scores, .thumbnails = thumbnails};
    bool done =
        vgg_cli_report_evaluation("eval", page->path, title, about, page->model, &evaluation);
    vgg_cli_thumbnails_free(thumbnails);
    return done;
}
