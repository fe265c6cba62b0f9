/* The commands that take the model that is part of the program where --model is not given. */
#ifndef VGG_CLI_UNNAMED_MODEL_H
#define VGG_CLI_UNNAMED_MODEL_H

#include "cli/model_source.h"

/* vgg_cli_model_options, whose --help says so. */
void vgg_cli_unnamed_model_options(vgg_cli_model_source *source,
                                   vgg_cli_option options[VGG_CLI_MODEL_OPTIONS]);

/* Takes it into source->path, and makes *unnamed true, where no model is named and there is one;
 * unless the first operand looks like a model that was meant, or there is none: then it is false,
 * which is complained about. */
bool vgg_cli_unnamed_model_take(const char *command, vgg_cli_model_source *source,
                                const char *operand, bool *unnamed);

/* Says which model it is that nobody has named. */
void vgg_cli_unnamed_model_note(const char *command, const vgg_model *model);

#endif
