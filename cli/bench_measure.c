/* Running a network, or a training step, again and again, and what that takes. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/bench.h"
#include "cli/message.h"
#include "vgg/plan.h"

#define WARM_UP_RUNS 2
/* Of the seconds per batch size: processors change their clock some time after work begins. */
#define WARM_UP_SHARE 0.1

/* One batch size while it is measured. */
typedef struct bench_run {
    const vgg_cli_bench_options *options;
    vgg_cli_progress *progress;
    vgg_plan *plan;
    vgg_cli_bench_trainer trainer; /* with --train */
    size_t batch, ops;
    float *inputs, *logits;
    size_t most, count; /* room for runs, and how many there are */
    double *seconds;    /* (most) */
    /* (columns, most), or NULL: not wanted. A column is a pass of an op, then, with --train, the
     * packing of weights and the update. */
    double *parts;
} bench_run;

static size_t passes_of(const bench_run *run) {
    return run->options->train ? VGG_CLI_PASSES : 1;
}

static size_t packing_column(const bench_run *run) {
    return run->ops * passes_of(run);
}

static size_t update_column(const bench_run *run) {
    return packing_column(run) + 1;
}

static size_t columns_of(const bench_run *run) {
    return run->options->train ? update_column(run) + 1 : packing_column(run);
}

/* ---- memory ---- */

/* A size from the kernel's account of this process, such as "VmHWM"; 0 when it has none. */
static size_t process_bytes(const char *key) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    size_t kilobytes = 0, length = strlen(key);
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, length) == 0 && line[length] == ':')
            kilobytes = strtoul(line + length + 1, NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    return kilobytes * 1024;
}

/* getrusage comes second because its figure survives exec: it may be that of the program that
 * started this one. */
static size_t peak_bytes(void) {
    struct rusage usage;
    size_t peak = process_bytes("VmHWM");
    if (peak == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
        peak = (size_t)usage.ru_maxrss * 1024;
    return peak;
}

/* ---- order ---- */

static int compare_numbers(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The value below which `share` of the sorted values lie, between two of them in proportion. */
static double quantile(const double *sorted, size_t count, double share) {
    double place = share * (double)(count - 1);
    size_t low = (size_t)place, high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (place - (double)low) * (sorted[high] - sorted[low]);
}

/* ---- running ---- */

/* Numbers of the spread that normalised pictures have, the same in every process. */
static void fill_inputs(float *values, size_t count) {
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        /* A linear congruential generator (Numerical Recipes); its upper bits are the good ones. */
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) * 0x1p-22f - 2.0f;
    }
}

static bool complain(const bench_run *run, const vgg_error *error) {
    vgg_cli_progress_clear(run->progress);
    vgg_cli_complain("bench", "%s", error->message);
    return false;
}

static bool run_once(bench_run *run, double *seconds) {
    vgg_error error;
    double begun = vgg_cli_now();
    vgg_status status =
        run->options->train
            ? vgg_cli_bench_trainer_step(&run->trainer, run->inputs, run->logits, &error)
            : vgg_plan_forward(run->plan, run->inputs, run->batch, run->logits, &error);
    *seconds = vgg_cli_now() - begun;
    return status == VGG_OK || complain(run, &error);
}

static void show(bench_run *run, double fraction) {
    if (!vgg_cli_progress_due(run->progress))
        return;
    char left[VGG_CLI_TEXT_SIZE], right[VGG_CLI_TEXT_SIZE];
    snprintf(left, sizeof left, "batch %zu", run->batch);
    if (run->count == 0)
        snprintf(right, sizeof right, "warming up");
    else
        snprintf(right, sizeof right, "%zu run%s  %.2f ms", run->count, run->count == 1 ? "" : "s",
                 1e3 * run->seconds[run->count - 1]);
    vgg_cli_progress_draw(run->progress, left, fraction, right);
}

static bool warm_up(bench_run *run) {
    double begun = vgg_cli_now(), seconds;
    double share = run->options->runs > 0 ? 0.0 : WARM_UP_SHARE * run->options->seconds;
    for (size_t i = 0; i < WARM_UP_RUNS || vgg_cli_now() - begun < share; i++) {
        show(run, 0.0);
        if (!run_once(run, &seconds))
            return false;
    }
    return true;
}

static bool op_info(const bench_run *run, size_t op, vgg_op_info *info) {
    vgg_error error;
    return vgg_plan_op(run->plan, op, info, &error) == VGG_OK || complain(run, &error);
}

