/* Names and layouts of arrays that TensorFlow's programs wrote: kernels are (row, column, input,
 * output) and matrices (input, output). */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/numpy/numpy.h"
#include "formats/transpose.h"

#define MODULE_TEXT 64

/* ---- order ---- */

/* As people order names: "conv9" before "conv10". */
static int compare_names(const char *a, const char *b) {
    while (*a != '\0' && *b != '\0') {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            size_t x = strspn(a, "0123456789"), y = strspn(b, "0123456789");
            int order = x != y ? (x > y) - (x < y) : strncmp(a, b, x);
            if (order != 0)
                return order;
            a += x;
            b += y;
            continue;
        }
        if (*a != *b)
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        a++;
        b++;
    }
    return (*a != '\0') - (*b != '\0');
}

static int compare_tensors(const void *a, const void *b) {
    return compare_names(((const vgg_stored_tensor *)a)->name,
                         ((const vgg_stored_tensor *)b)->name);
}

/* ---- names ---- */

/* Other words at the end of a name for a weight and a bias; NULL for none. *length is that of what
 * stands before them. */
static const char *field_of(const char *name, size_t *length) {
    static const struct {
        const char *theirs, *ours;
    } fields[] = {
        {"weights", "weight"}, {"kernel", "weight"}, {"weight", "weight"}, {"W", "weight"},
        {"w", "weight"},       {"biases", "bias"},   {"bias", "bias"},     {"b", "bias"},
    };
    size_t whole = strlen(name);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t tail = strlen(fields[i].theirs);
        if (whole < tail + 2 || strcmp(name + whole - tail, fields[i].theirs) != 0 ||
            strchr("._/", name[whole - tail - 1]) == NULL)
            continue;
        *length = whole - tail - 1;
        return fields[i].ours;
    }
    return NULL;
}

static vgg_status rename_tensor(vgg_stored_tensor *tensor, const char *name, vgg_error *error) {
    char *copy = vgg_text_copy(name);
    if (copy == NULL)
        return vgg_fail_memory(error, "a tensor's name", strlen(name));
    if (tensor->stored_as == NULL)
        tensor->stored_as = tensor->name;
    else
        vgg_free(tensor->name);
    tensor->name = copy;
    return VGG_OK;
}

/* "conv1_1_W" as "conv1_1.weight". */
static vgg_status name_fields(vgg_tensor_source *source, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < source->tensor_count; i++) {
        vgg_stored_tensor *tensor = &source->tensors[i];
        size_t length;
        const char *field = field_of(tensor->name, &length);
        char name[MODULE_TEXT + 16];
        if (field == NULL || length >= MODULE_TEXT)
            continue;
        snprintf(name, sizeof name, "%.*s.%s", (int)length, tensor->name, field);
        if (strcmp(name, tensor->name) != 0)
            status = rename_tensor(tensor, name, error);
    }
    return status;
}

/* ---- layout ---- */

typedef enum kernel_order { ORDER_PYTORCH, ORDER_LAST, ORDER_UNKNOWN } kernel_order;

/* Where rows and columns stand in the kernels: they are as many. */
static kernel_order order_of(const vgg_tensor_source *source) {
    bool last = true, first = true;
    size_t kernels = 0;
    for (size_t i = 0; i < source->tensor_count; i++) {
        const vgg_stored_tensor *t = &source->tensors[i];
        if (t->dimensions != 4)
            continue;
        kernels++;
        last = last && t->shape[0] == t->shape[1] && t->shape[0] < 16;
        first = first && t->shape[2] == t->shape[3] && t->shape[2] < 16;
    }
    if (kernels == 0 || last == first)
        return kernels == 0 || !last ? ORDER_PYTORCH : ORDER_UNKNOWN;
    return last ? ORDER_LAST : ORDER_PYTORCH;
}

static vgg_status turn(vgg_tensor_source *source, vgg_stored_tensor *t, size_t positions,
                       vgg_error *error) {
    size_t *s = t->shape, outputs = s[t->dimensions - 1];
    size_t inputs = t->dimensions == 4 ? s[2] : s[0] / positions;
    if (t->count == 0 || !vgg_element_is_weight(t->type->element))
        return VGG_OK;
    const vgg_kernel_sizes sizes = {
        .positions = positions, .channels = inputs, .outputs = outputs, .item = t->type->bytes};
    vgg_status status = vgg_transpose(source, &sizes, t->bytes, &t->bytes, error);
    if (t->dimensions == 4) {
        size_t rows = s[0], columns = s[1];
        s[0] = outputs;
        s[1] = inputs;
        s[2] = rows;
        s[3] = columns;
    } else {
        s[1] = s[0];
        s[0] = outputs;
    }
    return status;
}

/* Whether another array of that many dimensions takes, or gives, so many values. */
static bool another_has(const vgg_tensor_source *source, const vgg_stored_tensor *one, size_t axis,
                        size_t values) {
    bool found = false;
    for (size_t i = 0; !found && i < source->tensor_count; i++) {
        const vgg_stored_tensor *other = &source->tensors[i];
        found =
            other != one && other->dimensions == one->dimensions && other->shape[axis] == values;
    }
    return found;
}

/* The kernel at the end of a chain, or the matrix at its beginning: the only one that no other
 * follows or precedes, whatever its name; else the last kernel or the first matrix by name. */
static const vgg_stored_tensor *end_of_chain(const vgg_tensor_source *source, size_t dimensions) {
    bool kernels = dimensions == 4;
    const vgg_stored_tensor *alone = NULL, *named = NULL;
    size_t count = 0;
    for (size_t i = 0; i < source->tensor_count; i++) {
        const vgg_stored_tensor *t = &source->tensors[i];
        if (t->dimensions != dimensions)
            continue;
        bool joined = kernels ? another_has(source, t, 2, t->shape[3])
                              : another_has(source, t, 1, t->shape[0]);
        named = named == NULL || kernels ? t : named;
        alone = joined ? alone : t;
        count += !joined;
    }
    return count == 1 ? alone : named;
}

/* The rows of the first matrix are those of a picture: (row, column, channel). */
static vgg_status turn_all(vgg_tensor_source *source, vgg_error *error) {
    const vgg_stored_tensor *kernel = end_of_chain(source, 4), *matrix = end_of_chain(source, 2);
    size_t channels = kernel != NULL ? kernel->shape[3] : 0;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < source->tensor_count; i++) {
        vgg_stored_tensor *t = &source->tensors[i];
        bool picture =
            t == matrix && channels > 0 && t->shape[0] > 0 && t->shape[0] % channels == 0;
        if (t->dimensions == 4)
            status = turn(source, t, t->shape[0] * t->shape[1], error);
        else if (t->dimensions == 2)
            status = turn(source, t, picture ? t->shape[0] / channels : 1, error);
    }
    return status;
}

vgg_status vgg_numpy_arrange(vgg_tensor_source *source, vgg_error *error) {
    qsort(source->tensors, source->tensor_count, sizeof *source->tensors, compare_tensors);
    kernel_order order = order_of(source);
    if (order == ORDER_UNKNOWN)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its kernels may be (output, input, row, column) or (row, column, "
                        "input, output): their shapes do not tell",
                        source->path);
    vgg_status status = order == ORDER_LAST ? turn_all(source, error) : VGG_OK;
    if (status == VGG_OK && order == ORDER_LAST &&
        !vgg_remarks_add(&source->remarks,
                         "kernels are (row, column, input, output), and were turned"))
        status = vgg_fail_memory(error, "a remark", 0);
    return status == VGG_OK ? name_fields(source, error) : status;
}
