/* The order of the layers of a Keras file that does not describe its model: what the attributes
 * "layer_names" and "weight_names" list, or what the names say themselves. What kind of layer a
 * name without tensors stands for is only known where it is one that Keras gives by itself. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/keras/keras.h"

static vgg_status use(vgg_keras *k, vgg_keras_layer *layer, vgg_error *error) {
    layer->used = true;
    return vgg_keras_add_step(
        k,
        (vgg_keras_step){.kind = layer->kind,
                         .layer = layer,
                         .number = VGG_KERAS_EPSILON,
                         .edges = k->padded ? VGG_EDGES_SAME : VGG_EDGES_UNKNOWN},
        layer->name, error);
}

static vgg_status add_gap(vgg_keras *k, size_t modules, bool block_ends, vgg_error *error) {
    return vgg_keras_add_step(
        k, (vgg_keras_step){.kind = VGG_KERAS_GAP, .modules = modules, .block_ends = block_ends},
        "", error);
}

/* ---- names that Keras gives ---- */

static const struct {
    const char *name;
    vgg_keras_kind kind;
    vgg_layer_type type;
} given[] = {
    {"max_pooling2d", VGG_KERAS_PLAIN, VGG_LAYER_MAX_POOL},
    {"average_pooling2d", VGG_KERAS_PLAIN, VGG_LAYER_AVERAGE_POOL_2X2},
    {"global_average_pooling2d", VGG_KERAS_PLAIN, VGG_LAYER_GLOBAL_AVERAGE_POOL},
    {"global_max_pooling2d", VGG_KERAS_PLAIN, VGG_LAYER_GLOBAL_MAX_POOL},
    {"flatten", VGG_KERAS_FLATTEN, VGG_LAYER_DROPOUT},
    {"dropout", VGG_KERAS_PLAIN, VGG_LAYER_DROPOUT},
    {"activation", VGG_KERAS_PLAIN, VGG_LAYER_RELU},
    {"re_lu", VGG_KERAS_PLAIN, VGG_LAYER_RELU},
};

/* They change nothing of what is computed, or nothing that a network here computes: softmax, and
 * what is done with the input, which whoever opens the file has to say. */
static const char *const passed_over[] = {
    "input",           "input_layer",       "spatial_dropout2d", "softmax",
    "gaussian_noise",  "random_flip",       "random_rotation",   "random_zoom",
    "random_contrast", "random_brightness", "rescaling",         "random_translation",
};

/* They compute something that no network here does. */
static const char *const refused[] = {"leaky_re_lu",   "p_re_lu",     "elu",    "thresholded_re_lu",
                                      "add",           "concatenate", "lambda", "permute",
                                      "up_sampling2d", "cropping2d"};

/* Whether the name is that one, with the number that Keras puts behind it or without. */
static bool is_given(const char *name, const char *base) {
    size_t length = strlen(base);
    if (strncmp(name, base, length) != 0)
        return false;
    name += length;
    return *name == '\0' ||
           (*name == '_' && name[1] != '\0' && name[1 + strspn(name + 1, "0123456789")] == '\0');
}

static bool is_one_of(const char *name, const char *const *list, size_t count) {
    bool found = false;
    for (size_t i = 0; !found && i < count; i++) {
        found = is_given(name, list[i]);
    }
    return found;
}

static vgg_status fail_refused(const vgg_keras *k, const char *name, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: its layer \"%.80s\", by this name, is no layer of a VGG network",
                    k->source->path, name);
}

/* A listed layer without tensors. */
static vgg_status add_plain(vgg_keras *k, const char *name, vgg_error *error) {
    if (is_one_of(name, refused, sizeof refused / sizeof *refused))
        return fail_refused(k, name, error);
    if (is_one_of(name, passed_over, sizeof passed_over / sizeof *passed_over))
        return VGG_OK;
    if (is_given(name, "zero_padding2d")) {
        k->padded = true;
        return VGG_OK;
    }
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        if (is_given(name, given[i].name))
            return vgg_keras_add_step(
                k, (vgg_keras_step){.kind = given[i].kind, .type = given[i].type, .number = 0.5},
                name, error);
    }
    return add_gap(k, 1, true, error);
}

/* ---- blocks ---- */

/* The 3 of "block3_conv1"; 0 for other names. */
static int block_of(const char *name) {
    int block;
    return sscanf(name, "block%4d_", &block) == 1 && block > 0 ? block : 0;
}

