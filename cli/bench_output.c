/* The report of vgg bench, as text and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_output.h"
#include "cli/clean_text.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/table.h"
#include "cli/wrap.h"
#include "vgg/plan.h"

#define LABEL_COLUMN 10

static double megabytes(size_t bytes) {
    return (double)bytes / (1024.0 * 1024.0);
}

/* Effective: the multiply-adds of the layers as they are defined, whatever an algorithm saves. */
static double effective_gflops(const vgg_cli_bench_result *result) {
    return 2e-9 * result->multiply_adds / result->median;
}

/* ---- text ---- */

static void print_network(const vgg_cli_bench_options *o, const vgg_network *network) {
    const vgg_network_options *shape = vgg_network_describe(network);
    char text[1024];
    snprintf(text, sizeof text, "%s%s, %s layout, %s%zux%zux%zu, %zu classes", shape->arch,
             shape->batch_norm ? " with batch norm" : "", vgg_layout_name(shape->layout),
             shape->padding == VGG_PADDING_VALID ? "padding valid, " : "", shape->channels,
             shape->height, shape->width, shape->classes);
    printf("network   ");
    vgg_cli_print_wrapped(text, LABEL_COLUMN, LABEL_COLUMN);
    vgg_cli_print_line("weights   %s",
                       o->source.path != NULL ? o->source.path : "random (kaiming, seed 0)");
}

static void print_machine(const vgg_cli_bench_options *o, const vgg_cli_bench_report *report) {
    const vgg_cli_bench_result *last = &report->results[report->result_count - 1];
    char peak[VGG_CLI_TEXT_SIZE], mapped[VGG_CLI_TEXT_SIZE];
    bool rounded = vgg_precision_named(o->computing.precision) != VGG_PRECISION_F32;
    vgg_cli_print_line("program   %s, %zu thread%s%s%s%s", o->computing.name, report->threads,
                       report->threads == 1 ? "" : "s", o->exact ? ", exact" : "",
                       rounded ? ", " : "", rounded ? o->computing.precision : "");
    if (report->train)
        vgg_cli_print_line("training  SGD, momentum %g, weight decay %g; random labels",
                           VGG_CLI_BENCH_MOMENTUM, VGG_CLI_BENCH_WEIGHT_DECAY);
    if (o->freeze > 0)
        vgg_cli_print_line("frozen    the first %zu block%s of convolutions", o->freeze,
                           o->freeze == 1 ? "" : "s");
    bool gpu = vgg_device_named(o->computing.device) == VGG_DEVICE_CUDA;
    vgg_cli_print_line("machine   %.1f GFLOP/s at most, %s %.1f GB/s", report->machine.peak_gflops,
                       gpu ? "copies" : "reads", report->machine.read_gbps);
    vgg_cli_print_line("memory    %s at most, %s of it mapped from files",
                       vgg_cli_bytes_text(peak, last->peak_bytes),
                       vgg_cli_bytes_text(mapped, last->mapped_bytes));
}

static void print_results(const vgg_cli_bench_report *report) {
    vgg_cli_table table;
    putchar('\n');
    vgg_cli_table_begin(&table);
    fputs("batch  runs        ms      25 %      75 %  ms/image  images/s  GFLOP/s  of peak\n",
          table.rows);
    for (size_t i = 0; i < report->result_count; i++) {
        const vgg_cli_bench_result *r = &report->results[i];
        double gflops = effective_gflops(r), batch = (double)r->batch;
        fprintf(table.rows, "%5zu %5zu %9.2f %9.2f %9.2f %9.2f %9.1f %8.1f %6.0f %%\n", r->batch,
                r->runs, 1e3 * r->median, 1e3 * r->p25, 1e3 * r->p75, 1e3 * r->median / batch,
                batch / r->median, gflops, 100.0 * gflops / report->machine.peak_gflops);
    }
    vgg_cli_table_end(&table);
}

/* The time that so many multiply-adds and bytes take at the machine's own rates, whichever is
 * longer. */
static double seconds_at_rates(const vgg_machine *machine, double multiply_adds, size_t bytes) {
    double computing = 2e-9 * multiply_adds / machine->peak_gflops;
    double reading = 1e-9 * (double)bytes / machine->read_gbps;
    return computing > reading ? computing : reading;
}

static double predicted_seconds(const vgg_cli_bench_report *report,
                                const vgg_cli_bench_layer *layer) {
    return seconds_at_rates(&report->machine, layer->cost, layer->bytes);
}

/* How much of its time a layer would need if nothing but its products, or reading its bytes, took
 * any. */
static double share_of_bound(const vgg_cli_bench_report *report, const vgg_cli_bench_layer *layer) {
    return seconds_at_rates(&report->machine, layer->products, layer->bytes) /
           layer->passes[VGG_CLI_FORWARD].seconds;
}

