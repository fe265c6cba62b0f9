/* An inspection for people, as wide as their terminal, or at most 100 columns. */
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/convert_int8.h"
#include "cli/inspect.h"
#include "cli/message.h"
#include "cli/model_facts.h"
#include "cli/terminal.h"
#include "cli/wrap.h"

#define WIDTH 100
#define LINE (WIDTH + 1)
/* Where the facts stand behind their titles, and the messages behind the kinds of problem. */
#define FACT_COLUMN 10
#define PROBLEM_COLUMN 14
/* Of one kind; a file of another network may have hundreds. */
#define PROBLEMS_SHOWN 20
/* Names and dtypes of others may be long. */
#define NAME_SIZE 512

/* ---- facts ---- */

/* What is known of the network, and how, line by line. */
static void print_facts(const vgg_inspection *inspection) {
    const vgg_inspected_fact *fact;
    for (size_t i = 0; (fact = vgg_inspection_fact(inspection, i)) != NULL; i++) {
        char line[2 * LINE], value[LINE];
        snprintf(line, sizeof line, "%-16s %s: %.100s", fact->fact, vgg_origin_name(fact->origin),
                 vgg_cli_clean_text(value, sizeof value, fact->value));
        printf("%-*s", FACT_COLUMN, i == 0 ? "known" : "");
        vgg_cli_print_wrapped(line, FACT_COLUMN, FACT_COLUMN + 2);
    }
}

static void print_network(const vgg_inspected_file *file) {
    static const char *const origins[] = {
        [VGG_ORIGIN_TOLD] = "as told",
        [VGG_ORIGIN_FILE] = "as the file says",
        [VGG_ORIGIN_GRAPH] = "from the file's graph",
        [VGG_ORIGIN_SHAPES] = "read off names and shapes",
        [VGG_ORIGIN_SIZE] = "by the number of values, which are those of this network",
    };
    if (file->network != NULL) {
        vgg_cli_print_network(file->network);
        vgg_cli_print_line("%*s%s", FACT_COLUMN, "", origins[file->network_origin]);
        return;
    }
    char reason[VGG_ERROR_TEXT];
    printf("network   ");
    vgg_cli_clean_text(reason, sizeof reason, file->network_reason);
    char line[VGG_ERROR_TEXT + 32];
    snprintf(line, sizeof line, "none recognised: %s", reason);
    vgg_cli_print_wrapped(line, FACT_COLUMN, FACT_COLUMN);
}

/* Whether a tensor before this one has its type. */
static bool is_known_type(const vgg_inspection *inspection, size_t tensor) {
    const char *type = vgg_inspection_tensor(inspection, tensor)->dtype;
    for (size_t i = 0; i < tensor; i++) {
        if (strcmp(vgg_inspection_tensor(inspection, i)->dtype, type) == 0)
            return true;
    }
    return false;
}

static void print_weights(const vgg_inspection *inspection, const vgg_inspected_file *file) {
    char values[VGG_CLI_TEXT_SIZE], tensors[VGG_CLI_TEXT_SIZE], line[2 * NAME_SIZE];
    size_t used = (size_t)snprintf(line, sizeof line, "weights   %s values in %s tensors",
                                   vgg_cli_count_text(values, file->values),
                                   vgg_cli_count_text(tensors, file->tensors));
    for (size_t i = 0; i < file->tensors && used < sizeof line; i++) {
        if (!is_known_type(inspection, i))
            used += (size_t)snprintf(line + used, sizeof line - used, ", %s",
                                     vgg_inspection_tensor(inspection, i)->dtype);
    }
    vgg_cli_print_line("%s", line);
}

static void print_classes(const vgg_inspected_file *file) {
    if (file->class_names == NULL) {
        printf("classes   no names: --labels gives them\n");
        return;
    }
    char line[LINE], list[4 * LINE];
    int used = snprintf(list, sizeof list, "classes   %zu names: ", file->class_count);
    for (size_t i = 0; i < file->class_count && used < WIDTH; i++) {
        used += snprintf(list + used, sizeof list - (size_t)used, "%s%.*s", i == 0 ? "" : ", ",
                         WIDTH, file->class_names[i]);
    }
    vgg_cli_print_line("%s", vgg_cli_clean_text(line, sizeof line, list));
}