static vgg_keras_layer *nth(vgg_keras *k, vgg_keras_kind kind, size_t n) {
    for (size_t i = 0; i < k->layer_count; i++) {
        if (k->layers[i].kind == kind && n-- == 0)
            return &k->layers[i];
    }
    return NULL;
}

/* Whether all convolutions are in blocks, several, of which one has more than one. */
static bool find_blocks(vgg_keras *k) {
    size_t count = 0, blocks = 0;
    int before = 0;
    const vgg_keras_layer *layer;
    for (; (layer = nth(k, VGG_KERAS_CONVOLUTION, count)) != NULL; count++) {
        int block = block_of(layer->name);
        if (block == 0)
            return false;
        blocks += block != before;
        before = block;
    }
    return blocks > 1 && blocks < count;
}

static bool is_weighted(const vgg_keras_step *step) {
    return step->kind == VGG_KERAS_CONVOLUTION || step->kind == VGG_KERAS_LINEAR;
}

/* A gap behind the last step, when it is a layer, and before one of that name. */
static vgg_status add_gap_before(vgg_keras *k, const char *name, vgg_error *error) {
    if (k->step_count == 0 || k->steps[k->step_count - 1].layer == NULL)
        return VGG_OK;
    const char *last = k->steps[k->step_count - 1].name;
    return add_gap(k, VGG_ANY_MODULES, !k->has_blocks || block_of(last) != block_of(name), error);
}

/* ---- listed names ---- */

/* The group that the list stands in. */
typedef struct listing {
    vgg_keras *k;
    const char *prefix; /* of all places: "model_weights/" or "" */
    const char *wanted; /* a link's name that is looked for, and where it leads */
    uint64_t address;
    bool found;
    bool open; /* the last layer was one of several in one group, whose pools are not listed */
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
static vgg_status use_tensor(listing *l, const char *group, const char *tensor, bool *inner,
                             vgg_error *error) {
    vgg_text text = {0};
    vgg_text_add(&text, "%s%s/%s", l->prefix, group, tensor);
    char *place = vgg_text_take(&text);
    if (place == NULL)
        return vgg_fail_memory(error, "a tensor's name", strlen(tensor));
    *strrchr(place, '/') = '\0';
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < l->k->layer_count; i++) {
        vgg_keras_layer *layer = &l->k->layers[i];
        if (layer->used || strcmp(layer->place, place) != 0)
            continue;
        if (*inner || l->open)
            status = add_gap_before(l->k, layer->name, error);
        l->open = false;
        *inner = true;
        if (status == VGG_OK)
            status = use(l->k, layer, error);
    }
    vgg_free(place);
    return status;
}

