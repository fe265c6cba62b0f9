/* From the groups of a Keras file to layers: which tensor is which, what kind of layer they make,
 * and in which order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/keras/keras.h"

/* ---- tensors ---- */

static bool is_digits(const char *text) {
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* Takes ":0" and the "_1" with which TensorFlow makes names unique off the end. */
static void trim(char *leaf) {
    char *colon = strrchr(leaf, ':');
    if (colon != NULL && is_digits(colon + 1))
        *colon = '\0';
    char *line = strrchr(leaf, '_');
    if (line != NULL && is_digits(line + 1))
        *line = '\0';
}

/* Which tensor of a layer the name stands for; VGG_KERAS_TENSORS for none. */
static size_t find_role(const char *name) {
    static const struct {
        const char *ending;
        size_t role;
    } roles[] = {
        {"kernel", VGG_KERAS_KERNEL},    {"W", VGG_KERAS_KERNEL},
        {"bias", VGG_KERAS_BIAS},        {"b", VGG_KERAS_BIAS},
        {"gamma", VGG_KERAS_GAMMA},      {"beta", VGG_KERAS_BETA},
        {"moving_mean", VGG_KERAS_MEAN}, {"moving_variance", VGG_KERAS_VARIANCE},
        {"mean", VGG_KERAS_MEAN},        {"variance", VGG_KERAS_VARIANCE},
    };
    char leaf[VGG_HDF5_NAME];
    snprintf(leaf, sizeof leaf, "%s", name);
    trim(leaf);
    size_t length = strlen(leaf);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        size_t tail = strlen(roles[i].ending);
        if (length >= tail && strcmp(leaf + length - tail, roles[i].ending) == 0 &&
            (length == tail || leaf[length - tail - 1] == '_'))
            return roles[i].role;
    }
    return VGG_KERAS_TENSORS;
}

/* Gives the tensor its place in its layer. */
static vgg_status add_tensor(const vgg_keras *k, const vgg_keras_tensor *tensor,
                             vgg_keras_layer *layer, vgg_error *error) {
    const char *path = k->source->path, *leaf = vgg_keras_leaf(tensor->name);
    const vgg_hdf5_array *array = &tensor->array;
    bool numbered = strcmp(vgg_keras_leaf(layer->place), "vars") == 0;
    size_t role = numbered && leaf[0] >= '0' && leaf[0] <= '3' && leaf[1] == '\0'
                      ? (size_t)(leaf[0] - '0')
                      : find_role(leaf);
    /* How many pictures the figures of a Normalization were measured on. */
    if (array->dimensions == 0 && (numbered || strncmp(leaf, "count", 5) == 0)) {
        layer->counted = true;
        return VGG_OK;
    }
    if (role == VGG_KERAS_TENSORS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: \"%.160s\" is no tensor of a layer that a VGG network has", path,
                        tensor->name);
    if (array->type == NULL || array->count == 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%.160s\" of %s %s, expected F32, F16, BF16 or F64 values",
                        tensor->name, path,
                        array->count == 0 ? "is empty" : "has another type of number");
    if (layer->tensors[role] != NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: layer \"%.80s\" has two tensors like \"%.80s\"", path, layer->place,
                        leaf);
    layer->tensors[role] = tensor;
    return VGG_OK;
}

/* ---- kinds and order ---- */

/* The numbers "vars/0" to "vars/3" stand for kernel and bias, or for gamma, beta, mean and
 * variance, or for mean and variance. */
static void name_numbers(vgg_keras_layer *layer) {
    const vgg_keras_tensor *first = layer->tensors[VGG_KERAS_KERNEL];
    if (first == NULL || first->array.dimensions != 1 || layer->tensors[VGG_KERAS_MEAN] != NULL)
        return;
    size_t figures = 0;
    while (figures < 4 && layer->tensors[figures] != NULL) {
        figures++;
    }
    /* Without gamma or beta there are fewer: the last two are mean and variance. */
    for (size_t i = figures; i-- > 0;) {
        const vgg_keras_tensor *figure = layer->tensors[i];
        layer->tensors[i] = NULL;
        if (figures == 4)
            layer->tensors[i + VGG_KERAS_GAMMA] = figure;
        else if (figures == 2)
            layer->tensors[i + VGG_KERAS_MEAN] = figure;
        else
            layer->tensors[i == 0 ? VGG_KERAS_KERNEL : i + VGG_KERAS_GAMMA] = figure;
    }
}

static size_t dimensions_of(const vgg_keras_tensor *tensor) {
    return tensor != NULL ? tensor->array.dimensions : 0;
}

static vgg_status find_kind(const vgg_keras *k, vgg_keras_layer *layer, vgg_error *error) {
    name_numbers(layer);
    const vgg_keras_tensor *const *t = layer->tensors;
    bool kernel = t[VGG_KERAS_KERNEL] != NULL, bias = t[VGG_KERAS_BIAS] != NULL;
    bool scaled = t[VGG_KERAS_GAMMA] != NULL || t[VGG_KERAS_BETA] != NULL;
    bool measured = t[VGG_KERAS_MEAN] != NULL && t[VGG_KERAS_VARIANCE] != NULL;
    bool none = !scaled && t[VGG_KERAS_MEAN] == NULL && t[VGG_KERAS_VARIANCE] == NULL;
    if (kernel && none && dimensions_of(t[VGG_KERAS_KERNEL]) == 4)
        layer->kind = VGG_KERAS_CONVOLUTION;
    else if (kernel && none && dimensions_of(t[VGG_KERAS_KERNEL]) == 2)
        layer->kind = VGG_KERAS_LINEAR;
    else if (!kernel && !bias && measured)
        layer->kind = layer->counted ? VGG_KERAS_NORMALISATION : VGG_KERAS_BATCH_NORM;
    else
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: the tensors of layer \"%.80s\" are not those of a convolution "
                        "(kernel, bias), a dense layer or a batch normalisation (gamma, beta, "
                        "moving_mean, moving_variance)",
                        k->source->path, layer->place);
    return VGG_OK;
}

/* Numbers are compared as such: "conv2d_9" comes before "conv2d_10", and "conv2d" before both. */
static int compare_places(const void *a, const void *b) {
    const char *x = ((const vgg_keras_layer *)a)->place, *y = ((const vgg_keras_layer *)b)->place;
    for (;;) {
        size_t i = strspn(x, "0123456789"), j = strspn(y, "0123456789");
        if (i != j && i > 0 && j > 0)
            return i < j ? -1 : 1;
        int order = i > 0 && i == j ? strncmp(x, y, i) : *x - *y;
        if (order != 0 || *x == '\0')
            return order;
        size_t step = i > 0 ? i : 1;
        x += step;
        y += step;
    }
}

vgg_status vgg_keras_read_layers(vgg_keras *k, vgg_error *error) {
    k->layers = vgg_calloc(k->group_count, sizeof *k->layers);
    if (k->layers == NULL)
        return vgg_fail_memory(error, "the list of layers", k->group_count * sizeof *k->layers);
    k->layer_count = k->group_count;
    for (size_t i = 0; i < k->group_count; i++) {
        k->layers[i].name = k->groups[i].name;
        k->layers[i].place = k->groups[i].place;
    }
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < k->tensor_count; i++) {
        status = add_tensor(k, &k->tensors[i], &k->layers[k->tensors[i].group], error);
    }
    for (size_t i = 0; status == VGG_OK && i < k->layer_count; i++) {
        status = find_kind(k, &k->layers[i], error);
    }
    if (status == VGG_OK)
        qsort(k->layers, k->layer_count, sizeof *k->layers, compare_places);
    return status;
}
