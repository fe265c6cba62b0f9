/* The parts of `vgg bench`: measuring a network and its training, measuring the machine, writing
 * the report. */
#ifndef VGG_CLI_BENCH_H
#define VGG_CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/network_source.h"
#include "cli/options.h"
#include "cli/shared_options.h"
#include "cli/terminal.h"
#include "vgg/network.h"
#include "vgg/plan.h"
#include "vgg/train.h"

/* The runs of a batch size whose times are kept; more would not move the quartiles. */
#define VGG_CLI_BENCH_RUNS_MOST 10000
#define VGG_CLI_BENCH_RUNS_LEAST 5

/* What --train trains with. The rate is so small that the weights hardly change in any number of
 * steps. */
#define VGG_CLI_BENCH_MOMENTUM 0.9
#define VGG_CLI_BENCH_WEIGHT_DECAY 5e-4
#define VGG_CLI_BENCH_RATE 1e-6

typedef struct vgg_cli_bench_options {
    vgg_cli_network_source source;
    vgg_cli_sizes batches;
    bool batches_given;
    size_t threads, runs; /* 0: not given */
    size_t freeze;        /* blocks of convolutions that --train leaves as they are */
    bool exact, train;
    double seconds;
    const char *format;
    vgg_cli_computing computing;
} vgg_cli_bench_options;

/* What one batch size took. */
typedef struct vgg_cli_bench_result {
    size_t batch, runs, plan_bytes;
    double p25, median, p75; /* seconds of a run */
    double multiply_adds;    /* of a run, as the layers are defined */
    size_t peak_bytes;       /* most memory of the process, this batch size and those before it */
    size_t mapped_bytes;     /* how much of the memory now is pages of files */
} vgg_cli_bench_result;

/* What a run does with an op of a plan: the first alone, or all when it trains. */
enum {
    VGG_CLI_FORWARD,
    VGG_CLI_BACKWARD_DATA,    /* the gradient of the input */
    VGG_CLI_BACKWARD_WEIGHTS, /* the gradients of weights and bias */
    VGG_CLI_PASSES,
};

/* A rate that makes no sense is not a number. */
typedef struct vgg_cli_bench_pass {
    char algorithm[VGG_LAYER_NAME]; /* empty: the op has no such pass */
    double seconds;                 /* median */
    double gflops;
} vgg_cli_bench_pass;

/* An op of the plan for the first batch size. */
typedef struct vgg_cli_bench_layer {
    char name[VGG_LAYER_NAME];
    vgg_cli_bench_pass passes[VGG_CLI_PASSES];
    double gbps;
    size_t bytes;          /* weights, input and output */
    double products, cost; /* multiply-adds forward: done, and as predicted (vgg_op_info) */
} vgg_cli_bench_layer;

typedef struct vgg_cli_bench_report {
    size_t threads;
    bool train;
    vgg_cli_computing computing;
    vgg_machine machine;
    size_t result_count;
    vgg_cli_bench_result results[VGG_CLI_SIZES_MOST];
    size_t layer_count;
    vgg_cli_bench_layer *layers;
    double packing, update; /* median seconds of a training step at the first batch size: packing
                             * the weights that the step before changed, and the update, except
                             * where it is part of a layer's backward pass */
} vgg_cli_bench_report;

/* Training steps with a plan on random labels. */
typedef struct vgg_cli_bench_trainer {
    vgg_plan *plan;
    vgg_optimiser *optimiser;
    size_t batch, class_count;
    size_t *classes; /* (batch) */
    float *gradient; /* (batch, class_count) */
    uint64_t steps;
    double forward_seconds, backward_seconds; /* of the last step, the latter with the update */
} vgg_cli_bench_trainer;

/* The trainer is to be freed also after a failure. */
vgg_status vgg_cli_bench_trainer_create(vgg_cli_bench_trainer *trainer, vgg_network *network,
                                        vgg_plan *plan, size_t batch, vgg_error *error);
void vgg_cli_bench_trainer_free(vgg_cli_bench_trainer *trainer);

/* Forward, loss, backward, update. inputs: (batch, channels, height, width), logits: (batch,
 * class_count). */
vgg_status vgg_cli_bench_trainer_step(vgg_cli_bench_trainer *trainer, const float *inputs,
                                      float *logits, vgg_error *error);

/* Runs the network with every batch size; fills report->results and report->layers, which the
 * caller frees, also after a failure. False after a complaint. */
bool vgg_cli_bench_network(const vgg_cli_bench_options *options, vgg_network *network,
                           vgg_cli_progress *progress, vgg_cli_bench_report *report);

/* Raises the rates in *machine to those that are measured now, of the processor or of a GPU. False
 * after a complaint. */
bool vgg_cli_bench_machine(const vgg_cli_computing *computing, size_t threads,
                           vgg_cli_progress *progress, vgg_machine *machine);

/* Write to standard output; vgg_cli_bench_json is false after a complaint. */
void vgg_cli_bench_text(const vgg_cli_bench_options *options, const vgg_network *network,
                        const vgg_cli_bench_report *report);
bool vgg_cli_bench_json(const vgg_network *network, const vgg_cli_bench_report *report);

#endif
