/* Where a model comes from: the options that `vgg eval`, `vgg predict`, `vgg convert` and
 * `vgg inspect` share. */
#ifndef VGG_CLI_MODEL_SOURCE_H
#define VGG_CLI_MODEL_SOURCE_H

#include <sys/stat.h>

#include "cli/file_progress.h"
#include "cli/options.h"
#include "cli/preprocess_options.h"
#include "vgg/model.h"

typedef struct vgg_cli_model_source {
    const char *path, *preprocess, *labels, *arch, *layout, *padding, *state_dict;
    size_t classes;
    bool without_classifier; /* as in vgg_model_options */
    bool any_preprocess; /* vgg_cli_model_open opens a file that does not say its preprocessing */
    bool private_copy;   /* as in vgg_model_options */
    bool batch_norm, batch_norm_given, multi_label, multi_label_given;
    vgg_cli_input input;
    vgg_cli_preprocess pictures;
    vgg_cli_file_progress *progress; /* NULL: there is no bar */
    bool *headless; /* not NULL: becomes true, and the complaint a note, where the file is one
                     * without a classifier, which opens as no model */
} vgg_cli_model_source;

/* The name by which the command line calls the model that is part of the program. */
#define VGG_CLI_BUILTIN "builtin"
bool vgg_cli_is_builtin(const char *path);
/* Whether there is one. */
bool vgg_cli_has_builtin(void);

/* What --help says of --model. */
extern const char vgg_cli_model_help[];

#define VGG_CLI_MODEL_OPTIONS 11
void vgg_cli_model_options(vgg_cli_model_source *source,
                           vgg_cli_option options[VGG_CLI_MODEL_OPTIONS]);

/* The file that a path means: of a run's folder its best model, or its last. VGG_CLI_BUILTIN is
 * itself. */
const char *vgg_cli_model_file(const char *path);
/* What stat says of that file. False, with zeros, where there is none, as of VGG_CLI_BUILTIN. */
bool vgg_cli_model_stat(const char *path, struct stat *found);

/* Whether an operand looks like a model that was meant for --model. */
bool vgg_cli_looks_like_model(const char *operand);

/* False, which is complained about, when --model is missing; an operand that looks like a model is
 * taken for the one that was meant. */
bool vgg_cli_model_is_given(const char *command, const vgg_cli_model_source *source,
                            const char *operand);

/* What the library is told of the file; the options refer to *changes. */
vgg_model_options vgg_cli_model_told(const vgg_cli_model_source *source,
                                     vgg_preprocess_changes *changes);

/* Opens the model of source->path. Returns the exit status; anything but VGG_CLI_OK has been
 * complained about. */
int vgg_cli_model_load(const char *command, const vgg_cli_model_source *source, vgg_model **model);

/* The same of a model for pictures, which must have or be given its preprocessing. What is taken
 * for granted is said. */
int vgg_cli_model_open(const char *command, const vgg_cli_model_source *source, vgg_model **model);

#endif
