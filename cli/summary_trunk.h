/* What vgg summary says of a file without a classifier, which is no network that runs. */
#ifndef VGG_CLI_SUMMARY_TRUNK_H
#define VGG_CLI_SUMMARY_TRUNK_H

#include <stdbool.h>

#include "cli/network_source.h"

/* Prints a row for each layer with weights that the file holds, as JSON the object of a summary as
 * far as there is something of it. Returns the exit status. */
int vgg_cli_summary_trunk(const vgg_cli_network_source *source, bool json);

#endif
