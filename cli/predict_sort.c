#include "cli/predict_sort.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/clean_text.h"
#include "cli/message.h"
#include "vgg/file.h"

/* Bytes of a class's name that its folder has at most; file systems take 255. */
#define NAME_MOST 200
/* Pictures that could not be put, of which each is named. */
#define NAMED_MOST 20

/* ---- names of folders ---- */

/* A name that a folder can have: without slashes, control characters and dots in front. */
static char *folder_name(const char *label) {
    char *name = malloc(strlen(label) + 2), *out = name;
    if (name == NULL)
        return NULL;
    while (*label != '\0') {
        bool control;
        size_t length = vgg_cli_letter(label, &control);
        if ((size_t)(out - name) + length > NAME_MOST)
            break;
        bool dot = out == name && *label == '.';
        if (control || dot || *label == '/')
            *out++ = '_';
        else
            out = (char *)memcpy(out, label, length) + length;
        label += length;
    }
    if (out == name)
        *out++ = '_';
    *out = '\0';
    return name;
}

static char *name_of(const vgg_model *model, size_t classes, size_t index) {
    const char *const *labels = vgg_model_class_names(model);
    char *name;
    if (index == classes)
        return strdup(VGG_CLI_NONE);
    if (labels != NULL)
        return folder_name(labels[index]);
    return asprintf(&name, "class %zu", index) < 0 ? NULL : name;
}

typedef struct named {
    char **name;
    size_t index;
} named;

/* By names that some file systems take for the same, then by the number of the class. */
static int compare_names(const void *left, const void *right) {
    const named *a = left, *b = right;
    int order = strcasecmp(*a->name, *b->name);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* Of classes whose folders would have the same name, all but the first get their numbers. */
static bool tell_apart(char **names, size_t count) {
    named *sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = (named){&names[i], i};
    }
    qsort(sorted, count, sizeof *sorted, compare_names);
    bool done = true;
    const char *first = count > 0 ? *sorted[0].name : NULL;
    for (size_t i = 1; done && i < count; i++) {
        char **name = sorted[i].name, *longer;
        if (strcasecmp(first, *name) != 0) {
            first = *name;
            continue;
        }
        done = asprintf(&longer, "%s (class %zu)", *name, sorted[i].index) >= 0;
        if (done) {
            free(*name);
            *name = longer;
        }
    }
    free(sorted);
    return done;
}

static bool make_names(vgg_cli_sorting *sorting, const vgg_model *model) {
    sorting->classes = vgg_network_describe(vgg_model_network(model))->classes;
    sorting->names = calloc(sorting->classes + 1, sizeof *sorting->names);
    sorting->counts = calloc(sorting->classes + 1, sizeof *sorting->counts);
    bool made = sorting->names != NULL && sorting->counts != NULL;
    for (size_t i = 0; made && i <= sorting->classes; i++) {
        sorting->names[i] = name_of(model, sorting->classes, i);
        made = sorting->names[i] != NULL;
    }
    return made && tell_apart(sorting->names, sorting->classes + 1);
}

/* ---- sorting ---- */

/* Whether the operand can be sorted there. */
static bool check_operand(const char *folder, const char *operand) {
    struct stat into, from;
    if (strcmp(operand, "-") == 0) {
        vgg_cli_complain("predict",
                         "--sort-into: a picture on standard input has no name to be put "
                         "there under; expected files and folders");
        return false;
    }
    if (stat(folder, &into) != 0 || stat(operand, &from) != 0 || into.st_dev != from.st_dev ||
        into.st_ino != from.st_ino)
        return true;
    vgg_cli_complain("predict",
                     "--sort-into: %s is the folder whose pictures are to be sorted; "
                     "expected another, which may lie in it",
                     folder);
    return false;
}

bool vgg_cli_sorting_begin(vgg_cli_sorting *sorting, const vgg_model *model, char **operands,
                           size_t count) {
    if (sorting->folder == NULL)
        return true;
    for (size_t i = 0; i < count; i++) {
        if (!check_operand(sorting->folder, operands[i]))
            return false;
    }
    struct stat there;
    if (stat(sorting->folder, &there) == 0 && !S_ISDIR(there.st_mode)) {
        vgg_cli_complain("predict", "--sort-into: %s is there already and is not a folder",
                         sorting->folder);
        return false;
    }
    if (make_names(sorting, model))
        return true;
    vgg_cli_complain("predict", "out of memory for the names of folders");
    return false;
}

static bool put(vgg_cli_sorting *sorting, const char *path, size_t index, vgg_error *error) {
    char *folder;
    if (asprintf(&folder, "%s/%s", sorting->folder, sorting->names[index]) < 0) {
        snprintf(error->message, sizeof error->message, "%s: out of memory for its folder's name",
                 path);
        return false;
    }
    bool already = false;
    vgg_status status = vgg_file_put(path, folder, sorting->link ? VGG_PUT_LINK : VGG_PUT_COPY,
                                     &already, NULL, error);
    free(folder);
    sorting->already += already;
    return status == VGG_OK;
}

void vgg_cli_sorting_put(vgg_cli_sorting *sorting, const char *path, size_t index) {
    vgg_error error;
    if (sorting->folder == NULL)
        return;
    if (put(sorting, path, index, &error)) {
        sorting->counts[index]++;
        sorting->done++;
    } else if (++sorting->failed <= NAMED_MOST) {
        bool begins = strncmp(error.message, path, strlen(path)) == 0;
        vgg_cli_complain("predict", "not sorted: %s%s%s", begins ? "" : path, begins ? "" : ": ",
                         error.message);
    }
}

void vgg_cli_sorting_print(const vgg_cli_sorting *sorting, FILE *stream) {
    char name[256], count[VGG_CLI_TEXT_SIZE];
    size_t width = 0;
    if (sorting->failed > 1)
        vgg_cli_complain("predict", "%s pictures could not be put into %s%s",
                         vgg_cli_count_text(count, sorting->failed), sorting->folder,
                         sorting->failed > NAMED_MOST ? "; the first 20 are named above" : "");
    for (size_t i = 0; sorting->names != NULL && i <= sorting->classes; i++) {
        if (sorting->counts[i] > 0 && strlen(sorting->names[i]) > width)
            width = strlen(sorting->names[i]);
    }
    if (width == 0)
        return;
    fprintf(stream, "%s into %s", sorting->link ? "linked" : "copied",
            vgg_cli_clean_text(name, sizeof name, sorting->folder));
    if (sorting->already > 0)
        fprintf(stream, ", %s there before", vgg_cli_count_text(count, sorting->already));
    fputc('\n', stream);
    for (size_t i = 0; i <= sorting->classes; i++) {
        if (sorting->counts[i] > 0)
            fprintf(stream, "  %-*s  %s\n", (int)width, sorting->names[i],
                    vgg_cli_count_text(count, sorting->counts[i]));
    }
}

void vgg_cli_sorting_end(vgg_cli_sorting *sorting) {
    for (size_t i = 0; sorting->names != NULL && i <= sorting->classes; i++) {
        free(sorting->names[i]);
    }
    free(sorting->names);
    free(sorting->counts);
    *sorting = (vgg_cli_sorting){0};
}
