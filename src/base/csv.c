#include "base/csv.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

vgg_status vgg_csv_check(const char *text, size_t size, const char *name, vgg_error *error) {
    size_t length = strlen(text);
    if (length == size)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: byte %zu is 0; expected text in UTF-8", name,
                    length);
}

vgg_status vgg_csv_open(vgg_csv *csv, char *text, size_t size, const char *name, size_t most,
                        vgg_error *error) {
    *csv = (vgg_csv){.name = name, .at = text, .most = most, .next_line = 1};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        csv->at += 3;
    return vgg_csv_check(text, size, name, error);
}

void vgg_csv_close(vgg_csv *csv) {
    vgg_free(csv->fields);
    *csv = (vgg_csv){0};
}

vgg_status vgg_csv_fail(const vgg_csv *csv, const char *what, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: line %zu %s", csv->name, csv->line, what);
}

/* A field in quotes, whose doubled quotes become one, in place; csv->at is behind the first. */
static vgg_status read_quoted(vgg_csv *csv, vgg_error *error) {
    char *to = csv->at;
    csv->fields[csv->count++] = to;
    for (;; csv->at++) {
        if (*csv->at == '\0')
            return vgg_csv_fail(csv, "begins a field in quotes that does not end", error);
        if (*csv->at == '"' && csv->at[1] != '"')
            break;
        csv->at += *csv->at == '"';
        csv->next_line += *csv->at == '\n';
        *to++ = *csv->at;
    }
    csv->at++;
    bool ends = *csv->at == '\0' || strchr(",\r\n", *csv->at) != NULL;
    *to = '\0';
    return ends ? VGG_OK : vgg_csv_fail(csv, "goes on behind the quotes of a field", error);
}

static vgg_status make_room(vgg_csv *csv, vgg_error *error) {
    if (csv->count == csv->most)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: line %zu has more than %zu fields", csv->name,
                        csv->line, csv->most);
    if (csv->count < csv->capacity)
        return VGG_OK;
    size_t wanted = vgg_size_max(2 * csv->capacity, 16);
    char **larger = vgg_realloc(csv->fields, wanted * sizeof *larger);
    if (larger == NULL)
        return vgg_fail_memory(error, csv->name, wanted * sizeof *larger);
    csv->fields = larger;
    csv->capacity = wanted;
    return VGG_OK;
}

static vgg_status read_field(vgg_csv *csv, vgg_error *error) {
    vgg_status status = make_room(csv, error);
    if (status != VGG_OK)
        return status;
    if (*csv->at == '"') {
        csv->at++;
        return read_quoted(csv, error);
    }
    csv->fields[csv->count++] = csv->at;
    csv->at += strcspn(csv->at, ",\r\n");
    return VGG_OK;
}

/* The fields of the next line, which end where csv->at then is: *more is false at the end. */
static vgg_status read_line(vgg_csv *csv, bool *more, vgg_error *error) {
    csv->count = 0;
    csv->line = csv->next_line;
    *more = *csv->at != '\0';
    for (bool in_line = *more; in_line;) {
        vgg_status status = read_field(csv, error);
        if (status != VGG_OK)
            return status;
        char end = *csv->at;
        in_line = end == ',';
        *csv->at = '\0';
        csv->at += end != '\0';
        if (end == '\r' && *csv->at == '\n')
            csv->at++;
        csv->next_line += end == '\r' || end == '\n';
    }
    return VGG_OK;
}

vgg_status vgg_csv_next(vgg_csv *csv, bool *more, vgg_error *error) {
    for (;;) {
        vgg_status status = read_line(csv, more, error);
        bool blank = csv->count == 1 && csv->fields[0][0] == '\0';
        if (status != VGG_OK || !*more || !blank)
            return status;
    }
}

void vgg_csv_add(vgg_text *text, const char *field) {
    if (field[strcspn(field, ",\"\r\n")] == '\0' && field[0] != '\0') {
        vgg_text_add_bytes(text, field, strlen(field));
        return;
    }
    vgg_text_add_bytes(text, "\"", 1);
    for (; *field != '\0'; field++) {
        vgg_text_add_bytes(text, "\"\"", *field == '"' ? 2 : 0);
        if (*field != '"')
            vgg_text_add_bytes(text, field, 1);
    }
    vgg_text_add_bytes(text, "\"", 1);
}