static const char *softmax_text(const vgg_inspected_file *file) {
    if (file->graph_refused)
        return "not known: the file's graph was refused";
    if (!file->graph)
        return "not said: the file has no graph; its outputs are taken for logits";
    return file->softmax
               ? "the file's graph ends in one; the network here ends before it, in logits"
               : "none: the file's graph ends in logits";
}

static void print_remarks(const vgg_inspection *inspection) {
    const char *remark;
    for (size_t i = 0; (remark = vgg_inspection_remark(inspection, i)) != NULL; i++) {
        char line[VGG_ERROR_TEXT];
        vgg_cli_clean_text(line, sizeof line, remark);
        printf("%-10s", i == 0 ? "remarks" : "");
        vgg_cli_print_wrapped(line, FACT_COLUMN, FACT_COLUMN);
    }
}

static void print_notes(const vgg_inspection *inspection) {
    const char *key, *value, *title = "notes";
    for (size_t i = 0; vgg_inspection_note(inspection, i, &key, &value); i++) {
        if (strcmp(key, "format") == 0 || strncmp(key, "vgg.", 4) == 0)
            continue;
        char line[LINE], whole[3 * LINE];
        snprintf(whole, sizeof whole, "%-10s%.*s = %.*s", title, WIDTH, key, WIDTH, value);
        vgg_cli_print_line("%s", vgg_cli_clean_text(line, sizeof line, whole));
        title = "";
    }
}

/* ---- tensors ---- */

/* The widths of the columns, with the two blanks behind each. */
typedef struct columns {
    size_t stored, name, type, shape;
    bool named; /* torchvision's names are shown: in their column, or behind those of the file */
} columns;

#define FIGURES 4
#define FIGURE_WIDTH 10 /* "-1.23e-05" and a blank */

