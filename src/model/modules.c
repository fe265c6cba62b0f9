/* From tensors to modules: which tensors belong together, and what they are. */
#include "model/modules.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/module_names.h"
#include "model/module_order.h"

void vgg_modules_free(vgg_modules *modules) {
    vgg_free(modules->items);
    vgg_free(modules->passed_over);
    *modules = (vgg_modules){0};
}

/* ---- grouping ---- */

/* A tensor whose name says its role. */
typedef struct part {
    const char *name;
    size_t module_length, role, tensor;
} part;

static int compare_parts(const void *a, const void *b) {
    const part *x = a, *y = b;
    size_t shorter = vgg_size_min(x->module_length, y->module_length);
    int order = memcmp(x->name, y->name, shorter);
    if (order != 0)
        return order;
    if (x->module_length != y->module_length)
        return x->module_length < y->module_length ? -1 : 1;
    return (x->tensor > y->tensor) - (x->tensor < y->tensor);
}

static void name_module(vgg_module *module, const char *name, size_t length) {
    size_t before = 0;
    module->name = name;
    module->name_length = length;
    module->index = VGG_ANY_MODULES;
    bool numbered = vgg_name_number(name, length, &module->index, &before);
    if (!numbered || (before > 0 && name[before - 1] != '.')) {
        module->index = VGG_ANY_MODULES;
        while (before > 0 && name[before - 1] != '.') {
            before--;
        }
        if (!numbered) {
            for (before = length; before > 0 && name[before - 1] != '.';) {
                before--;
            }
        }
    }
    module->parent_length = before > 0 ? before - 1 : 0;
}

/* Makes modules of the parts, which are sorted; a role that occurs twice is left to the rest. */
static void group_parts(const part *parts, size_t count, vgg_modules *modules) {
    for (size_t i = 0; i < count; i++) {
        bool same = i > 0 && parts[i].module_length == parts[i - 1].module_length &&
                    memcmp(parts[i].name, parts[i - 1].name, parts[i].module_length) == 0;
        if (!same) {
            vgg_module *module = &modules->items[modules->count++];
            *module = (vgg_module){.first = parts[i].tensor};
            for (size_t role = 0; role < VGG_MODULE_TENSORS; role++) {
                module->tensors[role] = VGG_NO_TENSOR;
            }
            name_module(module, parts[i].name, parts[i].module_length);
        }
        vgg_module *module = &modules->items[modules->count - 1];
        if (module->tensors[parts[i].role] == VGG_NO_TENSOR)
            module->tensors[parts[i].role] = parts[i].tensor;
        module->first = vgg_size_min(module->first, parts[i].tensor);
    }
}

static vgg_status group_by_name(const vgg_tensor_source *source, vgg_modules *modules,
                                vgg_error *error) {
    part *parts = vgg_calloc(source->tensor_count + 1, sizeof *parts);
    if (parts == NULL)
        return vgg_fail_memory(error, "the names of tensors", source->tensor_count * sizeof *parts);
    size_t count = 0;
    for (size_t i = 0; i < source->tensor_count; i++) {
        part *p = &parts[count];
        *p = (part){.name = source->tensors[i].name, .tensor = i};
        p->role = vgg_role_of(p->name, &p->module_length);
        if (p->role == VGG_ROLE_COUNTER)
            modules->passed_over[i] = true;
        count += p->role < VGG_MODULE_TENSORS;
    }
    qsort(parts, count, sizeof *parts, compare_parts);
    group_parts(parts, count, modules);
    vgg_free(parts);
    return VGG_OK;
}

/* Names that say nothing: a tensor of two or four dimensions begins a layer, and the vectors behind
 * it are its bias and, four together, a batch normalisation. */
