/* The description of a model that Keras keeps as JSON beside its weights: a list of layers, of
 * which some may be models with layers of their own. Only chains of the layers of a VGG network are
 * taken, with the parameters that it has; anything else is refused by its name. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "formats/keras/keras.h"

#define DEPTH_MAX 8

typedef struct chain {
    vgg_keras *k;
    bool flat;     /* a Flatten was passed */
    bool bare;     /* the layer before has no activation yet */
    bool ended;    /* by a softmax */
    bool has_last; /* the layer before is dense */
    size_t depth;
} chain;

/* A layer of the description. */
typedef struct described {
    const char *type, *name;
    const json_t *config;
} described;

static vgg_status fail_layer(const chain *c, const described *d, vgg_error *error,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));

static vgg_status fail_layer(const chain *c, const described *d, vgg_error *error,
                             const char *format, ...) {
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: its layer \"%.80s\" (%.40s) %s",
                    c->k->source->path, d->name, d->type, what);
}

/* ---- parameters ---- */

/* A text, or the class name of an object; "" for nothing. */
static const char *text_of(const json_t *value) {
    if (json_is_object(value))
        value = json_object_get(value, "class_name");
    return json_is_string(value) ? json_string_value(value) : "";
}

/* Whether the parameter is absent or the text. */
static bool is_text(const described *d, const char *key, const char *expected) {
    const json_t *value = json_object_get(d->config, key);
    return value == NULL || json_is_null(value) || strcmp(text_of(value), expected) == 0;
}

/* Whether the parameter is absent, the number, or a pair of it. */
static bool is_pair(const described *d, const char *key, json_int_t expected) {
    const json_t *value = json_object_get(d->config, key);
    if (value == NULL || json_is_null(value))
        return true;
    if (json_is_integer(value))
        return json_integer_value(value) == expected;
    return json_array_size(value) == 2 &&
           json_integer_value(json_array_get(value, 0)) == expected &&
           json_integer_value(json_array_get(value, 1)) == expected;
}

static bool is_zero(const described *d, const char *key) {
    return json_number_value(json_object_get(d->config, key)) == 0;
}

/* None is "linear". */
static const char *activation_of(const described *d) {
    const json_t *value = json_object_get(d->config, "activation");
    return value == NULL || json_is_null(value) ? "linear" : text_of(value);
}

/* Fails, saying what the parameter is and what was expected, unless it is as expected. */
static vgg_status check(const chain *c, const described *d, const char *key, bool as_expected,
                        const char *expected, vgg_error *error) {
    if (as_expected)
        return VGG_OK;
    const json_t *value = json_object_get(d->config, key);
    char *found = value == NULL ? NULL : vgg_json_text(value, JSON_ENCODE_ANY | JSON_COMPACT);
    vgg_status status = fail_layer(c, d, error, "has %s %.60s, expected %s", key,
                                   found != NULL ? found : "of another kind", expected);
    vgg_free(found);
    return status;
}

/* "batch_input_shape" or "batch_shape": [null, 224, 224, 3]. */
static void read_input_shape(chain *c, const described *d) {
    const json_t *shape = json_object_get(d->config, "batch_input_shape");
    if (shape == NULL)
        shape = json_object_get(d->config, "batch_shape");
    if (json_array_size(shape) != 4 || c->k->height > 0)
        return;
    json_int_t height = json_integer_value(json_array_get(shape, 1));
    json_int_t width = json_integer_value(json_array_get(shape, 2));
    if (height > 0 && width > 0 && height < INT32_MAX && width < INT32_MAX) {
        c->k->height = (size_t)height;
        c->k->width = (size_t)width;
    }
}

/* ---- layers ---- */

static vgg_status check_order_of_axes(const chain *c, const described *d, vgg_error *error) {
    return check(c, d, "data_format", is_text(d, "data_format", "channels_last"),
                 "\"channels_last\"", error);
}

/* Every layer but the last ends in a ReLU. */
static vgg_status expect_relu(const chain *c, const described *d, vgg_error *error) {
    if (c->bare || c->ended)
        return fail_layer(c, d, error, "follows a %s, expected a ReLU before it",
                          c->ended ? "softmax" : "layer without an activation");
    return VGG_OK;
}

