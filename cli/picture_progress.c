#include "cli/picture_progress.h"

#include "cli/message.h"

void vgg_cli_picture_progress(vgg_cli_progress *progress, const char *left, size_t done,
                              size_t begun, size_t total, double started) {
    if (!vgg_cli_progress_due(progress))
        return;
    total = total > done ? total : done;
    char right[3 * VGG_CLI_TEXT_SIZE], time[VGG_CLI_TEXT_SIZE];
    double seconds = vgg_cli_now() - started, computed = (double)(done - begun);
    double rate = computed / (seconds > 1e-3 ? seconds : 1e-3);
    snprintf(right, sizeof right, "%zu/%zu  %.0f images/s  %s left", done, total, rate,
             vgg_cli_duration_text(time, (double)(total - done) / (rate > 0 ? rate : 1)));
    vgg_cli_progress_draw(progress, left, total > 0 ? (double)done / (double)total : 0, right);
}
