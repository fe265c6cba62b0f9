/* The tensors of a Keras file, gathered to layers. Files of Keras 1 and 2 keep them as
 * "block1_conv1/block1_conv1_W_1:0" or "block1_conv1/block1_conv1/kernel:0", in a whole model under
 * "model_weights"; Keras 3 as "layers/conv2d/vars/0", where the group "vars" has the layer's own
 * name as an attribute. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/keras.h"

#define DEPTH_MAX 16
#define LAYERS_MAX 4096
#define PLACE_MAX 1024

/* A group on the way down. */
typedef struct walk {
    vgg_keras *k;
    char place[PLACE_MAX]; /* of the group: "layers/conv2d/vars" */
    size_t depth;
    char *given; /* the name that the group "vars" has as an attribute */
} walk;

/* What lies beside the layers. */
static bool is_passed_over(const char *name, size_t depth) {
    static const char *const tops[] = {"optimizer_weights", "optimizer", "metrics",
                                       "compile_metrics", "loss_tracker"};
    for (size_t i = 0; depth == 0 && i < sizeof tops / sizeof *tops; i++)
        if (strcmp(name, tops[i]) == 0)
            return true;
    return strcmp(name, "seed_generator") == 0;
}

static const char *last_part(const char *place) {
    const char *slash = strrchr(place, '/');
    return slash == NULL ? place : slash + 1;
}

/* ---- one tensor ------------------------------------------------------------------------------ */

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

/* The layer whose tensors lie in the group, made when it is new; NULL when memory ran out. */
static vgg_keras_layer *layer_of(walk *w) {
    vgg_keras *k = w->k;
    for (size_t i = k->layer_count; i-- > 0;)
        if (strcmp(k->layers[i].place, w->place) == 0)
            return &k->layers[i];
    if (k->layer_count == k->layer_capacity) {
        size_t capacity = vgg_size_max(2 * k->layer_capacity, 64);
        vgg_keras_layer *layers = realloc(k->layers, capacity * sizeof *layers);
        if (layers == NULL)
            return NULL;
        k->layers = layers;
        k->layer_capacity = capacity;
    }
    vgg_keras_layer *layer = &k->layers[k->layer_count];
    *layer = (vgg_keras_layer){.place = vgg_text_copy(w->place)};
    const char *name = last_part(w->place);
    if (strcmp(name, "vars") == 0 && layer->place != NULL) {
        char above[PLACE_MAX];
        size_t length = strlen(w->place) - strlen(name);
        snprintf(above, sizeof above, "%.*s", length > 0 ? (int)length - 1 : 0, w->place);
        layer->name = vgg_text_copy(w->given != NULL ? w->given : last_part(above));
    } else
        layer->name = vgg_text_copy(name);
    k->layer_count++;
    return layer->place != NULL && layer->name != NULL ? layer : NULL;
}

static vgg_status add_tensor(walk *w, const char *name, const vgg_hdf5_array *array,
                             vgg_error *error) {
    const char *path = w->k->source->path;
    bool numbered = strcmp(last_part(w->place), "vars") == 0;
    size_t role = numbered && name[0] >= '0' && name[0] <= '3' && name[1] == '\0'
                      ? (size_t)(name[0] - '0')
                      : find_role(name);
    if (role == VGG_KERAS_TENSORS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: \"%.80s/%.80s\" is no tensor of a layer that a VGG network has", path,
                        w->place, name);
    if (array->type == NULL || array->count == 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%.80s/%.80s\" of %s %s, expected F32, F16, BF16 or F64 values",
                        w->place, name, path,
                        array->count == 0 ? "is empty" : "has another type of number");
    if (w->k->layer_count == LAYERS_MAX)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has more than %d layers", path,
                        LAYERS_MAX);
    vgg_keras_layer *layer = layer_of(w);
    if (layer == NULL)
        return vgg_fail_memory(error, "a layer", sizeof *layer);
    if (layer->has[role])
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: layer \"%.80s\" has two tensors like \"%.80s\"", path, layer->place,
                        name);
    layer->has[role] = true;
    layer->tensors[role] = *array;
    return VGG_OK;
}

