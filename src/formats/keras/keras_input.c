/* What Keras models do with their input before the first convolution: Rescaling and Normalization
 * layers, and the arithmetic that `preprocess_input` leaves in a model that calls it. All of it
 * becomes part of the preprocessing. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "formats/keras/keras.h"

/* Rows of a picture have the channels last. */
#define CHANNELS 3

/* ---- numbers ---- */

/* One number for each channel, from a number or from lists of lists that hold one or three. */
static bool read_numbers(const json_t *value, double numbers[CHANNELS]) {
    while (json_array_size(value) == 1) {
        value = json_array_get(value, 0);
    }
    bool list = json_array_size(value) == CHANNELS;
    for (size_t c = 0; c < CHANNELS; c++) {
        const json_t *number = list ? json_array_get(value, c) : value;
        if (!json_is_number(number))
            return false;
        numbers[c] = json_number_value(number);
        if (!isfinite(numbers[c]))
            return false;
    }
    return true;
}

static vgg_graph_input *input_of(vgg_keras *k) {
    vgg_graph_input *input = &k->source->graph.input;
    for (size_t c = 0; !input->present && c < CHANNELS; c++) {
        input->factor[c] = 1;
    }
    input->present = true;
    return input;
}

/* value * factor + offset, behind what there is already. */
static void apply(vgg_keras *k, const double factor[CHANNELS], const double offset[CHANNELS]) {
    vgg_graph_input *input = input_of(k);
    for (size_t c = 0; c < CHANNELS; c++) {
        input->factor[c] *= factor[c];
        input->offset[c] = input->offset[c] * factor[c] + offset[c];
    }
}

static void turn_round(vgg_keras *k) {
    vgg_graph_input *input = input_of(k);
    double factor = input->factor[0], offset = input->offset[0];
    input->factor[0] = input->factor[2];
    input->offset[0] = input->offset[2];
    input->factor[2] = factor;
    input->offset[2] = offset;
    input->bgr = !input->bgr;
}

/* ---- layers ---- */

static void rescale(vgg_keras *k, const json_t *config, char what[VGG_KERAS_WHAT]) {
    double factor[CHANNELS], offset[CHANNELS] = {0, 0, 0};
    const json_t *shift = json_object_get(config, "offset");
    if (!read_numbers(json_object_get(config, "scale"), factor) ||
        (shift != NULL && !read_numbers(shift, offset)))
        snprintf(what, VGG_KERAS_WHAT, "has no scale and offset that are numbers");
    else
        apply(k, factor, offset);
}

static bool apply_figures(vgg_keras *k, const double mean[CHANNELS],
                          const double variance[CHANNELS]) {
    double factor[CHANNELS], offset[CHANNELS];
    for (size_t c = 0; c < CHANNELS; c++) {
        /* Keras divides by no less than its epsilon. */
        double deviation = fmax(sqrt(variance[c]), 1e-7);
        if (!isfinite(deviation) || !isfinite(mean[c]) || variance[c] < 0)
            return false;
        factor[c] = 1 / deviation;
        offset[c] = -mean[c] / deviation;
    }
    apply(k, factor, offset);
    return true;
}

static void normalise(vgg_keras *k, const json_t *config, char what[VGG_KERAS_WHAT]) {
    const json_t *mean = json_object_get(config, "mean");
    const json_t *axis = json_object_get(config, "axis");
    const json_t *one = json_array_size(axis) == 1 ? json_array_get(axis, 0) : axis;
    double means[CHANNELS], variances[CHANNELS];
    if (json_is_true(json_object_get(config, "invert")))
        snprintf(what, VGG_KERAS_WHAT, "inverts a normalisation");
    else if (one != NULL && !json_is_null(one) && json_integer_value(one) != -1 &&
             json_integer_value(one) != CHANNELS)
        snprintf(what, VGG_KERAS_WHAT, "is over another axis than the channels, the last one");
    else if (mean != NULL && !json_is_null(mean) &&
             !(read_numbers(mean, means) &&
               read_numbers(json_object_get(config, "variance"), variances) &&
               apply_figures(k, means, variances)))
        snprintf(what, VGG_KERAS_WHAT, "has no mean and variance for each channel");
}

