/* What a checkpoint holds beside its weights, as JSON: numbers, texts, lists and dicts, and tensors
 * and arrays of a few values as lists. The rest is left out. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/array_tensor.h"
#include "formats/pth/pth.h"

/* Class names may be many; nothing else is. */
#define VALUES_MOST 200000
#define DEPTH_MOST 4
#define FEW_VALUES 4
#define TEXT_MOST 200

typedef struct telling {
    vgg_tensor_source *source;
    const vgg_pickle *pickle;
    const vgg_pickle_value *state;
    const vgg_pth_storages *storages;
    size_t values;
    bool memory; /* ran out */
} telling;

static json_t *tell(telling *t, const vgg_pickle_value *value, size_t depth);

/* NULL when memory ran out for it, which the telling remembers. */
static json_t *checked(telling *t, json_t *value) {
    t->memory = t->memory || value == NULL;
    return value;
}

/* Copies a text of a name's length; false for a longer one and for what is no UTF-8. */
static bool copy_text(const vgg_pickle_value *value, char text[TEXT_MOST]) {
    if (value->text.length >= TEXT_MOST ||
        memchr(value->text.bytes, '\0', value->text.length) != NULL)
        return false;
    memcpy(text, value->text.bytes, value->text.length);
    text[value->text.length] = '\0';
    return vgg_utf8_valid(text);
}

static json_t *tell_text(telling *t, const vgg_pickle_value *value) {
    char text[TEXT_MOST];
    return copy_text(value, text) ? checked(t, json_string(text)) : NULL;
}

static json_t *tell_few(telling *t, const vgg_stored_tensor *tensor) {
    float values[FEW_VALUES];
    vgg_elements_to_float(tensor->type->element, tensor->bytes, tensor->count, values);
    json_t *list = checked(t, json_array());
    for (size_t i = 0; i < tensor->count; i++) {
        json_t *number = isfinite(values[i]) ? json_real((double)values[i]) : json_null();
        if (json_array_append_new(list, number) != 0)
            t->memory = true;
    }
    return list;
}

/* One that cannot be read is left out, too: the weights do not need it. */
static json_t *tell_tensor(telling *t, const vgg_pickle_value *value) {
    char name[] = "beside the weights";
    vgg_stored_tensor tensor = {.name = name};
    vgg_pickle_array array;
    vgg_error reason;
    vgg_status status = VGG_ERROR_FORMAT;
    size_t dimensions;
    /* One of many values has dimensions here, and need not be brought together. */
    bool few = vgg_pth_is_tensor(t->pickle, value, &dimensions) && dimensions == 0;
    if (value->kind == VGG_PICKLE_TENSOR && few)
        status = vgg_pth_take_tensor(t->source, t->pickle, value, t->storages, &tensor, &reason);
    else if (vgg_pickle_array_read(t->pickle, value, &array) && array.type != NULL &&
             array.count <= FEW_VALUES)
        status = vgg_array_take(t->source, &array, &tensor, &reason);
    t->memory = t->memory || status == VGG_ERROR_MEMORY;
    if (status != VGG_OK || tensor.count > FEW_VALUES || tensor.count == 0 ||
        !vgg_element_is_weight(tensor.type->element))
        return NULL;
    return tell_few(t, &tensor);
}

static json_t *tell_list(telling *t, const vgg_pickle_value *value, size_t depth) {
    json_t *list = checked(t, json_array());
    for (uint32_t c = value->items.first; c != VGG_PICKLE_END && t->values < VALUES_MOST;
         c = t->pickle->cells[c].next) {
        json_t *item = tell(t, &t->pickle->values[t->pickle->cells[c].value], depth + 1);
        if (json_array_append_new(list, item != NULL ? item : json_null()) != 0)
            t->memory = true;
    }
    return list;
}

/* Keys that are numbers, as in idx_to_class, become text. */
static bool key_text(const vgg_pickle_value *key, char text[TEXT_MOST]) {
    if (key->kind == VGG_PICKLE_TEXT)
        return copy_text(key, text);
    if (key->kind != VGG_PICKLE_INTEGER)
        return false;
    snprintf(text, TEXT_MOST, "%" PRId64, key->integer);
    return true;
}

static json_t *tell_dict(telling *t, const vgg_pickle_value *dict, size_t depth) {
    json_t *object = checked(t, json_object());
    const vgg_pickle_value *key, *value;
    for (uint32_t cell = dict->items.first;
         t->values < VALUES_MOST && vgg_pickle_next_entry(t->pickle, &cell, &key, &value);) {
        char text[TEXT_MOST];
        /* What begins so is an object's own business, such as the parts of a network. */
        json_t *told = key_text(key, text) && text[0] != '_' ? tell(t, value, depth + 1) : NULL;
        if (told != NULL && json_object_set_new(object, text, told) != 0)
            t->memory = true;
    }
    return object;
}

static json_t *tell(telling *t, const vgg_pickle_value *value, size_t depth) {
    if (++t->values > VALUES_MOST || depth > DEPTH_MOST || (value == t->state && depth > 0) ||
        t->memory)
        return NULL;
    switch (value->kind) {
    case VGG_PICKLE_BOOL:
        return checked(t, json_boolean(value->integer != 0));
    case VGG_PICKLE_INTEGER:
        return checked(t, json_integer((json_int_t)value->integer));
    case VGG_PICKLE_NUMBER:
        return isfinite(value->number) ? checked(t, json_real(value->number)) : NULL;
    case VGG_PICKLE_TEXT:
        return tell_text(t, value);
    case VGG_PICKLE_LIST:
    case VGG_PICKLE_TUPLE:
        return tell_list(t, value, depth);
    case VGG_PICKLE_TENSOR:
    case VGG_PICKLE_ARRAY:
        return tell_tensor(t, value);
    case VGG_PICKLE_DICT:
    case VGG_PICKLE_OPAQUE: {
        const vgg_pickle_value *dict = vgg_pickle_attributes(t->pickle, value);
        return dict != NULL ? tell_dict(t, dict, depth) : NULL;
    }
    default:
        return NULL;
    }
}

vgg_status vgg_pth_take_beside(vgg_tensor_source *source, const vgg_pickle *pickle,
                               const vgg_pickle_value *state, const vgg_pth_storages *storages,
                               vgg_error *error) {
    const vgg_pickle_value *root = &pickle->values[pickle->root];
    telling t = {.source = source, .pickle = pickle, .state = state, .storages = storages};
    if ((root == state && state->kind == VGG_PICKLE_DICT) ||
        vgg_pickle_attributes(pickle, root) == NULL)
        return VGG_OK;
    source->beside = tell(&t, root, 0);
    if (t.memory)
        return vgg_fail_memory(error, "what stands beside the weights", t.values);
    return VGG_OK;
}
