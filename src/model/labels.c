#include "model/labels.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "vgg/model.h"

#define LABELS_FILE_MAX (16u << 20)

bool vgg_labels_copy(vgg_labels *labels, const char *const *names, size_t count) {
    *labels = (vgg_labels){0};
    if (count == 0)
        return true;
    labels->names = vgg_calloc(count, sizeof *labels->names);
    if (labels->names == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        labels->names[i] = vgg_text_copy(names[i]);
        if (labels->names[i] == NULL) {
            vgg_labels_free(labels);
            return false;
        }
        labels->count++;
    }
    return true;
}

void vgg_labels_free(vgg_labels *labels) {
    for (size_t i = 0; i < labels->count; i++) {
        vgg_free(labels->names[i]);
    }
    vgg_free(labels->names);
    *labels = (vgg_labels){0};
}

static vgg_status fail_count(const char *path, size_t found, size_t classes, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "labels %s: has %zu names, expected %zu, one for each class of the model", path,
                    found, classes);
}

/* Cuts the zero-terminated text into lines, in place, and returns their number. */
static size_t cut_lines(char *text, size_t size, const char **lines) {
    size_t count = 0;
    for (char *line = text; line < text + size;) {
        char *end = strchr(line, '\n');
        char *next = end != NULL ? end + 1 : text + size;
        if (end == NULL)
            end = text + size;
        if (end > line && end[-1] == '\r')
            end--;
        *end = '\0';
        lines[count++] = line;
        line = next;
    }
    while (count > 0 && strspn(lines[count - 1], " \t\r") == strlen(lines[count - 1])) {
        count--;
    }
    return count;
}

static vgg_status check_lines(const char *path, const char *const *lines, size_t count,
                              vgg_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (*lines[i] == '\0')
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "labels %s: line %zu is blank, expected a name", path, i + 1);
        if (!vgg_utf8_valid(lines[i]))
            return vgg_fail(error, VGG_ERROR_FORMAT, "labels %s: line %zu is not UTF-8 text", path,
                            i + 1);
    }
    return VGG_OK;
}

/* text has size bytes and a byte more, which is zero. */
static vgg_status read_lines(const char *path, char *text, size_t size, size_t classes,
                             vgg_labels *labels, vgg_error *error) {
    if (strlen(text) != size)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "labels %s: byte %zu is zero, expected a text file", path, strlen(text));
    size_t skip = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    size_t most = 1;
    for (size_t i = 0; i < size; i++) {
        most += text[i] == '\n';
    }
    const char **lines = vgg_calloc(most, sizeof *lines);
    if (lines == NULL)
        return vgg_fail_memory(error, "the lines of the labels", most * sizeof *lines);
    size_t count = cut_lines(text + skip, size - skip, lines);
    vgg_status status = check_lines(path, lines, count, error);
    if (status == VGG_OK && count != classes)
        status = fail_count(path, count, classes, error);
    else if (status == VGG_OK && !vgg_labels_copy(labels, lines, count))
        status = vgg_fail_memory(error, "the class names", size);
    vgg_free(lines);
    return status;
}

vgg_status vgg_labels_read(const char *path, size_t classes, vgg_labels *labels, vgg_error *error) {
    if (strcmp(path, "imagenet") == 0) {
        if (classes != VGG_IMAGENET_CLASSES)
            return fail_count(path, VGG_IMAGENET_CLASSES, classes, error);
        if (!vgg_labels_copy(labels, vgg_imagenet_class_names(), classes))
            return vgg_fail_memory(error, "the class names", classes * sizeof(char *));
        return VGG_OK;
    }
    unsigned char *bytes;
    size_t size;
    vgg_status status = vgg_file_read(path, LABELS_FILE_MAX, &bytes, &size, error);
    if (status != VGG_OK) {
        vgg_error_prefix(error, "labels");
        return status;
    }
    vgg_text text = {0};
    vgg_text_add_bytes(&text, (const char *)bytes, size);
    vgg_free(bytes);
    char *copy = vgg_text_take(&text);
    if (copy == NULL)
        return vgg_fail_memory(error, path, size);
    status = read_lines(path, copy, size, classes, labels, error);
    vgg_free(copy);
    return status;
}
