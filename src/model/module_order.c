#include "model/module_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "model/module_names.h"

/* ---- the order of the file, or of names ---- */

/* A module with what it is sorted by. */
typedef struct place {
    vgg_module module;
    size_t parent_first; /* the lowest tensor of all modules with this parent */
    bool head;           /* no convolution has this parent */
    bool by_name;        /* the file keeps no order */
} place;

static int compare_parents(const vgg_module *a, const vgg_module *b) {
    size_t shorter = vgg_size_min(a->parent_length, b->parent_length);
    int order = memcmp(a->name, b->name, shorter);
    if (order != 0)
        return order;
    return (a->parent_length > b->parent_length) - (a->parent_length < b->parent_length);
}

static int compare_by_parent(const void *a, const void *b) {
    const place *x = a, *y = b;
    return compare_parents(&x->module, &y->module);
}

static int compare_numbers(size_t a, size_t b) {
    return (a > b) - (a < b);
}

static int compare_places(const void *a, const void *b) {
    const place *x = a, *y = b;
    const vgg_module *m = &x->module, *n = &y->module;
    if (x->head != y->head)
        return x->head ? 1 : -1;
    int order = compare_parents(m, n);
    if (order != 0)
        order = x->by_name ? vgg_name_compare(m->name, m->parent_length, n->name, n->parent_length)
                           : compare_numbers(x->parent_first, y->parent_first);
    else if (m->index != VGG_ANY_MODULES && n->index != VGG_ANY_MODULES)
        order = compare_numbers(m->index, n->index);
    else if (x->by_name && (m->type == VGG_LAYER_LINEAR) != (n->type == VGG_LAYER_LINEAR))
        order = m->type == VGG_LAYER_LINEAR ? 1 : -1;
    else if (x->by_name)
        order = vgg_name_compare(m->name, m->name_length, n->name, n->name_length);
    return order != 0 ? order : compare_numbers(m->first, n->first);
}

/* Finds for each parent where it begins, and whether it has convolutions; sorts by parent. */
static void survey_parents(place *places, size_t count) {
    qsort(places, count, sizeof *places, compare_by_parent);
    for (size_t begin = 0, end; begin < count; begin = end) {
        size_t first = places[begin].module.first;
        bool convolves = false;
        for (end = begin; end < count && compare_by_parent(&places[begin], &places[end]) == 0;
             end++) {
            first = vgg_size_min(first, places[end].module.first);
            convolves = convolves || places[end].module.type == VGG_LAYER_CONVOLUTION;
        }
        for (size_t i = begin; i < end; i++) {
            places[i].parent_first = first;
            places[i].head = !convolves;
        }
    }
}

/* Whether two names differ in more than their numbers. */
static bool words_differ(const vgg_module *a, const vgg_module *b) {
    const char *x = a->name, *y = b->name;
    const char *x_end = x + a->name_length, *y_end = y + b->name_length;
    for (;;) {
        while (x < x_end && *x >= '0' && *x <= '9') {
            x++;
        }
        while (y < y_end && *y >= '0' && *y <= '9') {
            y++;
        }
        if (x == x_end || y == y_end)
            return x != x_end || y != y_end;
        if (*x++ != *y++)
            return true;
    }
}

static bool are_ordered_by_words(const vgg_modules *modules) {
    for (size_t i = 0; i < modules->count; i++) {
        const vgg_module *a = &modules->items[i];
        for (size_t j = i + 1; a->type != VGG_LAYER_BATCH_NORM && j < modules->count; j++) {
            const vgg_module *b = &modules->items[j];
            if (a->type == b->type && a->inputs == b->inputs && a->outputs == b->outputs &&
                a->kernel == b->kernel && words_differ(a, b))
                return true;
        }
    }
    return false;
}

static vgg_status sort(const vgg_tensor_source *source, vgg_modules *modules, vgg_error *error) {
    place *places = vgg_calloc(modules->count + 1, sizeof *places);
    if (places == NULL)
        return vgg_fail_memory(error, "the list of layers", modules->count * sizeof *places);
    /* Both keep tensors in an order of their own. */
    bool by_name = strcmp(source->format->name, "safetensors") == 0 ||
                   strcmp(source->format->name, "onnx") == 0;
    for (size_t i = 0; i < modules->count; i++) {
        places[i] = (place){.module = modules->items[i], .by_name = by_name};
    }
    survey_parents(places, modules->count);
    qsort(places, modules->count, sizeof *places, compare_places);
    for (size_t i = 0; i < modules->count; i++) {
        modules->items[i] = places[i].module;
    }
    modules->ordered_by_words =
        by_name && modules->count <= VGG_MOST_WORDS && are_ordered_by_words(modules);
    vgg_free(places);
    return VGG_OK;
}