/* ---- the tree -------------------------------------------------------------------------------- */

static vgg_status visit(void *context, const char *name, uint64_t address, vgg_error *error);

/* Keras 3 gives the group of a layer's tensors the layer's name. */
static vgg_status read_given_name(walk *w, uint64_t address, vgg_error *error) {
    bool found;
    vgg_hdf5_array array;
    vgg_status status = vgg_hdf5_attribute(&w->k->file, address, "name", &found, &array, error);
    if (status == VGG_OK && found && array.text && array.count == 1)
        status = vgg_hdf5_text(&w->k->file, &array, 0, &w->given, error);
    return status;
}

static vgg_status visit_group(walk *w, const char *name, uint64_t address, vgg_error *error) {
    size_t before = strlen(w->place);
    int length =
        snprintf(w->place + before, sizeof w->place - before, "%s%s", before == 0 ? "" : "/", name);
    if (length < 0 || (size_t)length >= sizeof w->place - before || w->depth == DEPTH_MAX)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has groups nested too deeply, %.80s...",
                        w->k->source->path, w->place);
    w->depth++;
    vgg_status status = strcmp(name, "vars") == 0 ? read_given_name(w, address, error) : VGG_OK;
    if (status == VGG_OK)
        status = vgg_hdf5_links(&w->k->file, address, visit, w, error);
    free(w->given);
    w->given = NULL;
    w->depth--;
    w->place[before] = '\0';
    return status;
}

static vgg_status visit(void *context, const char *name, uint64_t address, vgg_error *error) {
    walk *w = context;
    if (is_passed_over(name, w->depth))
        return VGG_OK;
    vgg_hdf5_object object;
    vgg_status status = vgg_hdf5_read_object(&w->k->file, address, &object, error);
    if (status != VGG_OK)
        vgg_error_prefix(error, "\"%.80s%s%.80s\"", w->place, w->depth == 0 ? "" : "/", name);
    else if (object.is_array)
        status = add_tensor(w, name, &object.array, error);
    else
        status = visit_group(w, name, address, error);
    return status;
}

/* ---- kinds and order ------------------------------------------------------------------------- */

/* The numbers "vars/0" to "vars/3" stand for kernel and bias, or for gamma, beta, mean, variance.
 */
static void name_numbers(vgg_keras_layer *layer) {
    if (!layer->has[VGG_KERAS_KERNEL] || layer->tensors[VGG_KERAS_KERNEL].dimensions != 1 ||
        layer->has[VGG_KERAS_MEAN])
        return;
    for (size_t i = 4; i-- > 0;) {
        layer->has[i + 2] = layer->has[i];
        layer->tensors[i + 2] = layer->tensors[i];
        layer->has[i] = false;
    }
}

static vgg_status find_kind(const vgg_keras *k, vgg_keras_layer *layer, vgg_error *error) {
    name_numbers(layer);
    size_t figures = 0;
    for (size_t i = VGG_KERAS_GAMMA; i <= VGG_KERAS_VARIANCE; i++)
        figures += layer->has[i];
    const vgg_hdf5_array *kernel = &layer->tensors[VGG_KERAS_KERNEL];
    bool has_kernel = layer->has[VGG_KERAS_KERNEL];
    if (has_kernel && figures == 0 && kernel->dimensions == 4)
        layer->kind = VGG_KERAS_CONVOLUTION;
    else if (has_kernel && figures == 0 && kernel->dimensions == 2)
        layer->kind = VGG_KERAS_LINEAR;
    else if (!has_kernel && !layer->has[VGG_KERAS_BIAS] && figures == 4)
        layer->kind = VGG_KERAS_BATCH_NORM;
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
    walk w = {.k = k};
    vgg_status status = vgg_hdf5_links(&k->file, k->file.root, visit, &w, error);
    for (size_t i = 0; status == VGG_OK && i < k->layer_count; i++)
        status = find_kind(k, &k->layers[i], error);
    if (status == VGG_OK && k->layer_count == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is an HDF5 file without weights of Keras",
                        k->source->path);
    if (status == VGG_OK)
        qsort(k->layers, k->layer_count, sizeof *k->layers, compare_places);
    return status;
}