vgg_status vgg_keras_normalise(vgg_keras *k, const vgg_keras_layer *layer, vgg_error *error) {
    double figures[2][CHANNELS];
    for (size_t i = 0; i < 2; i++) {
        const vgg_hdf5_array *array =
            &layer->tensors[i == 0 ? VGG_KERAS_MEAN : VGG_KERAS_VARIANCE]->array;
        float values[CHANNELS];
        if (array->count != CHANNELS && array->count != 1)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: its layer \"%.80s\" has %zu figures, expected one for each "
                            "channel",
                            k->source->path, layer->name, array->count);
        vgg_elements_to_float(array->type->element, array->bytes, array->count, values);
        for (size_t c = 0; c < CHANNELS; c++) {
            figures[i][c] = (double)values[array->count == CHANNELS ? c : 0];
        }
    }
    if (apply_figures(k, figures[0], figures[1]))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: the figures of its layer \"%.80s\" are no means and variances",
                    k->source->path, layer->name);
}

/* ---- arithmetic ---- */

/* Looks for the first thing of a kind in nested lists and objects. */
static const json_t *find_constant(const json_t *value, size_t depth) {
    const json_t *found = NULL, *inner;
    if (depth == 0)
        return NULL;
    const char *type = json_string_value(json_object_get(value, "class_name"));
    if (type != NULL && strcmp(type, "__tensor__") == 0)
        return json_object_get(json_object_get(value, "config"), "value");
    if (type != NULL && strcmp(type, "__keras_tensor__") == 0)
        return NULL;
    const char *const names[] = {"bias", "y", "value"};
    for (size_t i = 0; found == NULL && i < 3; i++) {
        inner = json_object_get(value, names[i]);
        double numbers[CHANNELS];
        found = inner != NULL && read_numbers(inner, numbers) ? inner : NULL;
    }
    for (size_t i = 0; found == NULL && i < json_array_size(value); i++) {
        found = find_constant(json_array_get(value, i), depth - 1);
    }
    const char *const parts[] = {"args", "kwargs"};
    for (size_t i = 0; found == NULL && i < 2; i++) {
        found = find_constant(json_object_get(value, parts[i]), depth - 1);
    }
    /* Plain arguments of an operation. */
    for (size_t i = 0; found == NULL && i < json_array_size(value); i++) {
        inner = json_array_get(value, i);
        found = json_is_real(inner) ? inner : NULL;
    }
    return found;
}

/* Whether the constant is what something is subtracted from or divided by: 1 - x in place of x - 1.
 * Keras 3 lists the arguments, Keras 2 begins such a call with a word. */
static bool is_turned(const char *operation, const json_t *calls) {
    if (strcmp(operation, "add") == 0 || strcmp(operation, "multiply") == 0)
        return false;
    const json_t *call = json_array_get(calls, 0);
    if (json_is_object(call)) {
        const json_t *first = json_array_get(json_object_get(call, "args"), 0);
        const char *type = json_string_value(json_object_get(first, "class_name"));
        return type == NULL || strcmp(type, "__keras_tensor__") != 0;
    }
    while (json_is_array(call)) {
        call = json_array_get(call, 0);
    }
    const char *word = json_string_value(call);
    return word != NULL && strcmp(word, "_CONSTANT_VALUE") == 0;
}

static void calculate(vgg_keras *k, const char *operation, const json_t *calls,
                      char what[VGG_KERAS_WHAT]) {
    double numbers[CHANNELS], factor[CHANNELS] = {1, 1, 1}, offset[CHANNELS] = {0, 0, 0};
    const json_t *constant = find_constant(calls, 8);
    if (is_turned(operation, calls)) {
        snprintf(what, VGG_KERAS_WHAT, "has its input on the right side, expected the left one");
        return;
    }
    if (constant == NULL || !read_numbers(constant, numbers)) {
        snprintf(what, VGG_KERAS_WHAT, "takes no constant for each channel");
        return;
    }
    for (size_t c = 0; c < CHANNELS; c++) {
        if (strcmp(operation, "add") == 0)
            offset[c] = numbers[c];
        else if (strcmp(operation, "subtract") == 0)
            offset[c] = -numbers[c];
        else if (strcmp(operation, "multiply") == 0)
            factor[c] = numbers[c];
        else
            factor[c] = 1 / numbers[c];
        if (!isfinite(factor[c])) {
            snprintf(what, VGG_KERAS_WHAT, "divides by zero");
            return;
        }
    }
    apply(k, factor, offset);
}

