/* Which files vgg style may replace. */
#include <unistd.h>

#include "cli/message.h"
#include "cli/output.h"
#include "cli/style.h"

/* Whether what an ended run has left may be lost, or be gone on from; then *resumed. */
static bool check_part(const vgg_cli_style_options *o, const char *part, bool *resumed) {
    vgg_error error;
    size_t iteration;
    *resumed = false;
    if (access(part, F_OK) != 0)
        return true;
    if (vgg_style_saved(part, &iteration, &error) != VGG_OK) {
        vgg_cli_complain("style", "%s", error.message);
        return false;
    }
    *resumed = o->resume;
    bool beyond = o->resume && iteration > o->iterations;
    if (!o->resume && !o->overwrite)
        vgg_cli_complain("style",
                         "%s: an ended run has left it in iteration %zu: --resume goes on, and "
                         "--overwrite begins anew",
                         part, iteration);
    else if (beyond)
        vgg_cli_complain("style",
                         "%s: an ended run has left it in iteration %zu, expected --iterations %zu "
                         "or more",
                         part, iteration, iteration);
    return (o->resume || o->overwrite) && !beyond;
}

bool vgg_cli_style_may_write(const vgg_cli_style_options *o, const char *part) {
    bool resumed;
    return vgg_cli_may_write("style", o->out, o->overwrite) && check_part(o, part, &resumed) &&
           (o->preview == NULL || vgg_cli_may_write("style", o->preview, o->overwrite || resumed));
}
