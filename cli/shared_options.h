/* Rows and words that stand in the option tables of several commands. */
#ifndef VGG_CLI_SHARED_OPTIONS_H
#define VGG_CLI_SHARED_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/options.h"
#include "vgg/plan.h"

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
/* One of vgg_cli_precisions. */
extern const char *const vgg_cli_precisions[];
vgg_cli_option vgg_cli_precision_option(const char **value);
/* Whether the precision of that name can be had, which is complained about; and notes where this
 * processor has no instructions for it. */
bool vgg_cli_precision_check(const char *command, const char *name, bool exact);
/* One of vgg_cli_protocols. */
extern const char *const vgg_cli_protocols[];
vgg_cli_option vgg_cli_protocol_option(const char **value);
vgg_cli_option vgg_cli_strict_option(bool *value);
/* One of vgg_cli_formats; `help` says what they are. */
vgg_cli_option vgg_cli_format_option(const char **value, const char *help);

#endif
