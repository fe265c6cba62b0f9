/* What `vgg summary` prints beside the library's own table: another column, and networks side by
 * side. */
#ifndef VGG_CLI_SUMMARY_TABLE_H
#define VGG_CLI_SUMMARY_TABLE_H

#include <jansson.h>

#include "vgg/network.h"

/* torchsummary's table, `text`, of the network, on request with a column of multiply-adds. */
void vgg_cli_print_summary(const vgg_network *network, const char *text, bool multiply_adds);

#define VGG_CLI_SUMMARIES_MOST 48

/* What the library's JSON says of the networks, objects of an array that have a "name" too and are
 * no more than VGG_CLI_SUMMARIES_MOST, side by side: a row per layer, and the blocks up to each
 * pool beside one another. Those that a terminal has no room for follow below. */
void vgg_cli_print_summaries(const json_t *networks, bool multiply_adds);

#endif
