/* vgg bench: how fast a network runs on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/message.h"
#include "cli/shared_options.h"
#include "vgg/vgg.h"

/* Training on one picture is rarely done. */
static void drop_first(vgg_cli_sizes *sizes) {
    sizes->count--;
    memmove(sizes->values, sizes->values + 1, sizes->count * sizeof sizes->values[0]);
}

/* What --help says that --train makes of the batch sizes. */
static void training_batches(vgg_cli_sizes batches, char *text, size_t size) {
    const vgg_cli_option option = {.type = VGG_CLI_SIZES, .value = &batches};
    char buffer[VGG_CLI_VALUE_SIZE];
    drop_first(&batches);
    snprintf(text, size, "with --train %s", vgg_cli_option_text(&option, buffer));
}

static bool parse(vgg_cli_bench_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option network[VGG_CLI_NETWORK_OPTIONS];
    vgg_cli_network_options(&o->source, network);
    char training[VGG_CLI_VALUE_SIZE];
    training_batches(o->batches, training, sizeof training);
    const vgg_cli_option running[] = {
        {.type = VGG_CLI_SIZES,
         .name = "batch",
         .argument = "N,N...",
         .value = &o->batches,
         .given = &o->batches_given,
         .minimum = 1,
         .maximum = 65536,
         .help = "batch sizes to measure, in this order",
         .except = training},
        {.type = VGG_CLI_FLAG,
         .name = "train",
         .value = &o->train,
         .help = "measure training steps: forward, loss, backward and the update of SGD with "
                 "momentum and weight decay, on random labels"},
        {.type = VGG_CLI_SIZE,
         .name = "freeze",
         .argument = "N",
         .value = &o->freeze,
         .minimum = 0,
         .maximum = 1000,
         .help = "with --train, freeze the first N blocks of convolutions: every layer before the "
                 "Nth max-pool, batch normalisation with its running statistics too"},
        vgg_cli_threads_option(&o->threads),
        vgg_cli_exact_option(&o->exact),
        vgg_cli_device_option(&o->computing.device),
        vgg_cli_precision_option(&o->computing.precision),
        {.type = VGG_CLI_NUMBER,
         .name = "seconds",
         .argument = "S",
         .value = &o->seconds,
         .minimum = 0,
         .maximum = 3600,
         .above = true,
         .help = "how long to measure each batch size; at least 5 runs are made, and at most "
                 "10,000"},
        {.type = VGG_CLI_SIZE,
         .name = "runs",
         .argument = "N",
         .value = &o->runs,
         .minimum = 1,
         .maximum = VGG_CLI_BENCH_RUNS_MOST,
         .help = "make exactly so many runs, however long they take, instead of --seconds"},
        vgg_cli_format_option(
            &o->format,
            "text, or json: {\"arch\", \"tier\", \"device\", \"device_name\", \"precision\", "
            "\"threads\", \"results\": "
            "[{\"batch\", "
            "\"ms_median\", \"ms_p25\", \"ms_p75\", \"ms_per_image\", \"images_per_s\", "
            "\"gflops\", \"share_of_peak\", \"runs\", \"plan_mb\", \"rss_mb\", "
            "\"mapped_mb\"}], \"peak_gflops\", \"read_gbps\", \"rss_mb\", \"layers\": "
            "[{\"name\", \"algorithm\", \"ms\", \"gflops\", \"gbps\"}]}, where a rate that a "
            "layer does not have is null. With --train: layers are [{\"name\", \"algorithm\", "
            "\"ms\", \"forward_ms\", \"forward_gflops\", \"backward_data_algorithm\", "
            "\"backward_data_ms\", \"backward_data_gflops\", "
            "\"backward_weights_algorithm\", \"backward_weights_ms\", "
            "\"backward_weights_gflops\"}], null for a pass that a layer does not have; "
            "then follow \"packing_ms\" and \"update_ms\""),
    };
    const vgg_cli_group groups[] = {
        {"NETWORK", network, VGG_CLI_NETWORK_OPTIONS},
        {"RUNNING", running, sizeof running / sizeof running[0]},
    };
    const vgg_cli_usage usage = {
        .command = "bench",
        .summary = "measure how fast a network runs here",
        .synopsis = "vgg bench [--arch ARCH | MODEL] [options]",
        .description =
            "Runs a network on random input and prints, for each batch size, the median and the "
            "quartiles of the milliseconds of a run, after a warm-up; then where the time of the "
            "first batch size goes, layer by layer. With MODEL, a model file or builtin, its "
            "network is run; --arch, --layout and --input then say what the file does not. "
            "Otherwise the "
            "weights are random too, from a fixed seed.\n"
            "GFLOP/s count two operations for each multiply-add of the layers as they are "
            "defined. An algorithm that saves some, as Winograd's does, can therefore exceed the "
            "peak, which is what the processor reaches in registers. The peak and the bandwidth of "
            "reading memory (GB/s) are measured before and after the network, in a process of "
            "their own, and the better figures count.\n"
            "A layer's MB are its weights, input and output. predicted is its time on this machine "
            "by the cost rule that chooses the algorithms. bound is the share of its time that its "
            "algorithm's multiply-adds would take at the peak, or its MB at the bandwidth, "
            "whichever is longer; it is more than 100 % where the MB are in a cache.\n"
            "With --train a run is a training step, and the table shows for each layer the forward "
            "pass and the two halves of the backward pass: the gradient of its input and that of "
            "its weights. Each half has as many multiply-adds as the forward pass. Before its "
            "first layer a forward pass packs the weights, which the step before has changed. The "
            "weights of linear layers are updated while their gradient is computed. Frozen layers, "
            "and what lies below all that is trained, have no backward pass. The weights of a "
            "MODEL change in memory only.\n"
            "Memory is the most that this process has had in RAM: weights, plan, optimiser, input "
            "and program, in MB of 1,048,576 bytes. It never falls from one batch size to the "
            "next. "
            "The part mapped from files, such as the weights of MODEL, is shared with other "
            "processes that map them.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples = "vgg bench --arch D --batch 1 --seconds 2\n"
                    "vgg bench --arch A --input 64 --train --batch 8 --runs 5\n"
                    "vgg bench --arch A --input 64 --train --freeze 4 --batch 8\n"
                    "vgg bench vgg16.safetensors --batch 1,8 --threads 1\n"
                    "vgg bench vgg16.safetensors --exact --format json\n"
                    "vgg bench --arch A --input 64 --precision bf16 --runs 20\n"
                    "vgg bench --arch 32,32,M,64,64,M/256 --input 1x28x28 --runs 100",
        .operand = "MODEL",
        .operands_most = 1,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

static bool draw_weights(vgg_network *network, vgg_cli_progress *progress) {
    vgg_error error;
    vgg_cli_progress_draw(progress, "drawing random weights", 0.0, "");
    vgg_status status = vgg_network_initialise(network, "kaiming", 0, &error);
    vgg_cli_progress_clear(progress);
    if (status != VGG_OK)
        vgg_cli_complain("bench", "%s", error.message);
    return status == VGG_OK;
}

static bool freeze(const vgg_cli_bench_options *o, vgg_network *network) {
    vgg_error error;
    if (o->freeze == 0 || vgg_network_freeze(network, o->freeze, &error) == VGG_OK)
        return true;
    vgg_cli_complain("bench", "--freeze: %s", error.message);
    return false;
}

static int bench(const vgg_cli_bench_options *o, const vgg_cli_network *opened) {
    vgg_cli_progress progress = vgg_cli_progress_on(stderr);
    vgg_cli_bench_report report = {.threads = o->threads > 0 ? o->threads : vgg_threads_default(),
                                   .train = o->train,
                                   .computing = o->computing};
    bool done = vgg_cli_bench_machine(&o->computing, report.threads, &progress, &report.machine) &&
                (opened->model != NULL || draw_weights(opened->network, &progress)) &&
                vgg_cli_bench_network(o, opened->network, &progress, &report) &&
                vgg_cli_bench_machine(&o->computing, report.threads, &progress, &report.machine);
    if (done && strcmp(o->format, "json") == 0)
        done = vgg_cli_bench_json(opened->network, &report);
    else if (done)
        vgg_cli_bench_text(o, opened->network, &report);
    free(report.layers);
    return done ? VGG_CLI_OK : VGG_CLI_FAILURE;
}

int vgg_cli_bench(int argc, char **argv) {
    vgg_cli_bench_options o = {.format = vgg_cli_formats[0],
                               .seconds = 5.0,
                               .threads = vgg_cli_default_threads(),
                               .batches = {3, {1, 8, 32}}};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    if (o.freeze > 0 && !o.train) {
        vgg_cli_complain("bench", "--freeze: expected --train too; without it nothing is trained");
        return VGG_CLI_USAGE;
    }
    status = vgg_cli_computing_settle("bench", &o.computing, o.exact, false);
    if (status != VGG_CLI_OK)
        return status;
    if (operands == 1)
        o.source.path = argv[1];
    if (o.train && !o.batches_given)
        drop_first(&o.batches);
    vgg_cli_network opened;
    status = vgg_cli_network_open("bench", &o.source, &opened);
    if (status != VGG_CLI_OK)
        return status;
    status = freeze(&o, opened.network) ? bench(&o, &opened) : VGG_CLI_USAGE;
    vgg_cli_network_close(&opened);
    return status;
}