/* Takes the layer of that name, else the first of the kind that is left. */
static vgg_status add_layer(chain *c, const described *d, vgg_keras_kind kind, double epsilon,
                            vgg_error *error) {
    vgg_keras *k = c->k;
    vgg_keras_layer *found = NULL;
    for (size_t i = 0; i < k->layer_count; i++) {
        vgg_keras_layer *layer = &k->layers[i];
        if (layer->used || layer->kind != kind)
            continue;
        if (found == NULL)
            found = layer;
        if (strcmp(layer->name, d->name) == 0) {
            found = layer;
            break;
        }
    }
    if (found == NULL)
        return fail_layer(c, d, error, "has no weights in the file");
    found->used = true;
    return vgg_keras_add_step(k, kind, d->name, found, epsilon, error);
}

static vgg_status check_convolution(const chain *c, const described *d, vgg_error *error) {
    bool small = json_object_get(d->config, "kernel_size") != NULL && is_pair(d, "kernel_size", 1);
    bool padded = is_text(d, "padding", "same") || (small && is_text(d, "padding", "valid"));
    vgg_status status =
        check(c, d, "kernel_size", small || is_pair(d, "kernel_size", 3), "[3,3] or [1,1]", error);
    if (status == VGG_OK)
        status = check(c, d, "strides", is_pair(d, "strides", 1), "[1,1]", error);
    if (status == VGG_OK)
        status = check(c, d, "padding", padded, "\"same\"", error);
    if (status == VGG_OK)
        status = check(c, d, "dilation_rate", is_pair(d, "dilation_rate", 1), "[1,1]", error);
    if (status == VGG_OK)
        status = check(c, d, "groups", is_pair(d, "groups", 1), "1", error);
    return status == VGG_OK ? check_order_of_axes(c, d, error) : status;
}

static vgg_status convolution(chain *c, const described *d, vgg_error *error) {
    vgg_status status = expect_relu(c, d, error);
    if (status != VGG_OK)
        return status;
    const char *activation = activation_of(d);
    status = check_convolution(c, d, error);
    if (status != VGG_OK)
        return status;
    c->bare = strcmp(activation, "linear") == 0;
    if (!c->bare && strcmp(activation, "relu") != 0)
        return fail_layer(c, d, error, "has the activation \"%.40s\", expected relu", activation);
    if (c->flat)
        return fail_layer(c, d, error, "follows a Flatten, expected it before");
    return add_layer(c, d, VGG_KERAS_CONVOLUTION, 0, error);
}

static vgg_status batch_norm(chain *c, const described *d, vgg_error *error) {
    const json_t *epsilon = json_object_get(d->config, "epsilon");
    const json_t *axis = json_object_get(d->config, "axis");
    const json_t *one = json_array_size(axis) == 1 ? json_array_get(axis, 0) : axis;
    double value = json_is_number(epsilon) ? json_number_value(epsilon) : VGG_KERAS_EPSILON;
    if (c->flat || !c->bare)
        return fail_layer(c, d, error, "stands elsewhere than between a convolution and its ReLU");
    if (one != NULL && json_integer_value(one) != 3 && json_integer_value(one) != -1)
        return fail_layer(c, d, error, "is over another axis than the channels, the last one");
    if (!(value >= 0 && value < 1))
        return fail_layer(c, d, error, "has an epsilon of %g, expected 0 to 1", value);
    return add_layer(c, d, VGG_KERAS_BATCH_NORM, value, error);
}

static vgg_status pool(chain *c, const described *d, vgg_error *error) {
    vgg_status status = expect_relu(c, d, error);
    if (status == VGG_OK && c->flat)
        status = fail_layer(c, d, error, "follows a Flatten, expected it before");
    if (status == VGG_OK)
        status = check(c, d, "pool_size", is_pair(d, "pool_size", 2), "[2,2]", error);
    if (status == VGG_OK)
        status = check(c, d, "strides", is_pair(d, "strides", 2), "[2,2]", error);
    if (status == VGG_OK)
        status = check(c, d, "padding", is_text(d, "padding", "valid"), "\"valid\"", error);
    if (status == VGG_OK)
        status = check_order_of_axes(c, d, error);
    if (status != VGG_OK)
        return status;
    return vgg_keras_add_step(c->k, VGG_KERAS_POOL, d->name, NULL, 0, error);
}

static vgg_status flatten(chain *c, const described *d, vgg_error *error) {
    vgg_status status = check_order_of_axes(c, d, error);
    if (status == VGG_OK)
        status = expect_relu(c, d, error);
    c->flat = true;
    return status;
}

