#include "cli/unnamed_model.h"

#include <stdio.h>

#include "cli/message.h"
#include "vgg/network.h"

void vgg_cli_unnamed_model_options(vgg_cli_model_source *source,
                                   vgg_cli_option options[VGG_CLI_MODEL_OPTIONS]) {
    vgg_cli_model_options(source, options);
    if (!vgg_cli_has_builtin())
        return;
    options[0].help = vgg_cli_model_help;
    options[0].fallback = VGG_CLI_BUILTIN;
}

bool vgg_cli_unnamed_model_take(const char *command, vgg_cli_model_source *source,
                                const char *operand, bool *unnamed) {
    *unnamed = source->path == NULL && vgg_cli_has_builtin() && !vgg_cli_looks_like_model(operand);
    if (*unnamed)
        source->path = VGG_CLI_BUILTIN;
    return vgg_cli_model_is_given(command, source, operand);
}

void vgg_cli_unnamed_model_note(const char *command, const vgg_model *model) {
    const char *const *names = vgg_model_class_names(model);
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes, length = 0;
    char list[512] = "";
    for (size_t i = 0; names != NULL && i < classes && length < sizeof list; i++) {
        length += (size_t)snprintf(list + length, sizeof list - length, "%s%s",
                                   i == 0             ? ": "
                                   : i + 1 == classes ? " and "
                                                      : ", ",
                                   names[i]);
    }
    vgg_cli_complain(command,
                     "note: the model is " VGG_CLI_BUILTIN ", which knows %zu garments%s; "
                     "--model takes another",
                     classes, list);
}