/* ---- linear layers that are stored as convolutions ---- */

/* Whether all from a module on can be linear layers and what stands between them. */
static bool all_are_linear(const vgg_modules *modules, size_t from) {
    for (size_t i = from; i < modules->count; i++) {
        if (modules->items[i].type == VGG_LAYER_CONVOLUTION && modules->items[i].kernel != 1)
            return false;
    }
    return true;
}

static void turn_linear(const vgg_tensor_source *source, vgg_modules *modules, size_t from) {
    for (size_t i = from; i < modules->count; i++) {
        vgg_module *module = &modules->items[i];
        if (module->type != VGG_LAYER_CONVOLUTION)
            continue;
        const vgg_stored_tensor *weight = &source->tensors[module->tensors[VGG_TENSOR_WEIGHT]];
        module->type = VGG_LAYER_LINEAR;
        module->inputs = weight->count / weight->shape[0];
    }
}

/* A layer with a kernel that sees all of its input at once is a linear one, as is what follows. */
static void find_linears(const vgg_tensor_source *source, size_t convolutions,
                         vgg_modules *modules) {
    size_t seen = 0;
    for (size_t i = 0; i < modules->count; i++) {
        vgg_module *module = &modules->items[i];
        if (module->type == VGG_LAYER_LINEAR) {
            if (all_are_linear(modules, i))
                turn_linear(source, modules, i);
            return;
        }
        if (module->type != VGG_LAYER_CONVOLUTION)
            continue;
        bool wide = module->kernel != 1 && module->kernel != 3 && i > 0;
        bool told = convolutions != VGG_ANY_MODULES;
        if ((told ? seen == convolutions : wide) && all_are_linear(modules, i + 1)) {
            turn_linear(source, modules, i);
            return;
        }
        seen++;
    }
}

/* ---- the chain ---- */

static const char *name_of(const vgg_tensor_source *source, const vgg_module *module) {
    size_t tensor = module->tensors[VGG_TENSOR_WEIGHT];
    return source->tensors[tensor != VGG_NO_TENSOR ? tensor : module->first].name;
}

static vgg_status check_kernel(const vgg_tensor_source *source, const vgg_module *module,
                               vgg_error *error) {
    const vgg_stored_tensor *weight = &source->tensors[module->tensors[VGG_TENSOR_WEIGHT]];
    if (weight->shape[2] == weight->shape[3] && (module->kernel == 3 || module->kernel == 1))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "tensor \"%.80s\" of %s has a kernel of %zux%zu, expected 3x3 or 1x1",
                    weight->name, source->path, weight->shape[2], weight->shape[3]);
}

/* Whether the module takes what has `channels`, which it then gives on. */
static bool takes(const vgg_module *module, size_t *channels, bool *flat) {
    bool fits;
    switch (module->type) {
    case VGG_LAYER_CONVOLUTION:
        fits = !*flat && (*channels == 0 || module->inputs == *channels);
        break;
    case VGG_LAYER_LINEAR:
        fits = *channels > 0 &&
               (*flat ? module->inputs == *channels : module->inputs % *channels == 0);
        *flat = true;
        break;
    default:
        fits = *channels == module->outputs;
    }
    *channels = module->outputs;
    return fits;
}

/* The number of the first module that does not fit; the count of all when all do. */
static size_t first_misfit(const vgg_modules *modules, size_t *expected) {
    size_t channels = 0;
    bool flat = false;
    for (size_t i = 0; i < modules->count; i++) {
        *expected = channels;
        if (!takes(&modules->items[i], &channels, &flat))
            return i;
    }
    return modules->count;
}

static size_t count_type(const vgg_modules *modules, vgg_layer_type type) {
    size_t count = 0;
    while (vgg_modules_nth(modules, type, count) != NULL) {
        count++;
    }
    return count;
}