static vgg_status end_in(chain *c, const described *d, const char *activation, vgg_error *error) {
    if (strcmp(activation, "linear") == 0)
        return VGG_OK;
    if (strcmp(activation, "relu") == 0) {
        if (!c->bare)
            return fail_layer(c, d, error, "is a second activation, expected one");
        c->bare = false;
        return VGG_OK;
    }
    if (strcmp(activation, "softmax") != 0 || !c->has_last || !c->bare)
        return fail_layer(c, d, error,
                          "has the activation \"%.40s\", expected relu, and softmax or none at "
                          "the end",
                          activation);
    c->bare = false;
    c->ended = true;
    c->k->source->softmax = true;
    return VGG_OK;
}

static vgg_status dense(chain *c, const described *d, vgg_error *error) {
    vgg_status status = expect_relu(c, d, error);
    if (status == VGG_OK && !c->flat)
        status = fail_layer(c, d, error, "follows convolutions without a Flatten between them");
    if (status == VGG_OK)
        status = add_layer(c, d, VGG_KERAS_LINEAR, 0, error);
    c->has_last = c->bare = true;
    return status == VGG_OK ? end_in(c, d, activation_of(d), error) : status;
}

static vgg_status activation(chain *c, const described *d, vgg_error *error) {
    return end_in(c, d, activation_of(d), error);
}

static vgg_status relu(chain *c, const described *d, vgg_error *error) {
    const json_t *most = json_object_get(d->config, "max_value");
    vgg_status status = check(c, d, "max_value", most == NULL || json_is_null(most), "null", error);
    if (status == VGG_OK)
        status = check(c, d, "threshold", is_zero(d, "threshold"), "0", error);
    if (status == VGG_OK)
        status = check(c, d, "negative_slope", is_zero(d, "negative_slope"), "0", error);
    if (status == VGG_OK && !c->bare)
        status = fail_layer(c, d, error, "is a second activation, expected one");
    c->bare = false;
    return status;
}

static vgg_status softmax(chain *c, const described *d, vgg_error *error) {
    return end_in(c, d, "softmax", error);
}

static vgg_status pass(chain *c, const described *d, vgg_error *error) {
    (void)c;
    (void)d;
    (void)error;
    return VGG_OK;
}

static vgg_status read_layers(chain *c, const json_t *config, vgg_error *error);

static vgg_status model(chain *c, const described *d, vgg_error *error) {
    if (++c->depth > DEPTH_MAX)
        return fail_layer(c, d, error, "is nested too deeply");
    vgg_status status = read_layers(c, d->config, error);
    c->depth--;
    return status;
}

static const struct {
    const char *type;
    vgg_status (*read)(chain *c, const described *d, vgg_error *error);
} types[] = {
    {"Conv2D", convolution},
    {"BatchNormalization", batch_norm},
    {"BatchNormalizationV1", batch_norm},
    {"MaxPooling2D", pool},
    {"Flatten", flatten},
    {"Dense", dense},
    {"Activation", activation},
    {"ReLU", relu},
    {"Softmax", softmax},
    {"Dropout", pass},
    {"InputLayer", pass},
    {"Sequential", model},
    {"Functional", model},
    {"Model", model},
};

static vgg_status read_layer(chain *c, const json_t *layer, vgg_error *error) {
    described d = {.type = text_of(json_object_get(layer, "class_name")),
                   .config = json_object_get(layer, "config")};
    d.name = text_of(json_object_get(d.config, "name"));
    if (d.name[0] == '\0')
        d.name = text_of(json_object_get(layer, "name"));
    read_input_shape(c, &d);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(d.type, types[i].type) == 0)
            return types[i].read(c, &d, error);
    }
    return fail_layer(c, &d, error, "is no layer of a VGG network");
}

/* Old Sequential models are the list itself. */
static vgg_status read_layers(chain *c, const json_t *config, vgg_error *error) {
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    if (!json_is_array(layers))
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: its description of the model has no layers",
                        c->k->source->path);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < json_array_size(layers); i++) {
        status = read_layer(c, json_array_get(layers, i), error);
    }
    return status;
}

vgg_status vgg_keras_read_config(vgg_keras *k, const json_t *config, vgg_error *error) {
    chain c = {.k = k};
    k->source->graph.origin = VGG_ORIGIN_GRAPH;
    return read_layers(&c, json_object_get(config, "config"), error);
}
