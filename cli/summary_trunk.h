/* The table of vgg summary for a file without a classifier, which is no network that runs. */
#ifndef VGG_CLI_SUMMARY_TRUNK_H
#define VGG_CLI_SUMMARY_TRUNK_H

#include "cli/network_source.h"

/* Prints a row for each layer with weights that the file holds; false for any other file. */
bool vgg_cli_summary_trunk(const vgg_cli_network_source *source);

#endif
