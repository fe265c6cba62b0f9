/* vgg search: the pictures of an index that look most like others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/index_update.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/report/found.h"
#include "cli/shared_options.h"
#include "cli/standard_input.h"
#include "cli/unnamed_model.h"
#include "vgg/vgg.h"

typedef struct search_options {
    vgg_cli_model_source source;
    vgg_cli_index_request request;
    const char *format, *page;
    bool overwrite;
    size_t top;
} search_options;

/* One of the pictures that were searched for. */
typedef struct answer {
    vgg_index_match *matches; /* NULL: it could not be read */
    size_t found;
} answer;

static bool parse(search_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_unnamed_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    vgg_cli_option found[VGG_CLI_FOUND_OPTIONS];
    vgg_cli_found_options(&o->page, &o->overwrite, found);
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_SIZE,
         .letter = 'k',
         .name = "top",
         .argument = "K",
         .value = &o->top,
         .minimum = 1,
         .maximum = 1000000,
         .help = "pictures that are listed"},
        vgg_cli_format_option(&o->format, "text, or json: [{\"image\", \"matches\": [{\"image\", "
                                          "\"similarity\"}]}]"),
        found[0],
        found[1],
        vgg_cli_threads_option(&o->request.threads),
        vgg_cli_device_option(&o->request.computing.device),
        vgg_cli_precision_option(&o->request.computing.precision),
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "search",
        .summary = "find the pictures of an index that look most like others",
        .synopsis = "vgg search INDEX IMAGE... [--top K] [--model FILE] [options]",
        .description =
            "Lists for each IMAGE the pictures of INDEX, which vgg index made with the same model, "
            "whose features are most similar to its own: the cosine of the angle between them, 1 "
            "for the same features. - is a picture on standard input. All pictures of INDEX are "
            "compared.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    some pictures could not be read (1 when none could be)",
        .examples = "vgg search photos.index holiday.jpg --top 20 --page found.html",
        .operand = "INDEX or IMAGE",
        .operands_least = 2,
        .operands_most = SIZE_MAX,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

static bool search(const search_options *o, vgg_index *index, const char *path, answer *found) {
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index, &info, NULL);
    size_t top = o->top < info.pictures ? o->top : info.pictures;
    vgg_index_match *matches = calloc(top + 1, sizeof *matches);
    vgg_image image = {0};
    vgg_error error;
    vgg_status status = VGG_ERROR_MEMORY;
    if (matches == NULL)
        vgg_cli_complain("search", "out of memory for %zu matches", top);
    else if ((status = vgg_cli_load_image(path, &image, &error)) != VGG_OK ||
             (status = vgg_index_search_image(index, &image, top, matches, &found->found,
                                              &error)) != VGG_OK)
        vgg_cli_complain("search", "%s", error.message);
    vgg_image_free(&image);
    if (status == VGG_OK)
        found->matches = matches;
    else
        free(matches);
    return status == VGG_OK;
}

/* ---- output ---- */

static void print_text(const char *path, const answer *found, bool first) {
    if (!first)
        putchar('\n');
    vgg_cli_print_line("%s", path);
    for (size_t i = 0; i < found->found; i++) {
        vgg_cli_print_line("  %.4f  %s", found->matches[i].similarity, found->matches[i].name);
    }
}

static bool print_json(const char *path, const answer *found, bool first) {
    json_t *list = json_array();
    for (size_t i = 0; i < found->found; i++) {
        list = vgg_cli_json_appended(
            list, json_pack("{s:o, s:o}", "image", vgg_cli_json_text(found->matches[i].name),
                            "similarity", vgg_cli_json_number(found->matches[i].similarity)));
    }
    json_t *object = json_pack("{s:o, s:o}", "image", vgg_cli_json_text(path), "matches", list);
    fputs(first ? "[\n" : ",\n", stdout);
    if (vgg_cli_json_print(object, true, 2))
        return true;
    vgg_cli_complain("search", "out of memory for the JSON of %s", path);
    return false;
}

static int write_page(const search_options *o, const char *index_path, const vgg_index *index,
                      char **images, const answer *found, size_t count) {
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index, &info, NULL);
    char pictures[VGG_CLI_TEXT_SIZE], note[64];
    const char *const cards[][2] = {{"Pictures", vgg_cli_count_text(pictures, info.pictures)},
                                    {"Layers", info.layers},
                                    {NULL, NULL}};
    vgg_cli_found_page page;
    if (!vgg_cli_found_page_begin(&page, "search", o->page, "Search", index_path, cards))
        return VGG_CLI_FAILURE;
    for (size_t i = 0; i < count; i++) {
        if (found[i].matches == NULL)
            continue;
        vgg_cli_found_list_begin(&page, i + 1, images[i],
                                 "The picture, and those that are most similar to it.");
        if (strcmp(images[i], "-") != 0)
            vgg_cli_found_picture(&page, images[i], "searched for");
        for (size_t m = 0; m < found[i].found; m++) {
            snprintf(note, sizeof note, "%.3f", found[i].matches[m].similarity);
            vgg_cli_found_picture(&page, found[i].matches[m].name, note);
        }
        vgg_cli_found_list_end(&page);
    }
    return vgg_cli_found_page_end(&page);
}

static int run(const search_options *o, const vgg_model *model, const char *index_path,
               char **images, size_t count) {
    vgg_index *index = NULL;
    int status = vgg_cli_index_open(&o->request, model, NULL, &index);
    answer *found = calloc(count, sizeof *found);
    size_t read = 0;
    bool json = o->format[0] == 'j', fine = found != NULL;
    if (!fine && status == VGG_CLI_OK)
        vgg_cli_complain("search", "out of memory for %zu pictures", count);
    for (size_t i = 0; fine && status == VGG_CLI_OK && i < count; i++) {
        if (!search(o, index, images[i], &found[i]))
            continue;
        if (json)
            fine = print_json(images[i], &found[i], read == 0);
        else
            print_text(images[i], &found[i], read == 0);
        read++;
    }
    if (json && found != NULL && status == VGG_CLI_OK)
        puts(read > 0 ? "\n]" : "[]");
    if (fine && status == VGG_CLI_OK && o->page != NULL)
        status = write_page(o, index_path, index, images, found, count);
    for (size_t i = 0; found != NULL && i < count; i++) {
        free(found[i].matches);
    }
    free(found);
    vgg_index_free(index);
    if (status != VGG_CLI_OK || !fine || read == 0)
        return status != VGG_CLI_OK ? status : VGG_CLI_FAILURE;
    return read < count ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

int vgg_cli_search(int argc, char **argv) {
    search_options o = {.request = {.command = "search", .threads = vgg_cli_default_threads()},
                        .format = vgg_cli_formats[0],
                        .top = 10};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    o.request.path = argv[1];
    o.request.batch = 1;
    bool unnamed;
    if (!vgg_cli_unnamed_model_take("search", &o.source, argv[2], &unnamed))
        return VGG_CLI_USAGE;
    status = vgg_cli_computing_settle("search", &o.request.computing, false, false);
    if (status != VGG_CLI_OK)
        return status;
    if (!vgg_cli_found_page_may("search", o.page, o.overwrite))
        return VGG_CLI_FAILURE;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("search", &o.source, &model);
    if (status == VGG_CLI_OK)
        status = run(&o, model, argv[1], argv + 2, operands - 1);
    vgg_model_free(model);
    return status;
}
