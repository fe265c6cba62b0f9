#include "cli/data_split.h"

#include <stdio.h>

const char *vgg_cli_recorded_split(const vgg_model *model, bool resume,
                                   char buffer[VGG_CLI_SPLIT_SIZE]) {
    const char *note = vgg_model_note(model, VGG_CLI_SPLIT_NOTE);
    const char *share = vgg_model_note(model, "options.validation-split");
    const char *seed = vgg_model_note(model, "options.seed");
    if (note != NULL || share == NULL || seed == NULL)
        return note;
    snprintf(buffer, VGG_CLI_SPLIT_SIZE, "order share=%.40s seed=%.40s%s", share, seed,
             resume ? " test=validation" : "");
    return buffer;
}
