/* Where the time of a training step goes, as text and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_output.h"
#include "cli/clean_text.h"
#include "cli/json.h"
#include "cli/table.h"

static double layer_seconds(const vgg_cli_bench_layer *layer) {
    double seconds = 0.0;
    for (size_t p = 0; p < VGG_CLI_PASSES; p++) {
        seconds += layer->passes[p].seconds;
    }
    return seconds;
}

/* ---- text ---- */

/* How an algorithm differs from the one of the forward pass: what is added, or its letter, which is
 * 2 for the transforms with tiles of 2x2. */
static char letter_of(const vgg_cli_bench_layer *layer, size_t p) {
    const char *forward = layer->passes[VGG_CLI_FORWARD].algorithm;
    const char *algorithm = layer->passes[p].algorithm;
    size_t length = strcspn(forward, "+"); /* a max-pool behind it makes no difference */
    if (p == VGG_CLI_FORWARD)
        return ' ';
    if (strncmp(forward, algorithm, length) != 0)
        return strcmp(algorithm, "winograd2") == 0 ? '2' : algorithm[0];
    return algorithm[length] != '\0' ? algorithm[length] : ' ';
}

static void print_pass(FILE *rows, const vgg_cli_bench_layer *layer, size_t p) {
    const vgg_cli_bench_pass *pass = &layer->passes[p];
    if (pass->algorithm[0] == '\0') {
        fprintf(rows, "%7s%9s", "-", "");
        return;
    }
    fprintf(rows, "%7.2f", 1e3 * pass->seconds);
    if (isfinite(pass->gflops))
        fprintf(rows, "%8.1f%c", pass->gflops, letter_of(layer, p));
    else
        fprintf(rows, "%9s", "");
}

static void print_other(FILE *rows, const char *name, double seconds, double total) {
    fprintf(rows, "%-25s%7.2f%46.1f %%\n", name, 1e3 * seconds, 100.0 * seconds / total);
}

void vgg_cli_bench_print_training(const vgg_cli_bench_report *report) {
    vgg_cli_table table;
    double total = report->packing + report->update, sums[VGG_CLI_PASSES] = {0.0};
    for (size_t i = 0; i < report->layer_count; i++) {
        total += layer_seconds(&report->layers[i]);
        for (size_t p = 0; p < VGG_CLI_PASSES; p++) {
            sums[p] += report->layers[i].passes[p].seconds;
        }
    }
    putchar('\n');
    vgg_cli_table_begin(&table);
    fprintf(table.rows, "%40s%16s%16s\n", "forward", "backward, data", "and weights");
    fprintf(table.rows, "%-13s%-12s%7s%9s%7s%9s%7s%9s%7s\n", "layer", "algorithm", "ms", "GFLOP/s ",
            "ms", "GFLOP/s ", "ms", "GFLOP/s ", "share");
    for (size_t i = 0; i < report->layer_count; i++) {
        const vgg_cli_bench_layer *layer = &report->layers[i];
        fprintf(table.rows, "%-13s%-12s", layer->name[0] != '\0' ? layer->name : "-",
                layer->passes[VGG_CLI_FORWARD].algorithm);
        for (size_t p = 0; p < VGG_CLI_PASSES; p++) {
            print_pass(table.rows, layer, p);
        }
        fprintf(table.rows, "%5.1f %%\n", 100.0 * layer_seconds(layer) / total);
    }
    print_other(table.rows, "packing of weights", report->packing, total);
    print_other(table.rows, "update", report->update, total);
    fprintf(table.rows, "%-25s%7.2f%16.2f%16.2f\n", "all layers", 1e3 * sums[VGG_CLI_FORWARD],
            1e3 * sums[VGG_CLI_BACKWARD_DATA], 1e3 * sums[VGG_CLI_BACKWARD_WEIGHTS]);
    fprintf(table.rows, "%-25s%7.2f  at batch %zu\n", "all", 1e3 * total, report->results[0].batch);
    vgg_cli_table_end(&table);
    vgg_cli_print_line(
        "d, w, 2: directly, by winograd, by winograd2, unlike forward; +: with the update");
}

/* ---- JSON ---- */

static double milliseconds(const vgg_cli_bench_pass *pass) {
    return pass->algorithm[0] != '\0' ? 1e3 * pass->seconds : (double)NAN;
}

static json_t *algorithm_json(const vgg_cli_bench_pass *pass) {
    return pass->algorithm[0] != '\0' ? vgg_cli_json_text(pass->algorithm) : json_null();
}

json_t *vgg_cli_bench_training_json(const vgg_cli_bench_layer *layer) {
    const vgg_cli_bench_pass *forward = &layer->passes[VGG_CLI_FORWARD];
    const vgg_cli_bench_pass *data = &layer->passes[VGG_CLI_BACKWARD_DATA];
    const vgg_cli_bench_pass *weights = &layer->passes[VGG_CLI_BACKWARD_WEIGHTS];
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
        vgg_cli_json_text(layer->name), "algorithm", algorithm_json(forward), "ms",
        vgg_cli_json_number(1e3 * layer_seconds(layer)), "forward_ms",
        vgg_cli_json_number(milliseconds(forward)), "forward_gflops",
        vgg_cli_json_number(forward->gflops), "backward_data_algorithm", algorithm_json(data),
        "backward_data_ms", vgg_cli_json_number(milliseconds(data)), "backward_data_gflops",
        vgg_cli_json_number(data->gflops), "backward_weights_algorithm", algorithm_json(weights),
        "backward_weights_ms", vgg_cli_json_number(milliseconds(weights)),
        "backward_weights_gflops", vgg_cli_json_number(weights->gflops));
}

bool vgg_cli_bench_add_parts(json_t *object, const vgg_cli_bench_report *report) {
    return json_object_set_new(object, "packing_ms", vgg_cli_json_number(1e3 * report->packing)) ==
               0 &&
           json_object_set_new(object, "update_ms", vgg_cli_json_number(1e3 * report->update)) == 0;
}