static void group_by_shape(const vgg_tensor_source *source, vgg_modules *modules) {
    vgg_module *module = NULL;
    for (size_t i = 0; i < source->tensor_count;) {
        const vgg_stored_tensor *tensor = &source->tensors[i];
        size_t vectors = 0;
        while (tensor->dimensions == 1 && i + vectors < source->tensor_count &&
               source->tensors[i + vectors].dimensions == 1 &&
               source->tensors[i + vectors].count == tensor->count) {
            vectors++;
        }
        if (tensor->dimensions == 2 || tensor->dimensions == 4) {
            module = &modules->items[modules->count++];
            *module = (vgg_module){
                .first = i,
                .tensors = {i, VGG_NO_TENSOR, VGG_NO_TENSOR, VGG_NO_TENSOR},
                .index = VGG_ANY_MODULES,
                .name = tensor->name,
                .name_length = strlen(tensor->name),
            };
            i++;
            continue;
        }
        if (module != NULL && (vectors == 1 || vectors == 5)) {
            module->tensors[VGG_TENSOR_BIAS] = i++;
            vectors--;
        }
        if (module != NULL && vectors == 4) {
            module = &modules->items[modules->count++];
            *module = (vgg_module){
                .first = i,
                .tensors = {i, i + 1, i + 2, i + 3},
                .index = VGG_ANY_MODULES,
                .name = source->tensors[i].name,
                .name_length = strlen(source->tensors[i].name),
            };
        }
        i += vgg_size_max(vectors, tensor->dimensions == 1 ? 0 : 1);
        module = NULL;
    }
}

/* ---- kinds ---- */

static bool is_vector(const vgg_tensor_source *source, size_t tensor, size_t count) {
    return tensor != VGG_NO_TENSOR && source->tensors[tensor].dimensions == 1 &&
           source->tensors[tensor].count == count;
}

/* Fills in what the tensors show; false for a module that is no layer of a VGG network. */
static bool find_kind(const vgg_tensor_source *source, vgg_module *module) {
    const size_t *t = module->tensors;
    const vgg_stored_tensor *weight =
        t[VGG_TENSOR_WEIGHT] != VGG_NO_TENSOR ? &source->tensors[t[VGG_TENSOR_WEIGHT]] : NULL;
    bool statistics =
        t[VGG_TENSOR_MEAN] != VGG_NO_TENSOR && t[VGG_TENSOR_VARIANCE] != VGG_NO_TENSOR;
    if (statistics) {
        size_t count = source->tensors[t[VGG_TENSOR_MEAN]].count;
        module->type = VGG_LAYER_BATCH_NORM;
        module->outputs = module->inputs = count;
        return is_vector(source, t[VGG_TENSOR_MEAN], count) &&
               is_vector(source, t[VGG_TENSOR_VARIANCE], count) &&
               (weight == NULL || is_vector(source, t[VGG_TENSOR_WEIGHT], count)) &&
               (t[VGG_TENSOR_BIAS] == VGG_NO_TENSOR ||
                is_vector(source, t[VGG_TENSOR_BIAS], count));
    }
    if (weight == NULL || (weight->dimensions != 2 && weight->dimensions != 4) ||
        t[VGG_TENSOR_MEAN] != VGG_NO_TENSOR || t[VGG_TENSOR_VARIANCE] != VGG_NO_TENSOR ||
        weight->count == 0)
        return false;
    module->type = weight->dimensions == 4 ? VGG_LAYER_CONVOLUTION : VGG_LAYER_LINEAR;
    module->outputs = weight->shape[0];
    module->inputs = weight->shape[1];
    module->kernel = weight->dimensions == 4 ? weight->shape[2] : 1;
    return true;
}

/* Keeps the modules that are layers. */
static void keep_layers(const vgg_tensor_source *source, vgg_modules *modules) {
    size_t kept = 0;
    for (size_t i = 0; i < modules->count; i++) {
        if (find_kind(source, &modules->items[i]))
            modules->items[kept++] = modules->items[i];
    }
    modules->count = kept;
}

/* ---- tensors that are left out because they do nothing ---- */

