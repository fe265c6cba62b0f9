#include "model/module_names.h"

#include <ctype.h>
#include <string.h>

#include "nn/network.h"

static const struct {
    const char *ending;
    size_t role;
} roles[] = {
    {"num_batches_tracked", VGG_ROLE_COUNTER},
    {"running_mean", VGG_TENSOR_MEAN},
    {"running_var", VGG_TENSOR_VARIANCE},
    {"moving_mean", VGG_TENSOR_MEAN},
    {"moving_variance", VGG_TENSOR_VARIANCE},
    {"moving_var", VGG_TENSOR_VARIANCE},
    {"weight", VGG_TENSOR_WEIGHT},
    {"weights", VGG_TENSOR_WEIGHT},
    {"kernel", VGG_TENSOR_WEIGHT},
    {"gamma", VGG_TENSOR_WEIGHT},
    {"bias", VGG_TENSOR_BIAS},
    {"biases", VGG_TENSOR_BIAS},
    {"beta", VGG_TENSOR_BIAS},
    {"mean", VGG_TENSOR_MEAN},
    {"variance", VGG_TENSOR_VARIANCE},
    {"var", VGG_TENSOR_VARIANCE},
    {"W", VGG_TENSOR_WEIGHT},
    {"w", VGG_TENSOR_WEIGHT},
    {"b", VGG_TENSOR_BIAS},
};

static bool is_separator(char c) {
    return c == '.' || c == '/' || c == '_';
}

/* Without the ":0" and "_0" that TensorFlow and Caffe2 put behind names. */
static size_t trimmed_length(const char *name) {
    size_t length = strlen(name);
    bool trailing = length > 2 && name[length - 1] == '0' &&
                    (name[length - 2] == ':' || name[length - 2] == '_');
    return trailing ? length - 2 : length;
}

size_t vgg_role_of(const char *name, size_t *module_length) {
    size_t length = trimmed_length(name);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        size_t tail = strlen(roles[i].ending);
        if (length < tail || memcmp(name + length - tail, roles[i].ending, tail) != 0)
            continue;
        if (length > tail && !is_separator(name[length - tail - 1]))
            continue;
        *module_length = length > tail ? length - tail - 1 : 0;
        return roles[i].role;
    }
    *module_length = strlen(name);
    return VGG_ROLE_NONE;
}

bool vgg_name_number(const char *name, size_t length, size_t *number, size_t *before) {
    size_t digits = 0;
    while (digits < length && isdigit((unsigned char)name[length - 1 - digits])) {
        digits++;
    }
    if (digits == 0 || digits > 6)
        return false;
    *before = length - digits;
    *number = 0;
    for (size_t i = *before; i < length; i++) {
        *number = 10 * *number + (size_t)(name[i] - '0');
    }
    return true;
}

static size_t digits_at(const char *text, size_t length) {
    size_t digits = 0;
    while (digits < length && isdigit((unsigned char)text[digits])) {
        digits++;
    }
    return digits;
}

int vgg_name_compare(const char *a, size_t a_length, const char *b, size_t b_length) {
    while (a_length > 0 && b_length > 0) {
        size_t i = digits_at(a, a_length), j = digits_at(b, b_length);
        if (i != j && i > 0 && j > 0)
            return i < j ? -1 : 1;
        size_t step = i > 0 && i == j ? i : 1;
        int order = memcmp(a, b, step);
        if (order != 0)
            return order;
        a += step;
        b += step;
        a_length -= step;
        b_length -= step;
    }
    return (a_length > 0) - (b_length > 0);
}

size_t vgg_name_block(const char *name, size_t length) {
    size_t number, before;
    const char *point = NULL;
    for (size_t i = 0; i < length; i++) {
        point = name[i] == '.' ? name + i : point;
    }
    if (!vgg_name_number(name, length, &number, &before))
        return point != NULL ? (size_t)(point - name) : 0;
    if (before > 0 && name[before - 1] == '.')
        return before - 1;
    /* Another number before it: "conv3_1", "block3_conv1". */
    size_t from = point != NULL ? (size_t)(point - name) + 1 : 0;
    for (size_t i = from; i < before; i++) {
        if (isdigit((unsigned char)name[i]))
            return before;
    }
    return from > 0 ? from - 1 : 0;
}
