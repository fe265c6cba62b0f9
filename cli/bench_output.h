/* What the report of `vgg bench --train` says of layers. */
#ifndef VGG_CLI_BENCH_OUTPUT_H
#define VGG_CLI_BENCH_OUTPUT_H

#include <jansson.h>

#include "cli/bench.h"

void vgg_cli_bench_print_training(const vgg_cli_bench_report *report);
json_t *vgg_cli_bench_training_json(const vgg_cli_bench_layer *layer);

/* Adds the parts of a step that are no layer's; false when memory ran out. */
bool vgg_cli_bench_add_parts(json_t *object, const vgg_cli_bench_report *report);

#endif