/* Appends a vector to the source's tensors, under the name that it would have. */
static vgg_status append_vector(vgg_tensor_source *source, vgg_module *module, size_t role,
                                float value, const char *field, vgg_error *error) {
    size_t count = source->tensor_count;
    vgg_stored_tensor *tensors = vgg_realloc(source->tensors, (count + 1) * sizeof *tensors);
    if (tensors == NULL)
        return vgg_fail_memory(error, "the list of tensors", (count + 1) * sizeof *tensors);
    source->tensors = tensors;
    vgg_stored_tensor vector;
    vgg_status status =
        vgg_tensor_source_vector(source, module->outputs, value, field, &vector, error);
    if (status != VGG_OK)
        return status;
    vgg_text text = {0};
    vgg_text_add(&text, "%.*s.%s", (int)module->name_length, module->name, field);
    vector.name = vgg_text_take(&text);
    if (vector.name == NULL)
        return vgg_fail_memory(error, "a tensor's name", module->name_length);
    tensors[count] = vector;
    source->tensor_count++;
    module->tensors[role] = count;
    return VGG_OK;
}

static bool lacks_all(const vgg_modules *modules, vgg_layer_type type, size_t role) {
    bool lacks = true;
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->items[i].type == type)
            lacks = lacks && modules->items[i].tensors[role] == VGG_NO_TENSOR;
    }
    return lacks;
}

/* Whether the layer may be without a bias: all of its kind are, or it is normalised next. */
static bool may_lack_bias(const vgg_modules *modules, size_t module, const bool *all_lack) {
    const vgg_module *next = module + 1 < modules->count ? &modules->items[module + 1] : NULL;
    return all_lack[modules->items[module].type] ||
           (next != NULL && next->type == VGG_LAYER_BATCH_NORM);
}

static vgg_status fill_in(vgg_tensor_source *source, vgg_modules *modules, vgg_error *error) {
    bool all_lack[VGG_LAYER_GLOBAL_MAX_POOL + 1] = {false};
    static const vgg_layer_type types[] = {VGG_LAYER_CONVOLUTION, VGG_LAYER_LINEAR,
                                           VGG_LAYER_BATCH_NORM};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        all_lack[types[i]] = lacks_all(modules, types[i], VGG_TENSOR_BIAS);
    }
    bool plain_norms = all_lack[VGG_LAYER_BATCH_NORM] &&
                       lacks_all(modules, VGG_LAYER_BATCH_NORM, VGG_TENSOR_WEIGHT);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < modules->count; i++) {
        vgg_module *module = &modules->items[i];
        bool norm = module->type == VGG_LAYER_BATCH_NORM;
        bool lacks = module->tensors[VGG_TENSOR_BIAS] == VGG_NO_TENSOR;
        if (norm && plain_norms)
            status = append_vector(source, module, VGG_TENSOR_WEIGHT, 1, "weight", error);
        if (status == VGG_OK && lacks && (norm ? plain_norms : may_lack_bias(modules, i, all_lack)))
            status = append_vector(source, module, VGG_TENSOR_BIAS, 0, "bias", error);
    }
    return status;
}

vgg_status vgg_modules_add_classifier(vgg_tensor_source *source, vgg_modules *modules,
                                      vgg_error *error) {
    static const char name[] = "classifier.0";
    const vgg_module *last = &modules->items[modules->count - 1];
    vgg_module module = {.type = VGG_LAYER_LINEAR,
                         .tensors = {VGG_NO_TENSOR, VGG_NO_TENSOR, VGG_NO_TENSOR, VGG_NO_TENSOR},
                         .inputs = last->outputs,
                         .outputs = last->outputs,
                         .kernel = 1,
                         .name = name,
                         .name_length = sizeof name - 1,
                         .parent_length = sizeof "classifier" - 1,
                         .first = source->tensor_count};
    vgg_status status = append_vector(source, &module, VGG_TENSOR_WEIGHT, 0, "weight", error);
    if (status != VGG_OK)
        return status;
    vgg_stored_tensor *weight = &source->tensors[module.tensors[VGG_TENSOR_WEIGHT]];
    weight->dimensions = 2;
    weight->shape[0] = module.outputs = 1;
    weight->shape[1] = module.inputs;
    status = append_vector(source, &module, VGG_TENSOR_BIAS, 0, "bias", error);
    modules->items[modules->count++] = module;
    modules->linears++;
    return status;
}

