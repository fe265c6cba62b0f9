/* Walking over a network that was pickled whole. */
#include "formats/pth/pth_module.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* Far more than a network of layers in a row has, so that one in which parts stand in several
 * places again and again ends: modules and tensors together, and what one module has. */
#define DEPTH_MOST 16
#define STEPS_MOST 200000
#define KEYS_MOST 1000

const vgg_pickle_value *vgg_pth_find(const vgg_pickle *pickle, const vgg_pickle_value *dict,
                                     const char *key) {
    const vgg_pickle_value *found, *value;
    if (dict == NULL || dict->kind != VGG_PICKLE_DICT)
        return NULL;
    size_t keys = 0;
    for (uint32_t cell = dict->items.first;
         keys++ < KEYS_MOST && vgg_pickle_next_entry(pickle, &cell, &found, &value);) {
        if (vgg_pickle_is_text(found, key))
            return value;
    }
    return NULL;
}

static bool has_dict(const vgg_pickle *pickle, const vgg_pickle_value *attributes,
                     const char *key) {
    const vgg_pickle_value *value = vgg_pth_find(pickle, attributes, key);
    return value != NULL && value->kind == VGG_PICKLE_DICT;
}

bool vgg_pth_is_module(const vgg_pickle *pickle, const vgg_pickle_value *value) {
    if (value->kind != VGG_PICKLE_OPAQUE)
        return false;
    const vgg_pickle_value *attributes = vgg_pickle_attributes(pickle, value);
    return has_dict(pickle, attributes, "_modules") && has_dict(pickle, attributes, "_parameters");
}

/* ---- walking ---- */

typedef struct walk {
    const vgg_tensor_source *source;
    const vgg_pickle *pickle;
    const vgg_pth_visitor *visitor;
    size_t steps;
    bool open; /* what comes next need not take what came last */
    char name[VGG_PTH_MODULE_NAME];
} walk;

static vgg_status count_step(walk *w, vgg_error *error) {
    if (++w->steps <= STEPS_MOST)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: its network has more than %d modules and tensors", w->source->path,
                    STEPS_MOST);
}

/* Puts a key behind the name; `used` is the length of what stood there. */
static vgg_status add_key(walk *w, const vgg_pickle_value *key, size_t *used, vgg_error *error) {
    *used = strlen(w->name);
    size_t room = sizeof w->name - *used;
    bool text = key->kind == VGG_PICKLE_TEXT && key->text.length + 2 <= room &&
                memchr(key->text.bytes, '\0', key->text.length) == NULL;
    if (!text)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: in its module \"%.80s\" is one whose name is no text of at most %d "
                        "bytes",
                        w->source->path, w->name, VGG_PTH_MODULE_NAME);
    snprintf(w->name + *used, room, "%s%.*s", *used > 0 ? "." : "", (int)key->text.length,
             key->text.bytes);
    return VGG_OK;
}

static vgg_status visit_tensors(walk *w, const vgg_pickle_value *dict, vgg_error *error) {
    const vgg_pickle_value *key, *value;
    vgg_status status = VGG_OK;
    if (dict == NULL || dict->kind != VGG_PICKLE_DICT || w->visitor->tensor == NULL)
        return VGG_OK;
    for (uint32_t cell = dict->items.first;
         status == VGG_OK && vgg_pickle_next_entry(w->pickle, &cell, &key, &value);) {
        size_t used;
        status = count_step(w, error);
        if (status != VGG_OK || value->kind != VGG_PICKLE_TENSOR)
            continue;
        status = add_key(w, key, &used, error);
        if (status == VGG_OK)
            status = w->visitor->tensor(w->visitor->context, w->name, value, error);
        w->name[used] = '\0';
    }
    return status;
}

/* Whether the class runs its parts in their order, whatever is in it. */
static bool runs_in_order(const vgg_pickle *pickle, const vgg_pickle_value *module) {
    static const char *const classes[] = {"Sequential", "DataParallel", "DistributedDataParallel"};
    const vgg_pickle_name *name = &pickle->names[module->name];
    bool runs = false;
    if (module->name == VGG_PICKLE_NO_NAME || name->module_length < 9 ||
        memcmp(name->module, "torch.nn.", 9) != 0)
        return false;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        runs = runs || (strlen(classes[i]) == name->name_length &&
                        memcmp(classes[i], name->name, name->name_length) == 0);
    }
    return runs;
}

static vgg_status visit_leaf(walk *w, const vgg_pickle_value *module, vgg_error *error) {
    bool follows = !w->open;
    w->open = false;
    return w->visitor->module == NULL
               ? VGG_OK
               : w->visitor->module(w->visitor->context, w->name, module, follows, error);
}

static vgg_status visit(walk *w, const vgg_pickle_value *module, size_t depth, vgg_error *error) {
    const vgg_pickle_value *attributes = vgg_pickle_attributes(w->pickle, module);
    const vgg_pickle_value *parts = vgg_pth_find(w->pickle, attributes, "_modules");
    const vgg_pickle_value *key, *part;
    if (depth > DEPTH_MOST)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its module \"%.80s\" lies deeper than in %d others", w->source->path,
                        w->name, DEPTH_MOST);
    vgg_status status = visit_tensors(w, vgg_pth_find(w->pickle, attributes, "_parameters"), error);
    if (status == VGG_OK)
        status = visit_tensors(w, vgg_pth_find(w->pickle, attributes, "_buffers"), error);
    if (status == VGG_OK && parts->items.first == VGG_PICKLE_END)
        return runs_in_order(w->pickle, module) ? VGG_OK : visit_leaf(w, module, error);
    bool ordered = runs_in_order(w->pickle, module);
    for (uint32_t cell = parts->items.first;
         status == VGG_OK && vgg_pickle_next_entry(w->pickle, &cell, &key, &part);) {
        size_t used;
        status = count_step(w, error);
        if (status != VGG_OK || !vgg_pth_is_module(w->pickle, part))
            continue;
        w->open = w->open || !ordered;
        status = add_key(w, key, &used, error);
        if (status == VGG_OK)
            status = visit(w, part, depth + 1, error);
        w->name[used] = '\0';
    }
    w->open = w->open || !ordered;
    return status;
}

vgg_status vgg_pth_visit_module(const vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *module, const vgg_pth_visitor *visitor,
                                vgg_error *error) {
    walk w = {.source = source, .pickle = pickle, .visitor = visitor};
    return visit(&w, module, 0, error);
}
