/* The parts of `vgg bench`: measuring a network, measuring the machine, writing the report. */
#ifndef VGG_CLI_BENCH_H
#define VGG_CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/network_source.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "vgg/network.h"

/* The runs of a batch size whose times are kept; more would not move the quartiles. */
#define VGG_CLI_BENCH_RUNS_MOST 10000
#define VGG_CLI_BENCH_RUNS_LEAST 5

typedef struct vgg_cli_bench_options {
    vgg_cli_network_source source;
    vgg_cli_sizes batches;
    size_t threads, runs; /* 0: not given */
    bool exact;
    double seconds;
    const char *format;
} vgg_cli_bench_options;

/* What one batch size took. */
typedef struct vgg_cli_bench_result {
    size_t batch, runs, plan_bytes;
    double p25, median, p75; /* seconds of a run */
    size_t peak_bytes;       /* most memory of the process, this batch size and those before it */
    size_t mapped_bytes;     /* how much of the memory now is pages of files */
} vgg_cli_bench_result;

/* A step of the plan for the first batch size. A rate that makes no sense is not a number. */
typedef struct vgg_cli_bench_layer {
    char name[VGG_LAYER_NAME], algorithm[VGG_LAYER_NAME];
    double seconds; /* median */
    double gflops, gbps;
    size_t bytes;          /* weights, input and output */
    double products, cost; /* multiply-adds: done, and as predicted (vgg_step_info) */
} vgg_cli_bench_layer;

typedef struct vgg_cli_bench_report {
    size_t threads;
    vgg_machine machine;
    size_t result_count;
    vgg_cli_bench_result results[VGG_CLI_SIZES_MOST];
    size_t layer_count;
    vgg_cli_bench_layer *layers;
} vgg_cli_bench_report;

/* Runs the network with every batch size; fills report->results and report->layers, which the
 * caller frees, also after a failure. False after a complaint. */
bool vgg_cli_bench_network(const vgg_cli_bench_options *options, vgg_network *network,
                           vgg_cli_progress *progress, vgg_cli_bench_report *report);

/* Raises the rates in *machine to those that are measured now. False after a complaint. */
bool vgg_cli_bench_machine(size_t threads, vgg_cli_progress *progress, vgg_machine *machine);

/* Write to standard output; vgg_cli_bench_json is false after a complaint. */
void vgg_cli_bench_text(const vgg_cli_bench_options *options, const vgg_network *network,
                        const vgg_cli_bench_report *report);
bool vgg_cli_bench_json(const vgg_network *network, const vgg_cli_bench_report *report);

#endif
