/* The files that say what ImageNet's validation pictures are. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/table.h"
#include "vgg/image.h"

/* ---- Kaggle's ---- */

vgg_status vgg_table_read_solution(char *text, size_t size, const char *name, bool allowed,
                                   vgg_table *table, vgg_error *error) {
    (void)allowed;
    table->text = text;
    vgg_csv csv;
    bool more = false;
    vgg_status status = vgg_csv_open(&csv, text, size, name, 2, error);
    while (status == VGG_OK) {
        status = vgg_csv_next(&csv, &more, error);
        if (status != VGG_OK || !more)
            break;
        if (csv.count == 2 && strcasecmp(csv.fields[0], "ImageId") == 0)
            continue;
        char *label = csv.fields[csv.count - 1];
        label += strspn(label, " ");
        if (csv.count != 2 || *label == '\0') {
            status = vgg_csv_fail(&csv, "is not a picture and its class with boxes", error);
            break;
        }
        label[strcspn(label, " ")] = '\0'; /* boxes follow */
        status = vgg_table_add(table,
                               (vgg_row){.picture = csv.fields[0],
                                         .label = label,
                                         .labels = 1,
                                         .part = VGG_PART_VALIDATION,
                                         .line = csv.line},
                               name, error);
    }
    vgg_csv_close(&csv);
    if (status == VGG_OK && table->count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: names no pictures", name);
    return status;
}

/* ---- lists ---- */

#define BLANKS " \t"

/* The next line of a text, which is cut off in place; NULL at the end. */
static char *next_line(char **rest) {
    char *line = *rest;
    if (*line == '\0')
        return NULL;
    size_t length = strcspn(line, "\r\n");
    *rest = line + length + strspn(line + length, "\r");
    *rest += **rest == '\n';
    line[length] = '\0';
    line += strspn(line, BLANKS);
    for (length = strlen(line); length > 0 && strchr(BLANKS, line[length - 1]) != NULL; length--) {
        line[length - 1] = '\0';
    }
    return line;
}

static bool is_number(const char *text) {
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* A picture and its class with blanks between them, or a class alone. */
static vgg_status take_line(vgg_table *table, char *text, size_t line, const char *name,
                            vgg_error *error) {
    char *label = text + strcspn(text, BLANKS);
    char after = *label;
    *label = '\0';
    bool named = after != '\0' && vgg_image_name_is_picture(text);
    *label = after;
    vgg_row row = {.label = text, .labels = 1, .line = line};
    if (named) {
        row.picture = text;
        *label++ = '\0';
        row.label = label + strspn(label, BLANKS);
    }
    if (table->count > 0 && table->unnamed == named)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: line %zu %s a picture, and others do %s",
                        name, line, named ? "names" : "does not name", named ? "not" : "so");
    table->unnamed = !named;
    return vgg_table_add(table, row, name, error);
}

/* Whether all classes are numbers; *zero: one of them is 0. */
static bool all_numbers(const vgg_table *table, bool *zero) {
    bool numbers = table->count > 0;
    *zero = false;
    for (size_t i = 0; numbers && i < table->count; i++) {
        numbers = is_number(table->rows[i].label);
        *zero = *zero || strtoul(table->rows[i].label, NULL, 10) == 0;
    }
    return numbers;
}

vgg_status vgg_table_read_truth(char *text, size_t size, const char *name, bool allowed,
                                vgg_table *table, vgg_error *error) {
    (void)allowed;
    table->text = text;
    vgg_status status = vgg_csv_check(text, size, name, error);
    char *rest = text, *line;
    bool zero;
    for (size_t number = 1; status == VGG_OK && (line = next_line(&rest)) != NULL; number++) {
        if (*line != '\0')
            status = take_line(table, line, number, name, error);
    }
    if (status == VGG_OK && table->count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: says nothing of any picture", name);
    if (status == VGG_OK && all_numbers(table, &zero)) {
        table->from_zero = zero;
        table->from_one = !zero;
    }
    return status;
}

/* ---- the numbers of ILSVRC ---- */

/* Puts the ids of a line "n02119789 1 kit_fox" in their place. */
static bool take_id(char *line, const char **ids, size_t count) {
    char *blank = line + strcspn(line, BLANKS), *end;
    if (*blank == '\0')
        return false;
    *blank++ = '\0';
    unsigned long number = strtoul(blank, &end, 10);
    if (end == blank || number == 0)
        return false;
    if (number <= count)
        ids[number - 1] = line;
    return true;
}

vgg_status vgg_table_name_numbers(vgg_table *table, char *map, size_t size, const char *name,
                                  vgg_error *error) {
    table->names = map;
    unsigned long most = 0;
    for (size_t i = 0; i < table->count; i++) {
        unsigned long number = strtoul(table->rows[i].label, NULL, 10);
        most = number > most ? number : most;
    }
    vgg_status status = vgg_csv_check(map, size, name, error);
    if (status == VGG_OK && most > size)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: names no class %lu", name, most);
    const char **ids = status == VGG_OK ? vgg_calloc(most, sizeof *ids) : NULL;
    if (status == VGG_OK && ids == NULL)
        status = vgg_fail_memory(error, "the names of classes", most * sizeof *ids);
    char *rest = map, *line;
    for (size_t number = 1; status == VGG_OK && (line = next_line(&rest)) != NULL; number++) {
        if (*line != '\0' && !take_id(line, ids, most))
            status = vgg_fail(error, VGG_ERROR_FORMAT,
                              "%s: line %zu is not a WordNet id and its number", name, number);
    }
    for (size_t i = 0; status == VGG_OK && i < table->count; i++) {
        unsigned long number = strtoul(table->rows[i].label, NULL, 10);
        table->rows[i].label = ids[number - 1];
        if (table->rows[i].label == NULL)
            status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: names no class %lu", name, number);
    }
    vgg_free(ids);
    return status;
}