static void keep(bench_run *run, size_t column, double seconds) {
    run->parts[column * run->most + run->count] = seconds;
}

static bool keep_parts(bench_run *run) {
    double forward = 0.0, backward = 0.0;
    for (size_t s = 0; s < run->ops; s++) {
        vgg_op_info info = {.struct_size = sizeof info};
        if (!op_info(run, s, &info))
            return false;
        const double seconds[VGG_CLI_PASSES] = {info.seconds, info.backward_data_seconds,
                                                info.backward_weights_seconds};
        for (size_t p = 0; p < passes_of(run); p++) {
            keep(run, s * passes_of(run) + p, seconds[p]);
        }
        forward += info.seconds;
        backward += info.backward_data_seconds + info.backward_weights_seconds;
    }
    if (run->options->train) {
        /* Before its first op a forward pass packs the weights, if they have changed. */
        keep(run, packing_column(run), fmax(0.0, run->trainer.forward_seconds - forward));
        keep(run, update_column(run), fmax(0.0, run->trainer.backward_seconds - backward));
    }
    return true;
}

/* How much of the measurement is done, 1 when it is over. */
static double fraction_done(const bench_run *run, double seconds) {
    if (run->options->runs > 0)
        return (double)run->count / (double)run->options->runs;
    if (run->count == run->most)
        return 1.0;
    double runs = (double)run->count / VGG_CLI_BENCH_RUNS_LEAST;
    return fmin(1.0, fmin(runs, seconds / run->options->seconds));
}

static bool repeat(bench_run *run) {
    double begun = vgg_cli_now(), fraction;
    while ((fraction = fraction_done(run, vgg_cli_now() - begun)) < 1.0) {
        show(run, fraction);
        if (!run_once(run, &run->seconds[run->count]) || (run->parts != NULL && !keep_parts(run)))
            return false;
        run->count++;
    }
    return true;
}

/* ---- one batch size ---- */

static bool out_of_memory(bench_run *run) {
    vgg_cli_progress_clear(run->progress);
    vgg_cli_complain("bench", "out of memory for the input and the times of batch %zu", run->batch);
    return false;
}

static bool make_plan(bench_run *run, vgg_network *network, size_t *bytes) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = run->batch;
    options.threads = run->options->threads;
    options.exact = run->options->exact;
    options.precision = vgg_precision_named(run->options->computing.precision);
    options.device = vgg_device_named(run->options->computing.device);
    options.mode = run->options->train ? VGG_MODE_TRAIN : VGG_MODE_EVAL;
    options.defer_linear = run->options->train;
    vgg_error error;
    vgg_status status = run->options->train
                            ? vgg_plan_create_training(network, &options, &run->plan, &error)
                            : vgg_plan_create(network, &options, &run->plan, &error);
    if (status == VGG_OK)
        status = vgg_plan_memory(network, &options, bytes, &error);
    if (status == VGG_OK && run->options->train)
        status =
            vgg_cli_bench_trainer_create(&run->trainer, network, run->plan, run->batch, &error);
    return status == VGG_OK || complain(run, &error);
}

static bool prepare(bench_run *run, vgg_network *network, bool wants_parts, size_t *bytes) {
    const vgg_network_options *shape = vgg_network_describe(network);
    size_t image = shape->channels * shape->height * shape->width;
    if (!make_plan(run, network, bytes))
        return false;
    run->ops = vgg_plan_op_count(run->plan);
    run->most = run->options->runs > 0 ? run->options->runs : VGG_CLI_BENCH_RUNS_MOST;
    run->inputs = calloc(run->batch, image * sizeof(float));
    run->logits = calloc(run->batch, shape->classes * sizeof(float));
    run->seconds = calloc(run->most, sizeof(double));
    if (wants_parts)
        run->parts = calloc(run->most * columns_of(run), sizeof(double));
    if (run->inputs == NULL || run->logits == NULL || run->seconds == NULL ||
        (wants_parts && run->parts == NULL))
        return out_of_memory(run);
    fill_inputs(run->inputs, run->batch * image);
    return true;
}

static void release(bench_run *run) {
    vgg_cli_bench_trainer_free(&run->trainer);
    vgg_plan_free(run->plan);
    free(run->inputs);
    free(run->logits);
    free(run->seconds);
    free(run->parts);
}