static void print_layers(const vgg_cli_bench_report *report) {
    vgg_cli_table table;
    double total = 0.0, predicted = 0.0;
    for (size_t i = 0; i < report->layer_count; i++) {
        total += report->layers[i].passes[VGG_CLI_FORWARD].seconds;
    }
    putchar('\n');
    vgg_cli_table_begin(&table);
    fprintf(table.rows, "%-14s%-14s%8s%10s%9s%8s%9s%8s\n", "layer", "algorithm", "MB", "predicted",
            "ms", "share", "GFLOP/s", "bound");
    for (size_t i = 0; i < report->layer_count; i++) {
        const vgg_cli_bench_layer *layer = &report->layers[i];
        const vgg_cli_bench_pass *pass = &layer->passes[VGG_CLI_FORWARD];
        predicted += predicted_seconds(report, layer);
        fprintf(table.rows, "%-14s%-14s%8.1f%10.3f%9.3f%6.1f %%",
                layer->name[0] != '\0' ? layer->name : "-", pass->algorithm,
                megabytes(layer->bytes), 1e3 * predicted_seconds(report, layer),
                1e3 * pass->seconds, total > 0.0 ? 100.0 * pass->seconds / total : 0.0);
        if (isfinite(pass->gflops))
            fprintf(table.rows, "%9.1f%6.0f %%", pass->gflops,
                    100.0 * share_of_bound(report, layer));
        fputc('\n', table.rows);
    }
    fprintf(table.rows, "%-36s%10.3f%9.3f  at batch %zu\n", "all", 1e3 * predicted, 1e3 * total,
            report->results[0].batch);
    vgg_cli_table_end(&table);
}

void vgg_cli_bench_text(const vgg_cli_bench_options *options, const vgg_network *network,
                        const vgg_cli_bench_report *report) {
    print_network(options, network);
    print_machine(options, report);
    print_results(report);
    if (report->train)
        vgg_cli_bench_print_training(report);
    else
        print_layers(report);
}

/* ---- JSON ---- */

static json_t *result_json(const vgg_cli_bench_report *report, const vgg_cli_bench_result *r) {
    double gflops = effective_gflops(r), batch = (double)r->batch;
    return json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "batch",
        (json_int_t)r->batch, "ms_median", vgg_cli_json_number(1e3 * r->median), "ms_p25",
        vgg_cli_json_number(1e3 * r->p25), "ms_p75", vgg_cli_json_number(1e3 * r->p75),
        "ms_per_image", vgg_cli_json_number(1e3 * r->median / batch), "images_per_s",
        vgg_cli_json_number(batch / r->median), "gflops", vgg_cli_json_number(gflops),
        "share_of_peak", vgg_cli_json_number(gflops / report->machine.peak_gflops), "runs",
        (json_int_t)r->runs, "plan_mb", vgg_cli_json_number(megabytes(r->plan_bytes)), "rss_mb",
        vgg_cli_json_number(megabytes(r->peak_bytes)), "mapped_mb",
        vgg_cli_json_number(megabytes(r->mapped_bytes)));
}

static json_t *layer_json(const vgg_cli_bench_report *report, const vgg_cli_bench_layer *layer) {
    const vgg_cli_bench_pass *pass = &layer->passes[VGG_CLI_FORWARD];
    bool computes = isfinite(pass->gflops);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                     vgg_cli_json_text(layer->name), "algorithm",
                     vgg_cli_json_text(pass->algorithm), "ms",
                     vgg_cli_json_number(1e3 * pass->seconds), "gflops",
                     vgg_cli_json_number(pass->gflops), "gbps", vgg_cli_json_number(layer->gbps),
                     "mb", vgg_cli_json_number(megabytes(layer->bytes)), "predicted_ms",
                     vgg_cli_json_number(1e3 * predicted_seconds(report, layer)), "share_of_bound",
                     vgg_cli_json_number(computes ? share_of_bound(report, layer) : (double)NAN));
}

bool vgg_cli_bench_json(const vgg_network *network, const vgg_cli_bench_report *report) {
    json_t *results = json_array(), *layers = json_array();
    for (size_t i = 0; i < report->result_count; i++) {
        results = vgg_cli_json_appended(results, result_json(report, &report->results[i]));
    }
    for (size_t i = 0; i < report->layer_count; i++) {
        layers = vgg_cli_json_appended(layers, report->train
                                                   ? vgg_cli_bench_training_json(&report->layers[i])
                                                   : layer_json(report, &report->layers[i]));
    }
    size_t peak = report->results[report->result_count - 1].peak_bytes;
    json_t *object =
        json_pack("{s:o, s:o, s:s, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "arch",
                  vgg_cli_json_text(vgg_network_describe(network)->arch), "tier",
                  vgg_cli_json_text(vgg_cpu_tier()), "device", report->computing.device,
                  "device_name", vgg_cli_json_text(report->computing.name), "precision",
                  report->computing.precision, "threads", (json_int_t)report->threads, "results",
                  results, "peak_gflops", vgg_cli_json_number(report->machine.peak_gflops),
                  "read_gbps", vgg_cli_json_number(report->machine.read_gbps), "rss_mb",
                  vgg_cli_json_number(megabytes(peak)), "layers", layers);
    bool whole = object != NULL;
    if (whole && report->train)
        whole = vgg_cli_bench_add_parts(object, report);
    if (!whole)
        json_decref(object);
    if (!whole || !vgg_cli_json_print(object, true, 0)) {
        vgg_cli_complain("bench", "out of memory while writing JSON");
        return false;
    }
    putchar('\n');
    return true;
}