/* Whether all normalisations have the sizes of layers of their ranks, from layer `from` on. */
static bool norms_fit(const vgg_modules *modules, size_t from, size_t *norms) {
    size_t layer = 0, layers = modules->count - count_type(modules, VGG_LAYER_BATCH_NORM);
    bool fit = true;
    *norms = 0;
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->items[i].type == VGG_LAYER_BATCH_NORM || layer++ < from)
            continue;
        const vgg_module *norm = vgg_modules_nth(modules, VGG_LAYER_BATCH_NORM, layer - 1 - from);
        fit = fit && (norm == NULL || norm->outputs == modules->items[i].outputs);
        *norms += norm != NULL && layer < layers; /* none follows the last */
    }
    return fit && vgg_modules_nth(modules, VGG_LAYER_BATCH_NORM, *norms) == NULL;
}

/* Normalisations whose names stand apart from those of the layers, as conv1, conv2, bn1, bn2: each
 * goes behind the layer of its rank, or of its rank among linear layers, where it is clear which.
 */
static vgg_status pair_norms(vgg_modules *modules, bool told, vgg_error *error) {
    size_t convolutions = count_type(modules, VGG_LAYER_CONVOLUTION), norms;
    bool all = norms_fit(modules, 0, &norms);
    bool linear = norms_fit(modules, convolutions, &norms);
    size_t from = all ? 0 : convolutions, rank = 0, count = 0, layer = 0;
    /* A told architecture has the order: of each kind of layer the ranks suffice then. */
    if (all == linear && !(all && told))
        return VGG_OK;
    vgg_module *paired = vgg_calloc(modules->count + 1, sizeof *paired);
    if (paired == NULL)
        return vgg_fail_memory(error, "the list of layers", modules->count * sizeof *paired);
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->items[i].type == VGG_LAYER_BATCH_NORM)
            continue;
        paired[count++] = modules->items[i];
        const vgg_module *norm =
            layer++ < from ? NULL : vgg_modules_nth(modules, VGG_LAYER_BATCH_NORM, rank++);
        if (norm != NULL)
            paired[count++] = *norm;
    }
    if (count == modules->count)
        memcpy(modules->items, paired, count * sizeof *paired);
    vgg_free(paired);
    return VGG_OK;
}

/* Puts the linear layers from `at` on in the order of a chain that begins with the one at `first`;
 * false when they are none. */
static bool chain_from(vgg_module *linears, size_t count, size_t first) {
    size_t wanted = first;
    for (size_t i = 0; i < count; i++) {
        if (wanted == count)
            return false;
        const vgg_module next = linears[wanted];
        memmove(&linears[i + 1], &linears[i], (wanted - i) * sizeof *linears);
        linears[i] = next;
        for (wanted = i + 1; wanted < count && linears[wanted].inputs != next.outputs;) {
            wanted++;
        }
    }
    return true;
}

/* Linear layers whose names are in another order than they: head.fc, pre_logits.fc1. They are put
 * right where their sizes leave one order. */
static vgg_status chain_linears(vgg_modules *modules, vgg_error *error) {
    size_t at = modules->count, found = 0;
    while (at > 0 && modules->items[at - 1].type == VGG_LAYER_LINEAR) {
        at--;
    }
    size_t count = modules->count - at, bytes = count * sizeof *modules->items;
    if (at == 0 || count < 2)
        return VGG_OK;
    size_t channels = modules->items[at - 1].outputs;
    vgg_module *tried = vgg_malloc(2 * bytes), *right = tried != NULL ? tried + count : NULL;
    if (tried == NULL)
        return vgg_fail_memory(error, "the list of layers", 2 * bytes);
    for (size_t first = 0; first < count; first++) {
        memcpy(tried, modules->items + at, bytes);
        if (tried[first].inputs % channels != 0 || !chain_from(tried, count, first))
            continue;
        found++;
        memcpy(right, tried, bytes);
    }
    if (found == 1)
        memcpy(modules->items + at, right, bytes);
    vgg_free(tried);
    return VGG_OK;
}

static vgg_status fail_chain(const vgg_tensor_source *source, const vgg_modules *modules,
                             size_t misfit, size_t expected, vgg_error *error) {
    const vgg_module *module = &modules->items[misfit];
    if (misfit == 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its first layer with weights, \"%.80s\", is no convolution, with "
                        "which a VGG network begins",
                        source->path, name_of(source, module));
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: its layers are no chain: \"%.80s\" takes %zu values, \"%.80s\" before it "
                    "gives %zu",
                    source->path, name_of(source, module), module->inputs,
                    name_of(source, module - 1), expected);
}

