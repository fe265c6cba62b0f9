/* The tensors of a Keras file and the groups that they lie in. Files of Keras 1 and 2 keep them as
 * "block1_conv1/block1_conv1_W_1:0" or "block1_conv1/block1_conv1/kernel:0", in a whole model under
 * "model_weights"; Keras 3 as "layers/conv2d/vars/0", where the group "vars" has the layer's own
 * name as an attribute. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/keras/keras.h"

#define DEPTH_MAX 16
#define TENSORS_MAX 4096
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
    for (size_t i = 0; depth == 0 && i < sizeof tops / sizeof *tops; i++) {
        if (strcmp(name, tops[i]) == 0)
            return true;
    }
    return strcmp(name, "seed_generator") == 0;
}

const char *vgg_keras_leaf(const char *place) {
    const char *slash = strrchr(place, '/');
    return slash == NULL ? place : slash + 1;
}

/* ---- one tensor ---- */

/* Makes room for one item more. */
static void *grow(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return items;
    size_t wanted = vgg_size_max(2 * count, 64);
    void *grown = vgg_realloc(items, wanted * size);
    if (grown != NULL)
        *capacity = wanted;
    return grown;
}

/* What Keras calls the layer whose tensors lie in the group that was walked to. */
static char *name_group(const walk *w) {
    const char *name = vgg_keras_leaf(w->place);
    if (strcmp(name, "vars") != 0)
        return vgg_text_copy(name);
    if (w->given != NULL)
        return vgg_text_copy(w->given);
    char above[PLACE_MAX];
    size_t length = strlen(w->place) - strlen(name);
    snprintf(above, sizeof above, "%.*s", length > 0 ? (int)length - 1 : 0, w->place);
    return vgg_text_copy(vgg_keras_leaf(above));
}

/* Finds the group that was walked to, or adds it. */
static vgg_status find_group(const walk *w, size_t *group, vgg_error *error) {
    vgg_keras *k = w->k;
    for (*group = k->group_count; *group > 0;) {
        if (strcmp(k->groups[--*group].place, w->place) == 0)
            return VGG_OK;
    }
    *group = k->group_count;
    vgg_keras_group *groups =
        grow(k->groups, k->group_count, &k->group_capacity, sizeof *k->groups);
    if (groups == NULL)
        return vgg_fail_memory(error, "the list of groups", k->group_count * sizeof *groups);
    k->groups = groups;
    groups[*group] = (vgg_keras_group){.name = name_group(w), .place = vgg_text_copy(w->place)};
    k->group_count++;
    if (groups[*group].name == NULL || groups[*group].place == NULL)
        return vgg_fail_memory(error, "the name of a group", strlen(w->place));
    return VGG_OK;
}

static vgg_status add_tensor(const walk *w, const char *name, const vgg_hdf5_array *array,
                             vgg_error *error) {
    vgg_keras *k = w->k;
    if (k->tensor_count == TENSORS_MAX)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has more than %d tensors",
                        k->source->path, TENSORS_MAX);
    vgg_keras_tensor *tensors =
        grow(k->tensors, k->tensor_count, &k->tensor_capacity, sizeof *k->tensors);
    if (tensors == NULL)
        return vgg_fail_memory(error, "the list of tensors", k->tensor_count * sizeof *tensors);
    k->tensors = tensors;
    size_t group;
    vgg_status status = find_group(w, &group, error);
    if (status != VGG_OK)
        return status;
    vgg_text text = {0};
    vgg_text_add(&text, "%s%s%s", w->place, w->depth == 0 ? "" : "/", name);
    vgg_keras_tensor tensor = {.name = vgg_text_take(&text), .group = group, .array = *array};
    if (tensor.name == NULL)
        return vgg_fail_memory(error, "a tensor's name", strlen(name));
    k->tensors[k->tensor_count++] = tensor;
    return VGG_OK;
}

/* ---- the tree ---- */

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
    vgg_keras_count_plain(w->k, name);
    char *outer = w->given;
    w->given = NULL;
    w->depth++;
    vgg_status status = strcmp(name, "vars") == 0 ? read_given_name(w, address, error) : VGG_OK;
    if (status == VGG_OK)
        status = vgg_hdf5_links(&w->k->file, address, visit, w, error);
    vgg_free(w->given);
    w->given = outer;
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

vgg_status vgg_keras_read_tree(vgg_keras *k, vgg_error *error) {
    walk w = {.k = k};
    vgg_status status = vgg_hdf5_links(&k->file, k->file.root, visit, &w, error);
    if (status == VGG_OK && k->tensor_count == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is an HDF5 file without weights of Keras",
                        k->source->path);
    return status;
}