/* [..., 2] of Keras 3: a channel by itself. */
static void pick(vgg_keras *k, const json_t *calls, char what[VGG_KERAS_WHAT]) {
    const json_t *arguments = json_object_get(json_array_get(calls, 0), "args");
    const json_t *key = json_array_get(arguments, 1);
    const json_t *channel = json_array_get(key, json_array_size(key) - 1);
    if (json_array_size(key) != 2 || !json_is_integer(channel) || k->picked_count == CHANNELS ||
        json_integer_value(channel) < 0 || json_integer_value(channel) >= CHANNELS)
        snprintf(what, VGG_KERAS_WHAT, "takes another part of its input than a channel");
    else
        k->picked[k->picked_count++] = (size_t)json_integer_value(channel);
}

static void stack(vgg_keras *k, char what[VGG_KERAS_WHAT]) {
    const size_t *p = k->picked;
    bool reversed = p[0] == 2 && p[1] == 1 && p[2] == 0, same = p[0] == 0 && p[1] == 1 && p[2] == 2;
    if (k->picked_count != CHANNELS || (!reversed && !same))
        snprintf(what, VGG_KERAS_WHAT, "puts channels together other than in turning them round");
    else if (reversed)
        turn_round(k);
    k->picked_count = 0;
}

/* [..., ::-1] of Keras 2. */
static vgg_status slice(vgg_keras *k, const json_t *calls, char what[VGG_KERAS_WHAT]) {
    char *text = vgg_json_text(calls, JSON_COMPACT);
    if (text == NULL)
        return VGG_ERROR_MEMORY;
    if (strstr(text, "\"step\":-1") != NULL)
        turn_round(k);
    else
        snprintf(what, VGG_KERAS_WHAT, "cuts its input");
    vgg_free(text);
    return VGG_OK;
}

static const struct {
    const char *type, *function, *operation; /* function: of a TFOpLambda, by its end */
} operations[] = {
    {"Add", NULL, "add"},
    {"Subtract", NULL, "subtract"},
    {"Multiply", NULL, "multiply"},
    {"TrueDivide", NULL, "divide"},
    {"Divide", NULL, "divide"},
    {"TFOpLambda", "bias_add", "add"},
    {"TFOpLambda", "add", "add"},
    {"TFOpLambda", "subtract", "subtract"},
    {"TFOpLambda", "multiply", "multiply"},
    {"TFOpLambda", "truediv", "divide"},
    {"TFOpLambda", "divide", "divide"},
};

static const char *find_operation(const char *type, const json_t *config) {
    const char *function = json_string_value(json_object_get(config, "function"));
    const char *point = function != NULL ? strrchr(function, '.') : NULL;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        const char *wanted = operations[i].function;
        if (strcmp(type, operations[i].type) == 0 &&
            (wanted == NULL ||
             (function != NULL && strcmp(point != NULL ? point + 1 : function, wanted) == 0)))
            return operations[i].operation;
    }
    return NULL;
}

vgg_status vgg_keras_prepare(vgg_keras *k, const char *type, const json_t *layer, bool *known,
                             char what[VGG_KERAS_WHAT]) {
    const json_t *config = json_object_get(layer, "config");
    const json_t *calls = json_object_get(layer, "inbound_nodes");
    const char *operation = find_operation(type, config);
    *known = true;
    if (strcmp(type, "Rescaling") == 0)
        rescale(k, config, what);
    else if (strcmp(type, "Normalization") == 0)
        normalise(k, config, what);
    else if (strcmp(type, "GetItem") == 0)
        pick(k, calls, what);
    else if (strcmp(type, "Stack") == 0)
        stack(k, what);
    else if (strcmp(type, "SlicingOpLambda") == 0)
        return slice(k, calls, what);
    else if (operation != NULL)
        calculate(k, operation, calls, what);
    else
        *known = false;
    return VGG_OK;
}
