/* vgg summary: the layers of an architecture or a model file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/network_source.h"
#include "cli/options.h"
#include "cli/shared_options.h"
#include "cli/summary_table.h"
#include "cli/summary_trunk.h"
#include "vgg/vgg.h"

typedef struct summary_options {
    vgg_cli_network_source source;
    const char *format;
    size_t batch;
    vgg_cli_texts archs, models;
    bool multiply_adds;
} summary_options;

static bool parse(summary_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option network[VGG_CLI_NETWORK_OPTIONS];
    vgg_cli_network_options(&o->source, network);
    for (size_t i = 0; i < VGG_CLI_NETWORK_OPTIONS; i++) {
        if (strcmp(network[i].name, "arch") != 0)
            continue;
        network[i].type = VGG_CLI_TEXTS;
        network[i].value = &o->archs;
        network[i].fallback = o->source.arch;
    }
    const vgg_cli_option more[] = {
        {.type = VGG_CLI_TEXTS,
         .name = "model",
         .argument = "MODEL",
         .value = &o->models,
         .help = "the same as MODEL without the option"},
    };
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_SIZE,
         .name = "batch",
         .argument = "N",
         .value = &o->batch,
         .minimum = 1,
         .maximum = 1e6,
         .help = "a batch size to print in place of -1, and to count in the memory"},
        vgg_cli_format_option(
            &o->format, "text (the table of torchsummary), or json, which also has multiply-adds"),
        {.type = VGG_CLI_FLAG,
         .name = "multiply-adds",
         .value = &o->multiply_adds,
         .help = "a column of the multiply-adds of one input"},
    };
    const vgg_cli_group groups[] = {
        {"NETWORK", network, VGG_CLI_NETWORK_OPTIONS},
        {"MODELS", more, sizeof more / sizeof more[0]},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "summary",
        .summary = "list the layers of a network or a model file",
        .synopsis = "vgg summary [--arch ARCH | MODEL]... [options]",
        .description =
            "Prints a row per layer, with the shape of its output and its parameters, "
            "and the memory that one input takes. Weights of 16 or 8 bits count as they "
            "are stored, and the line Params size then says how many values are of "
            "which type. With MODEL, a model file or builtin, its network is listed; --arch, "
            "--layout and --input then say what the file does not. Several of "
            "--arch and MODEL are printed side by side, in JSON as {\"networks\": "
            "[{\"name\", ...}]}.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples = "vgg summary --arch D\n"
                    "vgg summary --arch E --batch-norm --layout torchvision --format json\n"
                    "vgg summary --arch 32,32,M,64,64,M/256 --input 1x28x28 --classes 10\n"
                    "vgg summary run/best.safetensors\n"
                    "vgg summary --arch A --arch D --multiply-adds",
        .operand = "MODEL",
        .operands_most = VGG_CLI_TEXTS_MOST,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

static int fail(const char *message) {
    vgg_cli_complain("summary", "%s", message);
    return VGG_CLI_FAILURE;
}

static bool is_json(const summary_options *o) {
    return strcmp(o->format, "json") == 0;
}

/* ---- one network ---- */

static int print_summary(const vgg_network *network, const summary_options *o) {
    char *text;
    vgg_error error;
    vgg_status status = is_json(o) ? vgg_network_summary_json(network, o->batch, &text, &error)
                                   : vgg_network_summary(network, o->batch, &text, &error);
    if (status != VGG_OK)
        return fail(error.message);
    if (is_json(o))
        puts(text);
    else
        vgg_cli_print_summary(network, text, o->multiply_adds);
    vgg_string_free(text);
    return VGG_CLI_OK;
}

static int summarise_one(const summary_options *o, const vgg_cli_network_source *given) {
    vgg_cli_network opened;
    vgg_cli_network_source source = *given;
    bool headless = false;
    source.headless = &headless;
    int status = vgg_cli_network_open("summary", &source, &opened);
    /* Of a file without a classifier, which has been noted, the layers that are there. */
    if (headless)
        return vgg_cli_summary_trunk(&source, is_json(o));
    if (status != VGG_CLI_OK)
        return status;
    status = print_summary(opened.network, o);
    vgg_cli_network_close(&opened);
    return status;
}

/* ---- several ---- */

/* What the library's JSON says of a network, under a name. */
static int describe(const summary_options *o, const vgg_network *network, const char *name,
                    json_t **out) {
    char *text;
    vgg_error error;
    if (vgg_network_summary_json(network, o->batch, &text, &error) != VGG_OK)
        return fail(error.message);
    bool short_of_memory = false;
    json_t *summary = vgg_cli_json_read(text, strlen(text), 0, NULL, &short_of_memory);
    json_t *named = json_object();
    vgg_string_free(text);
    bool whole = json_object_set_new(named, "name", vgg_cli_json_text(name)) == 0 &&
                 json_object_update(named, summary) == 0;
    json_decref(summary);
    if (!whole) {
        json_decref(named);
        return fail("out of memory for the summary");
    }
    *out = named;
    return VGG_CLI_OK;
}

static int add_network(const summary_options *o, const vgg_cli_network_source *source,
                       json_t **networks) {
    vgg_cli_network opened;
    json_t *summary = NULL;
    int status = vgg_cli_network_open("summary", source, &opened);
    if (status != VGG_CLI_OK)
        return status;
    const char *name = source->path != NULL ? source->path : source->arch;
    status = describe(o, opened.network, name, &summary);
    vgg_cli_network_close(&opened);
    if (status == VGG_CLI_OK && (*networks = vgg_cli_json_appended(*networks, summary)) == NULL)
        status = fail("out of memory for the summary");
    return status;
}

static int summarise_several(const summary_options *o, const vgg_cli_network_source *sources,
                             size_t count) {
    json_t *networks = json_array();
    int status = VGG_CLI_OK;
    for (size_t i = 0; status == VGG_CLI_OK && i < count; i++) {
        status = add_network(o, &sources[i], &networks);
    }
    if (status == VGG_CLI_OK && is_json(o)) {
        if (!vgg_cli_json_print(json_pack("{s:O}", "networks", networks), true, 0))
            status = fail("out of memory for the summary");
        putchar('\n');
    } else if (status == VGG_CLI_OK) {
        vgg_cli_print_summaries(networks, o->multiply_adds);
    }
    json_decref(networks);
    return status;
}

int vgg_cli_summary(int argc, char **argv) {
    summary_options o = {.format = vgg_cli_formats[0]};
    vgg_cli_network_source sources[VGG_CLI_SUMMARIES_MOST];
    size_t operands, count = 0;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    size_t models = o.models.count + operands;
    /* Of a file its architecture is told, where one is given with it alone. */
    bool told = models == 1 && o.archs.count == 1;
    for (size_t i = 0; i < o.archs.count; i++) {
        sources[count] = o.source;
        sources[count++].arch = o.archs.values[i];
    }
    count = told ? 0 : count;
    const vgg_cli_network_source *base = told ? &sources[0] : &o.source;
    for (size_t i = 0; i < models; i++) {
        vgg_cli_network_source file = *base;
        file.arch_given = told;
        file.path = i < o.models.count ? o.models.values[i] : argv[1 + i - o.models.count];
        sources[count++] = file;
    }
    if (count == 0)
        sources[count++] = o.source;
    return count == 1 ? summarise_one(&o, &sources[0]) : summarise_several(&o, sources, count);
}