/* The median of a column, which is sorted for it. */
static double median_of(const bench_run *run, size_t column) {
    double *seconds = run->parts + column * run->most;
    qsort(seconds, run->count, sizeof *seconds, compare_numbers);
    return quantile(seconds, run->count, 0.5);
}

static void describe_pass(const bench_run *run, size_t column, const char *algorithm,
                          const vgg_op_info *info, vgg_cli_bench_pass *pass) {
    *pass = (vgg_cli_bench_pass){.seconds = median_of(run, column), .gflops = (double)NAN};
    if (algorithm == NULL)
        return;
    snprintf(pass->algorithm, sizeof pass->algorithm, "%s", algorithm);
    if (info->multiply_adds > 0 && pass->seconds > 0.0)
        pass->gflops = 2e-9 * (double)info->multiply_adds * (double)run->batch / pass->seconds;
}

static void describe_op(const bench_run *run, size_t op, const vgg_op_info *info,
                        vgg_cli_bench_layer *layer) {
    const char *const algorithms[VGG_CLI_PASSES] = {info->algorithm, info->backward_data,
                                                    info->backward_weights};
    snprintf(layer->name, sizeof layer->name, "%s", info->name);
    for (size_t p = 0; p < passes_of(run); p++) {
        describe_pass(run, op * passes_of(run) + p, algorithms[p], info, &layer->passes[p]);
    }
    layer->bytes = info->bytes;
    layer->products = (double)info->products;
    layer->cost = info->cost;
    const vgg_cli_bench_pass *forward = &layer->passes[VGG_CLI_FORWARD];
    bool linear = strncmp(info->algorithm, "linear", strlen("linear")) == 0;
    layer->gbps = linear && isfinite(forward->gflops)
                      ? 1e-9 * (double)info->weight_bytes / forward->seconds
                      : (double)NAN;
}

static bool describe_parts(bench_run *run, vgg_cli_bench_report *report) {
    report->layers = calloc(run->ops, sizeof *report->layers);
    if (report->layers == NULL)
        return out_of_memory(run);
    report->layer_count = run->ops;
    for (size_t s = 0; s < run->ops; s++) {
        vgg_op_info info = {.struct_size = sizeof info};
        if (!op_info(run, s, &info))
            return false;
        describe_op(run, s, &info, &report->layers[s]);
    }
    if (run->options->train) {
        report->packing = median_of(run, packing_column(run));
        report->update = median_of(run, update_column(run));
    }
    return true;
}

/* Of a run, as the layers are defined: a backward pass to the input or to the weights has as many
 * as the forward pass. */
static bool count_multiply_adds(const bench_run *run, double *count) {
    *count = 0.0;
    for (size_t s = 0; s < run->ops; s++) {
        vgg_op_info info = {.struct_size = sizeof info};
        if (!op_info(run, s, &info))
            return false;
        int passes = 1 + (info.backward_data != NULL) + (info.backward_weights != NULL);
        *count += (double)info.multiply_adds * (double)run->batch * passes;
    }
    return true;
}

static bool measure_batch(bench_run *run, vgg_network *network, vgg_cli_bench_report *report) {
    bool first = report->result_count == 0;
    vgg_cli_bench_result *result = &report->results[report->result_count];
    if (!prepare(run, network, first, &result->plan_bytes) || !warm_up(run) || !repeat(run))
        return false;
    qsort(run->seconds, run->count, sizeof *run->seconds, compare_numbers);
    result->batch = run->batch;
    result->runs = run->count;
    result->p25 = quantile(run->seconds, run->count, 0.25);
    result->median = quantile(run->seconds, run->count, 0.5);
    result->p75 = quantile(run->seconds, run->count, 0.75);
    result->peak_bytes = peak_bytes();
    result->mapped_bytes = process_bytes("RssFile");
    report->result_count++;
    return count_multiply_adds(run, &result->multiply_adds) &&
           (!first || describe_parts(run, report));
}

bool vgg_cli_bench_network(const vgg_cli_bench_options *options, vgg_network *network,
                           vgg_cli_progress *progress, vgg_cli_bench_report *report) {
    bool done = true;
    for (size_t i = 0; done && i < options->batches.count; i++) {
        bench_run run = {
            .options = options, .progress = progress, .batch = options->batches.values[i]};
        done = measure_batch(&run, network, report);
        release(&run);
    }
    vgg_cli_progress_clear(progress);
    return done;
}