/* ---- all together ---- */

static vgg_status reserve(const vgg_tensor_source *source, vgg_modules *modules, vgg_error *error) {
    size_t count = source->tensor_count;
    /* There may be a classifier more, and each may get up to two tensors more. */
    modules->items = vgg_calloc(count + 1, sizeof *modules->items);
    modules->passed_over = vgg_calloc(3 * (count + 1), sizeof *modules->passed_over);
    if (modules->items == NULL || modules->passed_over == NULL)
        return vgg_fail_memory(error, "the list of layers", count * sizeof *modules->items);
    return VGG_OK;
}

static void count_kinds(vgg_modules *modules) {
    for (size_t i = 0; i < modules->count; i++) {
        modules->convolutions += modules->items[i].type == VGG_LAYER_CONVOLUTION;
        modules->norms += modules->items[i].type == VGG_LAYER_BATCH_NORM;
        modules->linears += modules->items[i].type == VGG_LAYER_LINEAR;
    }
}

vgg_status vgg_modules_read(vgg_tensor_source *source, size_t convolutions, bool described,
                            vgg_modules *modules, vgg_error *error) {
    vgg_status status = reserve(source, modules, error);
    if (status == VGG_OK)
        status = group_by_name(source, modules, error);
    if (status != VGG_OK)
        return status;
    if (modules->count == 0)
        group_by_shape(source, modules);
    keep_layers(source, modules);
    status = vgg_modules_sort(source, convolutions, !described, modules, error);
    if (status == VGG_OK && !described)
        status = fill_in(source, modules, error);
    count_kinds(modules);
    if (status == VGG_OK && !described)
        vgg_modules_pass_over(source, modules);
    return status;
}

vgg_status vgg_modules_of_evidence(const vgg_tensor_source *source, vgg_modules *modules,
                                   vgg_error *error) {
    vgg_status status = reserve(source, modules, error);
    const vgg_evidence *evidence = &source->graph.evidence;
    size_t tensor = 0;
    for (size_t i = 0; status == VGG_OK && i < evidence->count; i++) {
        const vgg_clue *clue = &evidence->clues[i];
        bool norm = clue->layer.type == VGG_LAYER_BATCH_NORM;
        if (clue->gap || clue->flattens ||
            (!norm && clue->layer.type != VGG_LAYER_CONVOLUTION &&
             clue->layer.type != VGG_LAYER_LINEAR))
            continue;
        size_t tensors = norm ? 4 : 2;
        if (tensor + tensors > source->tensor_count)
            return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has fewer tensors than its layers take",
                            source->path);
        const vgg_stored_tensor *weight = &source->tensors[tensor];
        vgg_module *module = &modules->items[modules->count++];
        *module =
            (vgg_module){.type = clue->layer.type,
                         .first = tensor,
                         .outputs = weight->shape[0],
                         .inputs = clue->layer.type == VGG_LAYER_CONVOLUTION ? weight->shape[1]
                                   : norm                                    ? weight->count
                                          : weight->count / weight->shape[0],
                         .kernel = weight->dimensions == 4 ? weight->shape[2] : 1,
                         .name = weight->name,
                         .name_length = strlen(weight->name),
                         .index = VGG_ANY_MODULES};
        for (size_t role = 0; role < VGG_MODULE_TENSORS; role++) {
            module->tensors[role] = role < tensors ? tensor + role : VGG_NO_TENSOR;
        }
        tensor += tensors;
    }
    count_kinds(modules);
    return status;
}