static const char *shape_text(char buffer[NAME_SIZE], const vgg_inspected_tensor *tensor) {
    size_t used = 0;
    snprintf(buffer, NAME_SIZE, "scalar");
    for (size_t i = 0; i < tensor->dimensions; i++) {
        used += (size_t)snprintf(buffer + used, NAME_SIZE - used, "%s%zu", i == 0 ? "" : "x",
                                 tensor->shape[i]);
    }
    return buffer;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* The column of torchvision's names is there when one is another than in the file. */
static columns measure(const vgg_inspection *inspection) {
    columns c = {.stored = strlen("tensor"), .type = strlen("dtype"), .shape = strlen("shape")};
    const vgg_inspected_tensor *tensor;
    bool renamed = false;
    for (size_t i = 0; (tensor = vgg_inspection_tensor(inspection, i)) != NULL; i++) {
        char shape[NAME_SIZE];
        c.stored = larger(c.stored, strlen(tensor->stored_name));
        c.type = larger(c.type, strlen(tensor->dtype));
        c.shape = larger(c.shape, strlen(shape_text(shape, tensor)));
        if (tensor->name == NULL)
            continue;
        c.name = larger(c.name, strlen(tensor->name));
        renamed |= strcmp(tensor->name, tensor->stored_name) != 0;
    }
    c.name = renamed ? larger(c.name, strlen("torchvision")) + 2 : 0;
    c.stored += 2;
    c.type += 2;
    c.shape += 1;
    c.named = renamed;
    size_t width = vgg_cli_is_screen(stdout) ? vgg_cli_terminal_width(stdout) : WIDTH;
    size_t figures = c.type + c.shape + FIGURES * FIGURE_WIDTH;
    size_t left = c.name + figures < width ? width - c.name - figures : 0;
    if (c.stored <= left)
        return c;
    c.stored = larger(left, strlen("tensor") + 2);
    if (vgg_cli_is_screen(stdout) && c.stored > left) {
        /* All names stand on lines of their own. */
        c.name = 0;
        c.stored = figures < width ? 1 : 0;
    }
    return c;
}

/* A name that is too long for its column has a line to itself. */
static void print_names(const columns *c, const char *stored, const char *name) {
    bool behind = c->named && c->name == 0;
    if (strlen(stored) + 2 > c->stored)
        printf("%s%s%s\n%*s", stored, behind ? "  " : "", behind ? name : "", (int)c->stored, "");
    else
        printf("%-*s", (int)c->stored, stored);
    if (c->name > 0)
        printf("%-*s", (int)c->name, name);
}

static void print_tensor(const columns *c, const vgg_inspected_tensor *tensor) {
    char shape[NAME_SIZE], type[NAME_SIZE], stored[NAME_SIZE];
    vgg_cli_clean_text(stored, sizeof stored, tensor->stored_name);
    print_names(c, stored, tensor->name != NULL ? tensor->name : "-");
    printf("%-*s%-*s", (int)c->type, vgg_cli_clean_text(type, sizeof type, tensor->dtype),
           (int)c->shape, shape_text(shape, tensor));
    const double figures[FIGURES] = {tensor->least, tensor->most, tensor->mean, tensor->rms};
    for (size_t i = 0; i < FIGURES; i++) {
        char text[VGG_CLI_TEXT_SIZE] = "-";
        if (tensor->measured && figures[i] == figures[i])
            snprintf(text, sizeof text, "%.3g", figures[i]);
        printf("%*s", FIGURE_WIDTH, text);
    }
    putchar('\n');
}

static void print_tensors(const vgg_inspection *inspection) {
    columns c = measure(inspection);
    const vgg_inspected_tensor *tensor;
    if (vgg_inspection_tensor(inspection, 0) == NULL)
        return;
    putchar('\n');
    print_names(&c, "tensor", "torchvision");
    printf("%-*s%-*s%*s%*s%*s%*s\n", (int)c.type, "dtype", (int)c.shape, "shape", FIGURE_WIDTH,
           "min", FIGURE_WIDTH, "max", FIGURE_WIDTH, "mean", FIGURE_WIDTH, "rms");
    for (size_t i = 0; (tensor = vgg_inspection_tensor(inspection, i)) != NULL; i++) {
        print_tensor(&c, tensor);
    }
}

/* ---- problems ---- */

static void print_problem(const vgg_problem *problem) {
    char message[VGG_ERROR_TEXT];
    printf("  %-*s", PROBLEM_COLUMN - 2, vgg_problem_name(problem->kind));
    vgg_cli_clean_text(message, sizeof message, problem->message);
    vgg_cli_print_wrapped(message, PROBLEM_COLUMN, PROBLEM_COLUMN);
}

static void print_more(vgg_problem_kind kind, size_t seen) {
    if (seen > PROBLEMS_SHOWN)
        vgg_cli_print_line("  %-*sand %zu more, which --format json lists", PROBLEM_COLUMN - 2,
                           vgg_problem_name(kind), seen - PROBLEMS_SHOWN);
}

static void print_problems(const vgg_inspection *inspection) {
    size_t count = vgg_inspection_problem_count(inspection);
    if (count == 0) {
        printf("\nproblems  none\n");
        return;
    }
    printf("\n%sproblems  %zu%s\n", vgg_cli_accent(stdout), count, vgg_cli_accent_end(stdout));
    for (vgg_problem_kind kind = VGG_PROBLEM_NETWORK; kind <= VGG_PROBLEM_SCALE; kind++) {
        const vgg_problem *problem;
        size_t seen = 0;
        for (size_t i = 0; (problem = vgg_inspection_problem(inspection, i)) != NULL; i++) {
            if (problem->kind == kind && seen++ < PROBLEMS_SHOWN)
                print_problem(problem);
        }
        print_more(kind, seen);
    }
}

/* What logits are divided by, when the file says so. */
static void print_temperature(const vgg_inspection *inspection) {
    const char *key, *value;
    for (size_t i = 0; vgg_inspection_note(inspection, i, &key, &value); i++) {
        char text[LINE];
        if (strcmp(key, "vgg.temperature") == 0)
            printf("temperature %s, by which logits are divided\n",
                   vgg_cli_clean_text(text, sizeof text, value));
    }
}

void vgg_cli_inspect_text(const char *path, const vgg_inspection *inspection) {
    const vgg_inspected_file *file = vgg_inspection_file(inspection);
    char bytes[VGG_CLI_TEXT_SIZE];
    vgg_cli_print_line("%s (%s, %s bytes)", path, file->format,
                       vgg_cli_count_text(bytes, file->bytes));
    print_network(file);
    print_facts(inspection);
    print_weights(inspection, file);
    vgg_cli_print_pictures(file->preprocess, file->preprocess_origin, file->format);
    if (file->preprocess != NULL)
        vgg_cli_print_manner(file->preprocess);
    print_classes(file);
    if (vgg_inspection_network(inspection) != NULL)
        vgg_cli_print_int8(vgg_inspection_network(inspection));
    vgg_cli_print_line("softmax   %s", softmax_text(file));
    print_temperature(inspection);
    print_remarks(inspection);
    print_notes(inspection);
    print_tensors(inspection);
    print_problems(inspection);
}