static vgg_status fail_unknown(const vgg_tensor_source *source, vgg_error *error) {
    if (source->tensor_count == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has no tensors, expected those of a VGG network", source->path);
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is not a VGG network: among its %zu tensors, such as \"%.80s\", is no "
                    "weight of a convolution, of shape KxCx3x3",
                    source->path, source->tensor_count, source->tensors[0].name);
}

vgg_status vgg_modules_sort(const vgg_tensor_source *source, size_t convolutions, bool chained,
                            vgg_modules *modules, vgg_error *error) {
    vgg_status status = sort(source, modules, error);
    bool convolves = false;
    for (size_t i = 0; i < modules->count; i++) {
        convolves = convolves || modules->items[i].type == VGG_LAYER_CONVOLUTION;
    }
    if (status == VGG_OK && !convolves)
        return fail_unknown(source, error);
    if (!chained || status != VGG_OK)
        return status;
    if (modules->count > VGG_MOST_WORDS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has %zu layers with weights, expected at most %d", source->path,
                        modules->count, VGG_MOST_WORDS);
    find_linears(source, convolutions, modules);
    size_t expected, misfit = first_misfit(modules, &expected);
    if (status == VGG_OK && misfit < modules->count) {
        status = pair_norms(modules, convolutions != VGG_ANY_MODULES, error);
        misfit = first_misfit(modules, &expected);
    }
    if (status == VGG_OK && misfit < modules->count) {
        status = chain_linears(modules, error);
        misfit = first_misfit(modules, &expected);
    }
    for (size_t i = 0; status == VGG_OK && i < modules->count; i++) {
        if (modules->items[i].type == VGG_LAYER_CONVOLUTION)
            status = check_kernel(source, &modules->items[i], error);
    }
    /* With a told architecture tensors are compared with its own one by one. */
    if (status == VGG_OK && misfit < modules->count && convolutions == VGG_ANY_MODULES)
        status = fail_chain(source, modules, misfit, expected, error);
    return status;
}

/* ---- what stands beside the network ---- */

/* The length of the names of modules, points included, that all modules lie in. */
static size_t common_prefix(const vgg_modules *modules) {
    const vgg_module *first = &modules->items[0];
    size_t shared = first->name_length;
    for (size_t i = 1; i < modules->count; i++) {
        const vgg_module *module = &modules->items[i];
        size_t length = 0, most = vgg_size_min(shared, module->name_length);
        while (length < most && module->name[length] == first->name[length]) {
            length++;
        }
        shared = length;
    }
    while (shared > 0 && first->name[shared - 1] != '.') {
        shared--;
    }
    return shared;
}

/* Whether another tensor is the bias of the same module. */
static bool has_bias(const vgg_tensor_source *source, const char *name, size_t length) {
    bool found = false;
    for (size_t i = 0; !found && i < source->tensor_count; i++) {
        size_t other;
        const char *theirs = source->tensors[i].name;
        found = vgg_role_of(theirs, &other) == VGG_TENSOR_BIAS && other == length &&
                memcmp(theirs, name, length) == 0;
    }
    return found;
}

/* Whether a vector may be of a module that computes something of what a layer gives, such as a
 * normalisation without running statistics or a PReLU. That of a loss, which weighs the classes,
 * has no bias. */
static bool may_compute(const vgg_tensor_source *source, const vgg_modules *modules,
                        const vgg_stored_tensor *tensor) {
    size_t length;
    if (tensor->dimensions != 1 || vgg_role_of(tensor->name, &length) != VGG_TENSOR_WEIGHT)
        return false;
    bool may = tensor->count == 1;
    for (size_t i = 0; !may && i < modules->count; i++) {
        may = modules->items[i].outputs == tensor->count &&
              (i + 1 < modules->count || has_bias(source, tensor->name, length));
    }
    return may;
}

void vgg_modules_pass_over(const vgg_tensor_source *source, vgg_modules *modules) {
    if (modules->count < 2)
        return;
    size_t prefix = common_prefix(modules);
    const char *name = modules->items[0].name;
    for (size_t i = 0; prefix > 0 && i < source->tensor_count; i++) {
        const vgg_stored_tensor *tensor = &source->tensors[i];
        if (strncmp(tensor->name, name, prefix) != 0 && !may_compute(source, modules, tensor))
            modules->passed_over[i] = true;
    }
}
