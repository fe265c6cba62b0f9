/* Rows and words that stand in the option tables of several commands. */
#ifndef VGG_CLI_SHARED_OPTIONS_H
#define VGG_CLI_SHARED_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/options.h"
#include "vgg/device.h"

/* The names of the presets, of the layouts, of the paddings, and "text" and "json"; NULL at the
 * end. */
extern const char *const vgg_cli_presets[];
extern const char *const vgg_cli_layouts[];
extern const char *const vgg_cli_paddings[];
extern const char *const vgg_cli_formats[];

vgg_cli_option vgg_cli_state_dict_option(const char **value);
vgg_cli_option vgg_cli_batch_option(size_t *value);
vgg_cli_option vgg_cli_threads_option(size_t *value);
vgg_cli_option vgg_cli_workers_option(size_t *value);
vgg_cli_option vgg_cli_exact_option(bool *value);

/* What is computed on, and in which numbers: the options' values, NULL where they are not given. */
typedef struct vgg_cli_computing {
    const char *device, *precision;
    char name[64]; /* what the device is called: that of a GPU, or the instruction tier */
} vgg_cli_computing;

vgg_cli_option vgg_cli_device_option(const char **value);
vgg_cli_option vgg_cli_precision_option(const char **value);
/* Gives them what they stand for: "cpu" or "cuda", and the precision that is usual there. Says,
 * unless it is to be quiet, what was chosen, and where the processor has no instructions for the
 * precision. The exit status, after a complaint where it is not VGG_CLI_OK: there is no such
 * device, or it does not go together. */
int vgg_cli_computing_settle(const char *command, vgg_cli_computing *computing, bool exact,
                             bool quiet);
/* One of vgg_cli_protocols. */
extern const char *const vgg_cli_protocols[];
vgg_cli_option vgg_cli_protocol_option(const char **value);
vgg_cli_option vgg_cli_strict_option(bool *value);
/* One of vgg_cli_formats; `help` says what they are. */
vgg_cli_option vgg_cli_format_option(const char **value, const char *help);

#endif
