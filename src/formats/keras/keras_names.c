/* The order of the layers of a Keras file that does not describe its model: what the attributes
 * "layer_names" and "weight_names" list, or what the names say themselves. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/keras/keras.h"
#include "nn/structure.h"

static vgg_status use(vgg_keras *k, vgg_keras_layer *layer, vgg_error *error) {
    layer->used = true;
    return vgg_keras_add_step(k, layer->kind, layer->name, layer, VGG_KERAS_EPSILON, error);
}

/* ---- listed names ---- */

/* The group that the list stands in. */
typedef struct listing {
    vgg_keras *k;
    const char *prefix; /* of all places: "model_weights/" or "" */
    const char *wanted; /* a link's name that is looked for, and where it leads */
    uint64_t address;
    bool found;
} listing;

static vgg_status match(void *context, const char *name, uint64_t address, vgg_error *error) {
    (void)error;
    listing *l = context;
    if (strcmp(name, l->wanted) == 0) {
        l->address = address;
        l->found = true;
    }
    return VGG_OK;
}

static vgg_status find_link(listing *l, uint64_t group, const char *name, vgg_error *error) {
    l->wanted = name;
    l->found = false;
    return vgg_hdf5_links(&l->k->file, group, match, l, error);
}

/* Uses the layer whose tensor has that name in the group of a listed layer. */
static vgg_status use_tensor(listing *l, const char *group, const char *tensor, vgg_error *error) {
    vgg_text text = {0};
    vgg_text_add(&text, "%s%s/%s", l->prefix, group, tensor);
    char *place = vgg_text_take(&text);
    if (place == NULL)
        return vgg_fail_memory(error, "a tensor's name", strlen(tensor));
    *strrchr(place, '/') = '\0';
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < l->k->layer_count; i++) {
        if (!l->k->layers[i].used && strcmp(l->k->layers[i].place, place) == 0)
            status = use(l->k, &l->k->layers[i], error);
    }
    vgg_free(place);
    return status;
}

static vgg_status use_listed(listing *l, uint64_t group, const char *name, vgg_error *error) {
    vgg_hdf5_array tensors = {0};
    bool found = false;
    vgg_status status = find_link(l, group, name, error);
    if (status == VGG_OK && l->found)
        status =
            vgg_hdf5_attribute(&l->k->file, l->address, "weight_names", &found, &tensors, error);
    if (status == VGG_OK && (!found || tensors.count == 0) && strstr(name, "pool") != NULL)
        return vgg_keras_add_step(l->k, VGG_KERAS_POOL, name, NULL, 0, error);
    for (size_t i = 0; status == VGG_OK && found && tensors.text && i < tensors.count; i++) {
        char *tensor = NULL;
        status = vgg_hdf5_text(&l->k->file, &tensors, i, &tensor, error);
        if (status == VGG_OK)
            status = use_tensor(l, name, tensor, error);
        vgg_free(tensor);
    }
    return status;
}

static vgg_status read_listed(vgg_keras *k, bool *listed, vgg_error *error) {
    listing l = {.k = k, .prefix = ""};
    vgg_hdf5_array names;
    uint64_t group = k->file.root;
    vgg_status status = find_link(&l, group, "model_weights", error);
    if (status == VGG_OK && l.found) {
        group = l.address;
        l.prefix = "model_weights/";
    }
    if (status == VGG_OK)
        status = vgg_hdf5_attribute(&k->file, group, "layer_names", listed, &names, error);
    *listed = *listed && names.text;
    for (size_t i = 0; status == VGG_OK && *listed && i < names.count; i++) {
        char *name = NULL;
        status = vgg_hdf5_text(&k->file, &names, i, &name, error);
        if (status == VGG_OK)
            status = use_listed(&l, group, name, error);
        vgg_free(name);
    }
    return status;
}

/* ---- numbered names ---- */

static vgg_keras_layer *nth(vgg_keras *k, vgg_keras_kind kind, size_t n) {
    for (size_t i = 0; i < k->layer_count; i++) {
        if (k->layers[i].kind == kind && n-- == 0)
            return &k->layers[i];
    }
    return NULL;
}

/* "conv2d", "conv2d_1", ...: convolutions, each with the batch normalisation of the same rank, then
 * dense layers. */
static vgg_status read_numbered(vgg_keras *k, vgg_error *error) {
    vgg_status status = VGG_OK;
    vgg_keras_layer *layer, *norm;
    for (size_t i = 0; status == VGG_OK && (layer = nth(k, VGG_KERAS_CONVOLUTION, i)) != NULL;
         i++) {
        status = use(k, layer, error);
        norm = nth(k, VGG_KERAS_BATCH_NORM, i);
        if (status == VGG_OK && norm != NULL)
            status = use(k, norm, error);
    }
    for (size_t i = 0; status == VGG_OK && (layer = nth(k, VGG_KERAS_LINEAR, i)) != NULL; i++) {
        status = use(k, layer, error);
    }
    return status;
}

/* ---- max-pools ---- */