static vgg_status use_listed(listing *l, uint64_t group, const char *name, vgg_error *error) {
    vgg_hdf5_array tensors = {0};
    bool found = false, inner = false;
    vgg_status status = find_link(l, group, name, error);
    if (status == VGG_OK && l->found)
        status =
            vgg_hdf5_attribute(&l->k->file, l->address, "weight_names", &found, &tensors, error);
    if (status == VGG_OK && (!found || tensors.count == 0)) {
        if (l->open)
            status = add_gap_before(l->k, "", error);
        l->open = false;
        return status == VGG_OK ? add_plain(l->k, name, error) : status;
    }
    size_t before = l->k->step_count;
    for (size_t i = 0; status == VGG_OK && found && tensors.text && i < tensors.count; i++) {
        char *tensor = NULL;
        status = vgg_hdf5_text(&l->k->file, &tensors, i, &tensor, error);
        if (status == VGG_OK)
            status = use_tensor(l, name, tensor, &inner, error);
        vgg_free(tensor);
    }
    l->open = l->k->step_count > before + 1;
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

/* A list of layers with tensors only says nothing of what stands between them. */
static vgg_status open_gaps(vgg_keras *k, vgg_error *error) {
    vgg_keras_step *before = k->steps;
    size_t count = k->step_count;
    vgg_status status = VGG_OK;
    for (size_t i = 0; i < count; i++) {
        if (before[i].layer == NULL)
            return VGG_OK;
    }
    k->steps = NULL;
    k->step_count = k->step_capacity = 0;
    for (size_t i = 0; i < count; i++) {
        if (status == VGG_OK)
            status = add_gap_before(k, before[i].name, error);
        if (status == VGG_OK)
            status = vgg_keras_add_step(k, before[i], before[i].name, error);
        vgg_free(before[i].name);
    }
    vgg_free(before);
    return status;
}

/* ---- activations ---- */

/* Whether an activation stands between the layer at that step and the next one with weights, or
 * what stands there is not known. */
static bool is_activated(const vgg_keras *k, size_t step) {
    for (size_t i = step + 1; i < k->step_count && !is_weighted(&k->steps[i]); i++) {
        if (k->steps[i].kind == VGG_KERAS_PLAIN && k->steps[i].type == VGG_LAYER_RELU)
            return true;
        if (k->steps[i].kind == VGG_KERAS_GAP && k->steps[i].modules == VGG_ANY_MODULES)
            return k->steps[step].kind == VGG_KERAS_CONVOLUTION ||
                   (i + 1 < k->step_count && k->steps[i + 1].kind == VGG_KERAS_BATCH_NORM);
    }
    return false;
}

/* The last layer with weights: its activation makes probabilities of logits. */
static size_t last_linear(const vgg_keras *k) {
    size_t last = k->step_count;
    for (size_t i = 0; i < k->step_count; i++) {
        last = k->steps[i].kind == VGG_KERAS_LINEAR ? i : last;
    }
    return last;
}

/* Layers that no activation is listed behind have it in themselves: it is taken for a ReLU. */
static vgg_status give_relus(vgg_keras *k, vgg_error *error) {
    vgg_keras_step *before = k->steps;
    size_t count = k->step_count, last = last_linear(k);
    const vgg_keras as_listed = *k;
    k->steps = NULL;
    k->step_count = k->step_capacity = 0;
    vgg_status status = VGG_OK;
    for (size_t i = 0; i < count; i++) {
        bool relu = before[i].kind == VGG_KERAS_PLAIN && before[i].type == VGG_LAYER_RELU;
        bool gap = before[i].kind == VGG_KERAS_GAP;
        if (status == VGG_OK && !(i > last && (relu || gap)))
            status = vgg_keras_add_step(k, before[i], before[i].name, error);
        if (status == VGG_OK && i != last && is_weighted(&before[i]) &&
            !is_activated(&as_listed, i))
            status = vgg_keras_add_step(
                k, (vgg_keras_step){.kind = VGG_KERAS_PLAIN, .type = VGG_LAYER_RELU}, "", error);
        vgg_free(before[i].name);
    }
    vgg_free(before);
    k->inner_relus = true;
    return status;
}

/* ---- numbered names ---- */

static size_t outputs_of(const vgg_keras_layer *layer) {
    const vgg_hdf5_array *array =
        &layer->tensors[layer->kind == VGG_KERAS_BATCH_NORM ? VGG_KERAS_MEAN : VGG_KERAS_KERNEL]
             ->array;
    /* A scalar, which is refused with its shape later, has none. */
    return array->dimensions == 0 ? 0 : array->shape[array->dimensions - 1];
}

static size_t count_kind(vgg_keras *k, vgg_keras_kind kind) {
    size_t count = 0;
    while (nth(k, kind, count) != NULL) {
        count++;
    }
    return count;
}

/* The layer of that rank among convolutions and then dense layers; NULL beyond the last. */
static vgg_keras_layer *nth_weighted(vgg_keras *k, size_t rank, size_t convolutions) {
    return rank < convolutions ? nth(k, VGG_KERAS_CONVOLUTION, rank)
                               : nth(k, VGG_KERAS_LINEAR, rank - convolutions);
}

/* Whether all normalisations have the sizes of layers of their ranks, from layer `from` on. */
static bool norms_fit(vgg_keras *k, size_t from, size_t convolutions) {
    vgg_keras_layer *norm, *layer;
    for (size_t i = 0; (norm = nth(k, VGG_KERAS_BATCH_NORM, i)) != NULL; i++) {
        layer = nth_weighted(k, from + i, convolutions);
        if (layer == NULL || outputs_of(layer) != outputs_of(norm))
            return false;
    }
    return true;
}

/* Whether the told architecture has its first batch normalisation behind a linear layer. */
static bool told_behind_linear(const vgg_keras *k) {
    vgg_network_options options;
    vgg_structure structure = {0};
    bool flat = false;
    vgg_network_options_init(&options, sizeof options);
    options.arch = k->source->told->arch;
    options.padding = VGG_PADDING_SAME;
    if (vgg_structure_read(&options, &structure, NULL) == VGG_OK)
        for (size_t i = structure.count; i-- > 0;) {
            if (structure.layers[i].type == VGG_LAYER_BATCH_NORM)
                flat = structure.layers[i].flat;
        }
    vgg_structure_free(&structure);
    return flat;
}

/* The rank of the layer that the first normalisation follows. */
static vgg_status find_first_norm(vgg_keras *k, size_t *first, vgg_error *error) {
    size_t convolutions = count_kind(k, VGG_KERAS_CONVOLUTION);
    bool all = norms_fit(k, 0, convolutions), dense = norms_fit(k, convolutions, convolutions);
    *first = all ? 0 : convolutions;
    if (k->source->told != NULL && k->source->told->arch != NULL) {
        *first = told_behind_linear(k) ? convolutions : 0;
        return VGG_OK;
    }
    if (nth(k, VGG_KERAS_BATCH_NORM, 0) == NULL || all != dense)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: does not say which layers its batch normalisations follow: give the "
                    "architecture, --arch, or save the whole model, as .keras or .h5",
                    k->source->path);
}

