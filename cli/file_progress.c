#include "cli/file_progress.h"

#include <math.h>

#include "cli/message.h"

/* Seconds before there is a bar. */
#define PATIENCE 1.0

vgg_cli_file_progress vgg_cli_file_progress_begin(const char *what) {
    return (vgg_cli_file_progress){
        .what = what, .started = vgg_cli_now(), .line = vgg_cli_progress_on(stderr)};
}

bool vgg_cli_file_progress_tell(void *user, size_t done, size_t total) {
    vgg_cli_file_progress *progress = user;
    double passed = vgg_cli_now() - progress->started;
    if (passed < PATIENCE || !vgg_cli_progress_due(&progress->line))
        return true;
    char now[VGG_CLI_TEXT_SIZE], all[VGG_CLI_TEXT_SIZE], left[VGG_CLI_TEXT_SIZE];
    char right[4 * VGG_CLI_TEXT_SIZE];
    double fraction = (double)done / fmax((double)total, 1.0);
    vgg_cli_duration_text(left, passed * (1.0 - fraction) / fmax(fraction, 1e-3));
    snprintf(right, sizeof right, "%s of %s  %s left", vgg_cli_bytes_text(now, done),
             vgg_cli_bytes_text(all, total), left);
    vgg_cli_progress_draw(&progress->line, progress->what, fraction, right);
    return true;
}

void vgg_cli_file_progress_end(vgg_cli_file_progress *progress) {
    vgg_cli_progress_clear(&progress->line);
}