/* The 3 of "block3_conv1"; 0 for other names. */
static int block_of(const char *name) {
    int block;
    return sscanf(name, "block%4d_", &block) == 1 && block > 0 ? block : 0;
}

/* Whether the convolutions have the architecture's widths. */
static bool has_widths(const vgg_keras *k, const vgg_structure *list) {
    size_t token = 0;
    for (size_t i = 0; i < k->step_count; i++) {
        if (k->steps[i].kind != VGG_KERAS_CONVOLUTION)
            continue;
        while (token < list->count && list->layers[token].type != VGG_LAYER_CONVOLUTION) {
            token++;
        }
        const size_t *shape = k->steps[i].layer->tensors[VGG_KERAS_KERNEL]->array.shape;
        if (token == list->count || list->layers[token].outputs != shape[3] ||
            list->layers[token].kernel != shape[0])
            return false;
        token++;
    }
    for (; token < list->count; token++) {
        if (list->layers[token].type == VGG_LAYER_CONVOLUTION)
            return false;
    }
    return true;
}

/* Which convolutions, counted from 0, a max-pool follows. */
typedef struct pools {
    bool *after;
    size_t count; /* of convolutions */
} pools;

static void pools_of_table(const vgg_structure *list, pools *p) {
    size_t seen = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->layers[i].type == VGG_LAYER_CONVOLUTION)
            seen++;
        else if (list->layers[i].type == VGG_LAYER_MAX_POOL)
            p->after[seen - 1] = true;
    }
}

static vgg_status find_in_table(const vgg_keras *k, pools *p, bool *found, vgg_error *error) {
    const vgg_architecture *row;
    for (size_t i = 0; !*found && (row = vgg_architecture_at(i)) != NULL; i++) {
        vgg_structure list;
        vgg_status status = vgg_structure_of_row(row, &list, error);
        if (status != VGG_OK) {
            vgg_structure_free(&list);
            return status;
        }
        *found = has_widths(k, &list);
        if (*found)
            pools_of_table(&list, p);
        vgg_structure_free(&list);
    }
    return VGG_OK;
}

/* A max-pool ends each block. */
static bool find_by_blocks(const vgg_keras *k, pools *p) {
    int before = 0;
    size_t seen = 0;
    for (size_t i = 0; i < k->step_count; i++) {
        if (k->steps[i].kind != VGG_KERAS_CONVOLUTION)
            continue;
        int block = block_of(k->steps[i].name);
        if (block == 0)
            return false;
        if (seen > 0)
            p->after[seen - 1] = block != before;
        before = block;
        p->after[seen++] = true;
    }
    return seen > 0;
}

static vgg_status insert_pools(vgg_keras *k, const pools *p, vgg_error *error) {
    vgg_keras_step *before = k->steps;
    size_t count = k->step_count, seen = 0;
    k->steps = NULL;
    k->step_count = k->step_capacity = 0;
    vgg_status status = VGG_OK;
    for (size_t i = 0; i < count; i++) {
        if (status == VGG_OK)
            status = vgg_keras_add_step(k, before[i].kind, before[i].name, before[i].layer,
                                        before[i].epsilon, error);
        vgg_free(before[i].name);
        seen += before[i].kind == VGG_KERAS_CONVOLUTION;
        bool normed = i + 1 < count && before[i + 1].kind == VGG_KERAS_BATCH_NORM;
        if (status == VGG_OK && before[i].kind != VGG_KERAS_LINEAR && !normed && seen > 0 &&
            p->after[seen - 1])
            status = vgg_keras_add_step(k, VGG_KERAS_POOL, "pool", NULL, 0, error);
    }
    vgg_free(before);
    return status;
}

static vgg_status find_pools(vgg_keras *k, vgg_error *error) {
    pools p = {0};
    for (size_t i = 0; i < k->step_count; i++) {
        if (k->steps[i].kind == VGG_KERAS_POOL)
            return VGG_OK;
        p.count += k->steps[i].kind == VGG_KERAS_CONVOLUTION;
    }
    p.after = vgg_calloc(p.count + 1, sizeof *p.after);
    if (p.after == NULL)
        return vgg_fail_memory(error, "a list of layers", p.count);
    bool found = find_by_blocks(k, &p);
    vgg_status status = VGG_OK;
    if (!found) {
        memset(p.after, 0, p.count * sizeof *p.after);
        status = find_in_table(k, &p, &found, error);
    }
    if (status == VGG_OK && !found)
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "%s: does not say where its max-pools are, and its %zu convolutions are "
                          "those of none of the architectures A to E; save the whole model, as "
                          ".keras or .h5",
                          k->source->path, p.count);
    if (status == VGG_OK)
        status = insert_pools(k, &p, error);
    vgg_free(p.after);
    return status;
}

vgg_status vgg_keras_read_names(vgg_keras *k, vgg_error *error) {
    bool listed = false;
    k->source->graph.origin = VGG_ORIGIN_SHAPES;
    vgg_status status = read_listed(k, &listed, error);
    if (status == VGG_OK && !listed)
        status = read_numbered(k, error);
    if (status == VGG_OK)
        status = find_pools(k, error);
    return status;
}
