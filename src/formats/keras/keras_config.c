/* The description of a model that Keras keeps as JSON beside its weights: a list of layers, of
 * which some may be models with layers of their own. Only chains of the layers of a VGG network are
 * taken, with the parameters that it has; anything else is refused by its name. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/keras/keras.h"

#define DEPTH_MAX 8

typedef struct chain {
    vgg_keras *k;
    bool begun;    /* a convolution was passed */
    bool flat;     /* a Flatten or a pool of all of the picture was passed */
    bool ended;    /* by a softmax or a sigmoid */
    bool has_last; /* the layer before is dense, and has no activation */
    size_t border; /* of zeros around the picture, by a layer that only adds them */
    size_t depth;
} chain;

/* A layer of the description. */
typedef struct described {
    const char *type, *name;
    const json_t *config, *whole;
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

/* "of 2x2" for a pair, else JSON; the caller frees it. */
static char *value_text(const json_t *value) {
    vgg_text text = {0};
    if (json_array_size(value) == 2 && json_is_integer(json_array_get(value, 0)) &&
        json_is_integer(json_array_get(value, 1))) {
        vgg_text_add(&text, "of %lldx%lld", (long long)json_integer_value(json_array_get(value, 0)),
                     (long long)json_integer_value(json_array_get(value, 1)));
        return vgg_text_take(&text);
    }
    return value == NULL ? NULL : vgg_json_text(value, JSON_ENCODE_ANY | JSON_COMPACT);
}

/* Fails, saying what the parameter is and what was expected, unless it is as expected. */
static vgg_status check(const chain *c, const described *d, const char *key, bool as_expected,
                        const char *expected, vgg_error *error) {
    if (as_expected)
        return VGG_OK;
    char *found = value_text(json_object_get(d->config, key));
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

/* That the layer may come now: nothing follows a softmax, and pictures come before rows. */
static vgg_status check_place(const chain *c, const described *d, bool sees_pictures,
                              vgg_error *error) {
    if (c->ended)
        return fail_layer(c, d, error, "follows a softmax or sigmoid, expected nothing behind it");
    if (sees_pictures && c->flat)
        return fail_layer(c, d, error, "follows a Flatten or a global pool, expected it before");
    if (c->border > 0 && strcmp(d->type, "Conv2D") != 0)
        return fail_layer(c, d, error, "follows a ZeroPadding2D, expected a Conv2D behind it");
    return VGG_OK;
}

static vgg_status add_plain(chain *c, const described *d, vgg_layer_type type, double number,
                            vgg_error *error) {
    c->has_last = false;
    return vgg_keras_add_step(
        c->k, (vgg_keras_step){.kind = VGG_KERAS_PLAIN, .type = type, .number = number}, d->name,
        error);
}

/* Takes the layer of that name, else the first of the kind that is left. */
static vgg_status add_layer(chain *c, const described *d, vgg_keras_step step, vgg_error *error) {
    vgg_keras *k = c->k;
    vgg_keras_layer *found = NULL;
    for (size_t i = 0; i < k->layer_count; i++) {
        vgg_keras_layer *layer = &k->layers[i];
        if (layer->used || layer->kind != step.kind)
            continue;
        bool named = strcmp(layer->name, d->name) == 0;
        if (found == NULL || named)
            found = layer;
        if (named)
            break;
    }
    if (found == NULL)
        return fail_layer(c, d, error, "is described, but there are no weights for it");
    found->used = true;
    step.layer = found;
    return vgg_keras_add_step(k, step, d->name, error);
}

static bool is(const char *text, const char *word) {
    return strcmp(text, word) == 0;
}

static vgg_status end_in(chain *c, const described *d, const char *activation, vgg_error *error) {
    if (is(activation, "linear"))
        return VGG_OK;
    if (is(activation, "relu"))
        return add_plain(c, d, VGG_LAYER_RELU, 0, error);
    bool softmax = is(activation, "softmax") || is(activation, "log_softmax");
    if ((!softmax && !is(activation, "sigmoid")) || !c->has_last)
        return fail_layer(c, d, error,
                          "has the activation \"%.40s\", expected relu, and softmax, sigmoid or "
                          "none at the end",
                          activation);
    c->ended = true;
    if (softmax)
        c->k->source->softmax = true;
    else
        c->k->source->sigmoid = true;
    return VGG_OK;
}

/* ---- pictures ---- */

static vgg_status check_convolution(const chain *c, const described *d, vgg_error *error) {
    bool small = is_pair(d, "kernel_size", 1), valid = is_text(d, "padding", "valid");
    vgg_status status =
        check(c, d, "kernel_size", small || is_pair(d, "kernel_size", 3), "3x3 or 1x1", error);
    if (status == VGG_OK)
        status = check(c, d, "strides", is_pair(d, "strides", 1), "1x1", error);
    if (status == VGG_OK)
        status = check(c, d, "padding", valid || (is_text(d, "padding", "same") && c->border == 0),
                       c->border > 0 ? "\"valid\" behind a ZeroPadding2D" : "\"same\" or \"valid\"",
                       error);
    if (status == VGG_OK && c->border > 0 && small)
        status = fail_layer(c, d, error, "has a kernel of 1x1 behind a ZeroPadding2D");
    if (status == VGG_OK)
        status = check(c, d, "dilation_rate", is_pair(d, "dilation_rate", 1), "1x1", error);
    if (status == VGG_OK)
        status = check(c, d, "groups", is_pair(d, "groups", 1), "1", error);
    return status == VGG_OK ? check_order_of_axes(c, d, error) : status;
}

static vgg_status convolution(chain *c, const described *d, vgg_error *error) {
    vgg_status status = check_place(c, d, true, error);
    if (status == VGG_OK)
        status = check_convolution(c, d, error);
    if (status != VGG_OK)
        return status;
    bool valid = is_text(d, "padding", "valid") && c->border == 0;
    const vgg_keras_step step = {.kind = VGG_KERAS_CONVOLUTION,
                                 .edges = valid ? VGG_EDGES_VALID : VGG_EDGES_SAME};
    c->begun = true;
    c->border = 0;
    status = add_layer(c, d, step, error);
    return status == VGG_OK ? end_in(c, d, activation_of(d), error) : status;
}

static vgg_status batch_norm(chain *c, const described *d, vgg_error *error) {
    const json_t *epsilon = json_object_get(d->config, "epsilon");
    const json_t *axis = json_object_get(d->config, "axis");
    const json_t *one = json_array_size(axis) == 1 ? json_array_get(axis, 0) : axis;
    double value = json_is_number(epsilon) ? json_number_value(epsilon) : VGG_KERAS_EPSILON;
    json_int_t last = c->flat ? 1 : 3;
    vgg_status status = check_place(c, d, false, error);
    if (status != VGG_OK)
        return status;
    if (!c->begun)
        return fail_layer(c, d, error, "stands before the first convolution");
    if (one != NULL && json_integer_value(one) != last && json_integer_value(one) != -1)
        return fail_layer(c, d, error, "is over another axis than the channels, the last one");
    if (!(value >= 0 && value < 1))
        return fail_layer(c, d, error, "has an epsilon of %g, expected 0 to 1", value);
    c->has_last = false;
    return add_layer(c, d, (vgg_keras_step){.kind = VGG_KERAS_BATCH_NORM, .number = value}, error);
}

/* A pool of 2x2: strides that are not given are those of its size. */
static vgg_status pool(chain *c, const described *d, vgg_error *error) {
    bool average = strncmp(d->type, "Average", 7) == 0;
    vgg_status status = check_place(c, d, true, error);
    if (status == VGG_OK)
        status = check(c, d, "pool_size", is_pair(d, "pool_size", 2), "2x2", error);
    if (status == VGG_OK)
        status = check(c, d, "strides", is_pair(d, "strides", 2), "2x2", error);
    if (status == VGG_OK)
        status = check(c, d, "padding", is_text(d, "padding", "valid"), "\"valid\"", error);
    if (status == VGG_OK)
        status = check_order_of_axes(c, d, error);
    if (status != VGG_OK)
        return status;
    return add_plain(c, d, average ? VGG_LAYER_AVERAGE_POOL_2X2 : VGG_LAYER_MAX_POOL, 0, error);
}

static vgg_status global_pool(chain *c, const described *d, vgg_error *error) {
    bool average = strncmp(d->type, "GlobalAverage", 13) == 0;
    vgg_status status = check_place(c, d, true, error);
    if (status == VGG_OK)
        status = check_order_of_axes(c, d, error);
    if (status != VGG_OK)
        return status;
    c->flat = true;
    return add_plain(c, d, average ? VGG_LAYER_GLOBAL_AVERAGE_POOL : VGG_LAYER_GLOBAL_MAX_POOL, 0,
                     error);
}

/* "padding": 1, or [[1, 1], [1, 1]]. */
static vgg_status zero_padding(chain *c, const described *d, vgg_error *error) {
    const json_t *value = json_object_get(d->config, "padding");
    vgg_status status = check_place(c, d, true, error);
    bool one = json_is_integer(value) && json_integer_value(value) == 1;
    if (json_array_size(value) == 2) {
        one = true;
        for (size_t i = 0; i < 4; i++) {
            const json_t *side = json_array_get(value, i / 2);
            const json_t *number = json_is_array(side) ? json_array_get(side, i % 2) : side;
            one = one && json_integer_value(number) == 1;
        }
    }
    if (status == VGG_OK)
        status = check(c, d, "padding", one, "1 on each side", error);
    c->border = 1;
    return status == VGG_OK ? check_order_of_axes(c, d, error) : status;
}

static vgg_status flatten(chain *c, const described *d, vgg_error *error) {
    vgg_status status = check_order_of_axes(c, d, error);
    if (status == VGG_OK)
        status = check_place(c, d, false, error);
    if (status != VGG_OK || c->flat)
        return status;
    c->flat = true;
    return vgg_keras_add_step(c->k, (vgg_keras_step){.kind = VGG_KERAS_FLATTEN}, d->name, error);
}

/* ---- rows ---- */

static vgg_status dense(chain *c, const described *d, vgg_error *error) {
    vgg_status status = check_place(c, d, false, error);
    if (status == VGG_OK && c->begun && !c->flat)
        status = fail_layer(c, d, error, "follows convolutions without a Flatten between them");
    if (status == VGG_OK)
        status = add_layer(c, d, (vgg_keras_step){.kind = VGG_KERAS_LINEAR}, error);
    c->has_last = true;
    return status == VGG_OK ? end_in(c, d, activation_of(d), error) : status;
}

static vgg_status activation(chain *c, const described *d, vgg_error *error) {
    vgg_status status = check_place(c, d, false, error);
    return status == VGG_OK ? end_in(c, d, activation_of(d), error) : status;
}

static vgg_status relu(chain *c, const described *d, vgg_error *error) {
    const json_t *most = json_object_get(d->config, "max_value");
    vgg_status status = check(c, d, "max_value", most == NULL || json_is_null(most), "null", error);
    if (status == VGG_OK)
        status = check(c, d, "threshold", is_zero(d, "threshold"), "0", error);
    if (status == VGG_OK)
        status = check(c, d, "negative_slope", is_zero(d, "negative_slope"), "0", error);
    if (status == VGG_OK)
        status = check_place(c, d, false, error);
    return status == VGG_OK ? add_plain(c, d, VGG_LAYER_RELU, 0, error) : status;
}

static vgg_status softmax(chain *c, const described *d, vgg_error *error) {
    vgg_status status = check_place(c, d, false, error);
    return status == VGG_OK ? end_in(c, d, "softmax", error) : status;
}

/* ---- layers that do nothing when a picture is predicted ---- */

static vgg_status dropout(chain *c, const described *d, vgg_error *error) {
    double rate = json_number_value(json_object_get(d->config, "rate"));
    bool last = c->has_last;
    vgg_status status = check(c, d, "rate", rate >= 0 && rate < 1, "0 to below 1", error);
    if (status != VGG_OK || !c->begun)
        return status;
    status = add_plain(c, d, VGG_LAYER_DROPOUT, rate, error);
    c->has_last = last;
    return status;
}

/* A Resizing to the size that the input has does nothing; where the input may have any size it says
 * which one the network sees, and the preprocessing brings pictures to it. */
static vgg_status resizing(chain *c, const described *d, vgg_error *error) {
    json_int_t height = json_integer_value(json_object_get(d->config, "height"));
    json_int_t width = json_integer_value(json_object_get(d->config, "width"));
    vgg_keras *k = c->k;
    if (c->begun)
        return fail_layer(c, d, error, "stands behind a convolution, expected it before");
    if (height < 1 || width < 1 || height >= INT32_MAX || width >= INT32_MAX)
        return fail_layer(c, d, error, "has no height and width");
    if (k->height == 0) {
        k->height = (size_t)height;
        k->width = (size_t)width;
        return vgg_remarks_add(&k->source->remarks,
                               "its layer \"%.80s\" resizes pictures to %zux%zu, which the "
                               "preprocessing does in its place",
                               d->name, k->height, k->width)
                   ? VGG_OK
                   : vgg_fail_memory(error, "a remark", strlen(d->name));
    }
    if (k->height != (size_t)height || k->width != (size_t)width)
        return fail_layer(c, d, error,
                          "resizes an input of %zux%zu to %lldx%lld, expected the size that it has",
                          k->height, k->width, (long long)height, (long long)width);
    return VGG_OK;
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
    {"AveragePooling2D", pool},
    {"GlobalAveragePooling2D", global_pool},
    {"GlobalMaxPooling2D", global_pool},
    {"ZeroPadding2D", zero_padding},
    {"Flatten", flatten},
    {"Dense", dense},
    {"Activation", activation},
    {"ReLU", relu},
    {"Softmax", softmax},
    {"Dropout", dropout},
    {"SpatialDropout2D", pass},
    {"GaussianDropout", pass},
    {"GaussianNoise", pass},
    {"ActivityRegularization", pass},
    {"Resizing", resizing},
    {"RandomFlip", pass},
    {"RandomRotation", pass},
    {"RandomZoom", pass},
    {"RandomTranslation", pass},
    {"RandomContrast", pass},
    {"RandomBrightness", pass},
    {"InputLayer", pass},
    {"Sequential", model},
    {"Functional", model},
    {"Model", model},
};

static vgg_status read_layer(chain *c, const json_t *layer, vgg_error *error) {
    described d = {.type = text_of(json_object_get(layer, "class_name")),
                   .config = json_object_get(layer, "config"),
                   .whole = layer};
    d.name = text_of(json_object_get(d.config, "name"));
    if (d.name[0] == '\0')
        d.name = text_of(json_object_get(layer, "name"));
    read_input_shape(c, &d);
    size_t uses = json_array_size(json_object_get(layer, "inbound_nodes"));
    if (uses > 1 && strcmp(d.type, "InputLayer") != 0)
        return fail_layer(c, &d, error, "is used %zu times, expected once", uses);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(d.type, types[i].type) == 0)
            return types[i].read(c, &d, error);
    }
    bool known = false;
    char what[VGG_KERAS_WHAT] = "";
    vgg_status status = vgg_keras_prepare(c->k, d.type, layer, &known, what);
    if (status == VGG_ERROR_MEMORY)
        return vgg_fail_memory(error, "a list of layers", 1);
    if (known && c->begun)
        return fail_layer(c, &d, error, "stands behind a convolution, expected it before");
    if (known && what[0] != '\0')
        return fail_layer(c, &d, error, "%s", what);
    const json_t *mean = json_object_get(d.config, "mean");
    bool adapted = mean == NULL || json_is_null(mean); /* its figures are among the weights */
    if (known && strcmp(d.type, "Normalization") == 0 && adapted)
        return add_layer(c, &d, (vgg_keras_step){.kind = VGG_KERAS_NORMALISATION}, error);
    if (known)
        return VGG_OK;
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
