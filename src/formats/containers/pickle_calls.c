/* What the names of a pickle would make when they are called, and what objects are given. */
#include "base/memory.h"
#include "formats/containers/pickle_stack.h"

static vgg_pickle_kind kind_of(const vgg_pickle_machine *m, uint32_t value) {
    return m->pickle->values[value].kind;
}

bool vgg_pickle_machine_global(vgg_pickle_machine *m, const char *module, size_t module_length,
                               const char *name, size_t name_length) {
    vgg_pickle_name found = {.module = module,
                             .name = name,
                             .module_length = module_length,
                             .name_length = name_length,
                             .opcode = m->opcode,
                             .at = m->opcode_at};
    char text[VGG_PICKLE_NAME_TEXT];
    if (vgg_pickle_runs(module, module_length, name, name_length))
        return vgg_pickle_machine_fail(
            m, VGG_ERROR_UNSUPPORTED,
            "its pickle calls %s, which no state dict needs and which is not run",
            vgg_pickle_name_text(&found, text));
    vgg_pickle_value value = {.kind = VGG_PICKLE_GLOBAL};
    value.global = vgg_pickle_find_global(module, module_length, name, name_length);
    if (value.global == NULL && !vgg_pickle_machine_note(m, found, &value.name))
        return false;
    return vgg_pickle_machine_push_new(m, value);
}

/* OrderedDict takes a list of pairs, Counter a dict, defaultdict what makes its values. */
static bool make_dict(vgg_pickle_machine *m, uint32_t arguments) {
    if (!vgg_pickle_machine_push_container(m, VGG_PICKLE_DICT))
        return false;
    uint32_t dict = m->stack[m->stack_count - 1];
    const vgg_pickle *p = m->pickle;
    uint32_t first = p->values[arguments].items.first;
    if (first == VGG_PICKLE_END)
        return true;
    const vgg_pickle_value given = p->values[p->cells[first].value];
    if (given.kind != VGG_PICKLE_DICT && given.kind != VGG_PICKLE_LIST)
        return true;
    for (uint32_t c = given.items.first; c != VGG_PICKLE_END; c = p->cells[c].next) {
        if (given.kind == VGG_PICKLE_DICT) {
            if (!vgg_pickle_machine_append(m, dict, p->cells[c].value))
                return false;
            continue;
        }
        const vgg_pickle_value *pair = &p->values[p->cells[c].value];
        const vgg_pickle_value *parts[3];
        if ((pair->kind != VGG_PICKLE_LIST && pair->kind != VGG_PICKLE_TUPLE) ||
            vgg_pickle_items(p, pair, parts, 3) != 2)
            return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                           "its pickle makes a dict of what are no pairs");
        if (!vgg_pickle_machine_append(m, dict, (uint32_t)(parts[0] - p->values)) ||
            !vgg_pickle_machine_append(m, dict, (uint32_t)(parts[1] - p->values)))
            return false;
    }
    return true;
}

static bool push_opaque(vgg_pickle_machine *m, uint32_t name) {
    vgg_pickle_value value = {.kind = VGG_PICKLE_OPAQUE, .name = name};
    value.items.first = value.items.last = VGG_PICKLE_END;
    return vgg_pickle_machine_push_new(m, value);
}

/* A container of that kind with the arguments as items of its own, to which its state is added. */
static bool push_copy(vgg_pickle_machine *m, vgg_pickle_kind kind, uint32_t arguments) {
    if (!vgg_pickle_machine_push_container(m, kind))
        return false;
    uint32_t made = m->stack[m->stack_count - 1];
    for (uint32_t c = m->pickle->values[arguments].items.first; c != VGG_PICKLE_END;
         c = m->pickle->cells[c].next) {
        if (!vgg_pickle_machine_append(m, made, m->pickle->cells[c].value))
            return false;
    }
    return true;
}