static vgg_status use_with_norm(vgg_keras *k, vgg_keras_layer *layer, size_t rank, size_t first,
                                vgg_error *error) {
    vgg_keras_layer *norm = rank < first ? NULL : nth(k, VGG_KERAS_BATCH_NORM, rank - first);
    vgg_status status = add_gap_before(k, layer->name, error);
    if (status == VGG_OK)
        status = use(k, layer, error);
    if (status == VGG_OK && norm != NULL)
        status = add_gap_before(k, norm->name, error);
    return status == VGG_OK && norm != NULL ? use(k, norm, error) : status;
}

/* What the names of groups without tensors say of the end of the convolutions. */
static vgg_status add_head(vgg_keras *k, vgg_error *error) {
    const vgg_keras_plain *plain = &k->plain;
    vgg_keras_step step = {.kind = VGG_KERAS_FLATTEN};
    if (plain->global_averages + plain->global_maxima > 0) {
        step.kind = VGG_KERAS_PLAIN;
        step.type =
            plain->global_averages > 0 ? VGG_LAYER_GLOBAL_AVERAGE_POOL : VGG_LAYER_GLOBAL_MAX_POOL;
    } else if (plain->flattens == 0) {
        return VGG_OK;
    }
    vgg_status status = add_gap_before(k, "", error);
    return status == VGG_OK ? vgg_keras_add_step(k, step, "", error) : status;
}

/* "conv2d", "conv2d_1", ...: convolutions, then dense layers, each with the batch normalisation of
 * the same rank. */
static vgg_status read_numbered(vgg_keras *k, vgg_error *error) {
    vgg_keras_layer *layer;
    size_t rank = 0, first = 0;
    vgg_status status = find_first_norm(k, &first, error);
    for (size_t i = 0; status == VGG_OK && (layer = nth(k, VGG_KERAS_CONVOLUTION, i)) != NULL;
         i++) {
        status = use_with_norm(k, layer, rank++, first, error);
    }
    if (status == VGG_OK)
        status = add_head(k, error);
    for (size_t i = 0; status == VGG_OK && (layer = nth(k, VGG_KERAS_LINEAR, i)) != NULL; i++) {
        bool last = nth(k, VGG_KERAS_LINEAR, i + 1) == NULL;
        if (last && k->steps[k->step_count - 1].kind == VGG_KERAS_BATCH_NORM)
            status = add_gap_before(k, layer->name, error);
        if (status != VGG_OK)
            return status;
        status = last ? use(k, layer, error) : use_with_norm(k, layer, rank++, first, error);
    }
    return status;
}

vgg_status vgg_keras_read_names(vgg_keras *k, vgg_error *error) {
    bool listed = false;
    k->source->graph.origin = VGG_ORIGIN_SHAPES;
    k->has_blocks = find_blocks(k);
    vgg_status status = read_listed(k, &listed, error);
    if (status == VGG_OK && !listed && k->plain.refused[0] != '\0')
        status = fail_refused(k, k->plain.refused, error);
    if (status == VGG_OK && !listed) {
        k->numbered = true;
        status = read_numbered(k, error);
    }
    if (status == VGG_OK && listed)
        status = open_gaps(k, error);
    return status == VGG_OK ? give_relus(k, error) : status;
}

void vgg_keras_count_plain(vgg_keras *k, const char *name) {
    vgg_keras_plain *plain = &k->plain;
    plain->max_pools += is_given(name, "max_pooling2d");
    plain->average_pools += is_given(name, "average_pooling2d");
    plain->global_averages += is_given(name, "global_average_pooling2d");
    plain->global_maxima += is_given(name, "global_max_pooling2d");
    plain->flattens += is_given(name, "flatten");
    k->padded = k->padded || is_given(name, "zero_padding2d");
    if (plain->refused[0] == '\0' && is_one_of(name, refused, sizeof refused / sizeof *refused))
        snprintf(plain->refused, sizeof plain->refused, "%s", name);
}