bool vgg_pickle_machine_call(vgg_pickle_machine *m, uint32_t function, uint32_t arguments) {
    if (kind_of(m, arguments) != VGG_PICKLE_TUPLE)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle makes a call without a tuple of arguments");
    /* What an unknown name made may be called in its turn, as functools.partial objects are. */
    if (kind_of(m, function) == VGG_PICKLE_OPAQUE)
        return push_opaque(m, m->pickle->values[function].name);
    if (kind_of(m, function) != VGG_PICKLE_GLOBAL)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle calls a value that has no name");
    const vgg_pickle_global *global = m->pickle->values[function].global;
    if (global == NULL)
        return push_opaque(m, m->pickle->values[function].name);
    vgg_pickle_value made = m->pickle->values[arguments];
    switch (global->role) {
    case VGG_PICKLE_MAKES_DICT:
        return make_dict(m, arguments);
    case VGG_PICKLE_MAKES_TENSOR:
    case VGG_PICKLE_MAKES_TENSOR_V3:
        made.kind = VGG_PICKLE_TENSOR;
        made.global = global;
        return vgg_pickle_machine_push_new(m, made);
    case VGG_PICKLE_CALLS_ITS_FIRST: {
        const vgg_pickle_value *parts[3];
        if (vgg_pickle_items(m->pickle, &made, parts, 3) < 3)
            return push_opaque(m, VGG_PICKLE_NO_NAME);
        const vgg_pickle_global *inner = parts[0]->global;
        bool tensor =
            parts[0]->kind == VGG_PICKLE_GLOBAL && inner != NULL &&
            (inner->role == VGG_PICKLE_MAKES_TENSOR || inner->role == VGG_PICKLE_MAKES_TENSOR_V3) &&
            parts[2]->kind == VGG_PICKLE_TUPLE;
        if (!tensor)
            return push_opaque(m, VGG_PICKLE_NO_NAME);
        made = *parts[2];
        made.kind = VGG_PICKLE_TENSOR;
        made.global = inner;
        return vgg_pickle_machine_push_new(m, made);
    }
    case VGG_PICKLE_MAKES_STORAGE:
        made.kind = VGG_PICKLE_STORAGE;
        made.global = global;
        return vgg_pickle_machine_push_new(m, made);
    case VGG_PICKLE_MAKES_ITS_FIRST:
        if (made.items.first != VGG_PICKLE_END)
            return vgg_pickle_machine_push(m, m->pickle->cells[made.items.first].value);
        return vgg_pickle_machine_push_container(m, VGG_PICKLE_OPAQUE);
    case VGG_PICKLE_MAKES_ARRAY:
        return vgg_pickle_machine_push_container(m, VGG_PICKLE_ARRAY);
    case VGG_PICKLE_MAKES_ARRAY_FROM:
        made.kind = VGG_PICKLE_ARRAY;
        made.global = global;
        return vgg_pickle_machine_push_new(m, made);
    case VGG_PICKLE_MAKES_DTYPE:
        return push_copy(m, VGG_PICKLE_DTYPE, arguments);
    case VGG_PICKLE_MAKES_BYTES:
        made.kind = VGG_PICKLE_BYTES;
        return vgg_pickle_machine_push_new(m, made);
    case VGG_PICKLE_MAKES_OPAQUE:
        return push_opaque(m, VGG_PICKLE_NO_NAME);
    case VGG_PICKLE_IS_TYPE:
        break;
    }
    return vgg_pickle_machine_fail(
        m, VGG_ERROR_UNSUPPORTED,
        "its pickle calls %s.%s, which no state dict needs and which is not run", global->module,
        global->name);
}

bool vgg_pickle_machine_take_state(vgg_pickle_machine *m, uint32_t object, uint32_t state) {
    vgg_pickle_value *to = &m->pickle->values[object], *from = &m->pickle->values[state];
    bool empty = to->items.first == VGG_PICKLE_END;
    if (to->kind == VGG_PICKLE_ARRAY && to->global == NULL && empty &&
        from->kind == VGG_PICKLE_TUPLE)
        to->items = from->items;
    if (to->kind == VGG_PICKLE_DTYPE || (to->kind == VGG_PICKLE_OPAQUE && empty))
        return vgg_pickle_machine_append(m, object, state);
    return true;
}
