#include "formats/containers/pickle.h"

#include <string.h>

#include "base/memory.h"
#include "formats/containers/pickle_stack.h"

static vgg_pickle_kind kind_of(const vgg_pickle_machine *m, uint32_t value) {
    return m->pickle->values[value].kind;
}

/* ---- bytes ---- */

static bool take(vgg_pickle_machine *m, size_t count, const unsigned char **bytes) {
    if (count > m->input->size - m->at) {
        vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                "its pickle is truncated: %zu bytes are left, expected %zu",
                                m->input->size - m->at, count);
        return false;
    }
    *bytes = m->input->bytes + m->at;
    m->at += count;
    return true;
}

static bool take_number(vgg_pickle_machine *m, size_t width, uint64_t *number) {
    const unsigned char *bytes;
    if (!take(m, width, &bytes))
        return false;
    *number = 0;
    memcpy(number, bytes, width); /* little-endian, as this vgg_pickle_machine */
    return true;
}

static bool push_text(vgg_pickle_machine *m, uint64_t length) {
    const unsigned char *bytes;
    if (!take(m, length, &bytes))
        return false;
    vgg_pickle_value value = {.kind = VGG_PICKLE_TEXT};
    value.text.bytes = (const char *)bytes;
    value.text.length = length;
    return vgg_pickle_machine_push_new(m, value);
}

static bool take_line(vgg_pickle_machine *m, const char **text, size_t *length) {
    const unsigned char *start = m->input->bytes + m->at;
    const unsigned char *end = memchr(start, '\n', m->input->size - m->at);
    if (end == NULL) {
        vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT, "its pickle is truncated in a name");
        return false;
    }
    *text = (const char *)start;
    *length = (size_t)(end - start);
    m->at += *length + 1;
    return true;
}

/* ---- opcodes: plain values ---- */

static bool do_proto(vgg_pickle_machine *m) {
    uint64_t protocol;
    if (!take_number(m, 1, &protocol))
        return false;
    if (protocol < 2 || protocol > 5)
        return vgg_pickle_machine_fail(
            m, VGG_ERROR_UNSUPPORTED, "its pickle has protocol %d, expected 2 to 5", (int)protocol);
    return true;
}

/* Frames only say how much to read at once. */
static bool do_frame(vgg_pickle_machine *m) {
    uint64_t length;
    return take_number(m, 8, &length);
}

static bool do_stop(vgg_pickle_machine *m) {
    m->stopped = true;
    m->pickle->end = m->at;
    return vgg_pickle_machine_pop(m, &m->pickle->root);
}

static bool do_constant(vgg_pickle_machine *m) {
    vgg_pickle_value value = {.kind = m->opcode == 'N' ? VGG_PICKLE_NONE : VGG_PICKLE_BOOL};
    value.integer = m->opcode == 0x88;
    return vgg_pickle_machine_push_new(m, value);
}

static bool do_integer(vgg_pickle_machine *m) {
    uint64_t number;
    if (!take_number(m, m->opcode == 'K' ? 1 : m->opcode == 'M' ? 2 : 4, &number))
        return false;
    vgg_pickle_value value = {.kind = VGG_PICKLE_INTEGER};
    value.integer = m->opcode == 'J' ? (int32_t)(uint32_t)number : (int64_t)number;
    return vgg_pickle_machine_push_new(m, value);
}

/* Two's complement of as many bytes as are said. */
static bool do_long(vgg_pickle_machine *m) {
    uint64_t length, number;
    if (!take_number(m, m->opcode == 0x8a ? 1 : 4, &length))
        return false;
    if (length > sizeof number)
        return push_text(m, length);
    if (!take_number(m, length, &number))
        return false;
    if (length > 0 && length < sizeof number && (number >> (8 * length - 1)) != 0)
        number |= UINT64_MAX << (8 * length);
    vgg_pickle_value value = {.kind = VGG_PICKLE_INTEGER};
    value.integer = (int64_t)number;
    return vgg_pickle_machine_push_new(m, value);
}

static bool do_float(vgg_pickle_machine *m) {
    uint64_t bits;
    if (!take_number(m, sizeof bits, &bits))
        return false;
    bits = __builtin_bswap64(bits);
    vgg_pickle_value value = {.kind = VGG_PICKLE_NUMBER};
    memcpy(&value.number, &bits, sizeof value.number);
    return vgg_pickle_machine_push_new(m, value);
}

static bool do_text(vgg_pickle_machine *m) {
    static const unsigned char widths[256] = {
        ['U'] = 1, ['C'] = 1, [0x8c] = 1, /* SHORT_BINSTRING, SHORT_BINBYTES, SHORT_BINUNICODE */
        ['T'] = 4, ['X'] = 4, ['B'] = 4,  [0x8d] = 8, [0x8e] = 8, [0x96] = 8,
    };
    uint64_t length;
    return take_number(m, widths[m->opcode], &length) && push_text(m, length);
}

/* ---- opcodes: containers ---- */

static bool do_empty(vgg_pickle_machine *m) {
    return vgg_pickle_machine_push_container(m, m->opcode == ']'    ? VGG_PICKLE_LIST
                                                : m->opcode == ')'  ? VGG_PICKLE_TUPLE
                                                : m->opcode == 0x8f ? VGG_PICKLE_OPAQUE
                                                                    : VGG_PICKLE_DICT);
}

/* An object of an unknown class that takes items is a dict or list, as its class is derived from
 * one. */
static void become(vgg_pickle_machine *m, uint32_t container, vgg_pickle_kind expected) {
    vgg_pickle_value *value = &m->pickle->values[container];
    if (value->kind == VGG_PICKLE_OPAQUE && value->items.first == VGG_PICKLE_END &&
        m->opcode != 0x90)
        value->kind = expected;
}

/* Other opaque values, such as sets, swallow what is put into them. */
static bool add_items(vgg_pickle_machine *m, uint32_t container, vgg_pickle_kind expected,
                      size_t first, size_t count) {
    become(m, container, expected);
    vgg_pickle_kind kind = kind_of(m, container);
    if (kind == VGG_PICKLE_OPAQUE)
        return true;
    if (kind != expected)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle puts an item into what is no %s",
                                       expected == VGG_PICKLE_DICT ? "dict" : "list");
    if (expected == VGG_PICKLE_DICT && count % 2 != 0)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle puts a key without a value into a dict");
    for (size_t i = 0; i < count; i++) {
        if (!vgg_pickle_machine_append(m, container, m->stack[first + i]))
            return false;
    }
    return true;
}

/* APPEND, SETITEM: one item or one key and value. */
static bool do_add(vgg_pickle_machine *m) {
    bool dict = m->opcode == 's';
    uint32_t item, key = 0, container;
    if (!vgg_pickle_machine_pop(m, &item) || (dict && !vgg_pickle_machine_pop(m, &key)) ||
        !vgg_pickle_machine_top(m, &container))
        return false;
    return add_items(m, container, dict ? VGG_PICKLE_DICT : VGG_PICKLE_LIST, m->stack_count,
                     dict ? 2 : 1);
}

/* APPENDS, SETITEMS, ADDITEMS: all above the mark. */
static bool do_add_all(vgg_pickle_machine *m) {
    size_t first, count;
    uint32_t container;
    if (!vgg_pickle_machine_pop_to_mark(m, &first, &count) ||
        !vgg_pickle_machine_top(m, &container))
        return false;
    return add_items(m, container, m->opcode == 'u' ? VGG_PICKLE_DICT : VGG_PICKLE_LIST, first,
                     count);
}

/* Makes a container of the values in the stack from `first` on, which were popped; pushing it may
 * overwrite the first of them, or the mark below it. */
static bool push_items(vgg_pickle_machine *m, vgg_pickle_kind kind, size_t first, size_t count) {
    size_t below = m->stack_count;
    m->stack_count = first + count;
    if (!vgg_pickle_machine_push_container(m, kind))
        return false;
    uint32_t made = m->stack[--m->stack_count];
    for (size_t i = 0; i < count; i++) {
        if (!vgg_pickle_machine_append(m, made, m->stack[first + i]))
            return false;
    }
    m->stack_count = below;
    return vgg_pickle_machine_push(m, made);
}

static bool do_tuple(vgg_pickle_machine *m) {
    size_t first, count;
    if (m->opcode == 't')
        return vgg_pickle_machine_pop_to_mark(m, &first, &count) &&
               push_items(m, VGG_PICKLE_TUPLE, first, count);
    count = m->opcode - 0x84u; /* TUPLE1 to TUPLE3 */
    for (size_t i = 0; i < count; i++) {
        uint32_t item;
        if (!vgg_pickle_machine_pop(m, &item))
            return false;
    }
    return push_items(m, VGG_PICKLE_TUPLE, m->stack_count, count);
}

static bool do_frozen_set(vgg_pickle_machine *m) {
    size_t first, count;
    return vgg_pickle_machine_pop_to_mark(m, &first, &count) &&
           vgg_pickle_machine_push_container(m, VGG_PICKLE_OPAQUE);
}

/* ---- opcodes: stack and memo ---- */

static bool do_mark(vgg_pickle_machine *m) {
    return vgg_pickle_machine_push_mark(m);
}

static bool do_pop(vgg_pickle_machine *m) {
    size_t first, count;
    uint32_t value;
    if (m->opcode == '1' || (m->stack_count > 0 && m->stack[m->stack_count - 1] == VGG_PICKLE_END))
        return vgg_pickle_machine_pop_to_mark(m, &first, &count);
    return vgg_pickle_machine_pop(m, &value);
}

static bool do_dup(vgg_pickle_machine *m) {
    uint32_t value;
    return vgg_pickle_machine_top(m, &value) && vgg_pickle_machine_push(m, value);
}

/* Pickles number their memo from 0 or, under Python 2, from 1, and then without gaps; those of
 * pickletools.optimize have gaps. There are not more places than bytes. */
static bool do_put(vgg_pickle_machine *m) {
    uint64_t place = m->memo_count;
    uint32_t value;
    if (m->opcode != 0x94 && !take_number(m, m->opcode == 'q' ? 1 : 4, &place))
        return false;
    if (!vgg_pickle_machine_top(m, &value))
        return false;
    if (place > m->memo_count && place - m->memo_count > m->at)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle fills place %llu of a memo of %zu",
                                       (unsigned long long)place, m->memo_count);
    return vgg_pickle_machine_remember(m, (size_t)place, value);
}

static bool do_get(vgg_pickle_machine *m) {
    uint64_t place;
    if (!take_number(m, m->opcode == 'h' ? 1 : 4, &place))
        return false;
    if (place >= m->memo_count || m->memo[place] == VGG_PICKLE_END)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle reads place %llu of a memo of %zu",
                                       (unsigned long long)place, m->memo_count);
    return vgg_pickle_machine_push(m, m->memo[place]);
}

/* ---- opcodes: names and calls ---- */

static bool do_global(vgg_pickle_machine *m) {
    const char *module, *name;
    size_t module_length, name_length;
    return take_line(m, &module, &module_length) && take_line(m, &name, &name_length) &&
           vgg_pickle_machine_global(m, module, module_length, name, name_length);
}

static bool do_stack_global(vgg_pickle_machine *m) {
    uint32_t name, module;
    if (!vgg_pickle_machine_pop(m, &name) || !vgg_pickle_machine_pop(m, &module))
        return false;
    if (kind_of(m, name) != VGG_PICKLE_TEXT || kind_of(m, module) != VGG_PICKLE_TEXT)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle has a name that is no text");
    const vgg_pickle_value *n = &m->pickle->values[name], *of = &m->pickle->values[module];
    return vgg_pickle_machine_global(m, of->text.bytes, of->text.length, n->text.bytes,
                                     n->text.length);
}

/* REDUCE, NEWOBJ; NEWOBJ_EX has a dict of named arguments too. */
static bool do_call(vgg_pickle_machine *m) {
    uint32_t named, arguments, function;
    if (m->opcode == 0x92 && !vgg_pickle_machine_pop(m, &named))
        return false;
    return vgg_pickle_machine_pop(m, &arguments) && vgg_pickle_machine_pop(m, &function) &&
           vgg_pickle_machine_call(m, function, arguments);
}

static bool do_build(vgg_pickle_machine *m) {
    uint32_t state, object;
    if (!vgg_pickle_machine_pop(m, &state) || !vgg_pickle_machine_top(m, &object))
        return false;
    vgg_pickle_kind kind = kind_of(m, object);
    bool derived = kind == VGG_PICKLE_LIST && m->pickle->values[object].name != VGG_PICKLE_NO_NAME;
    if (!derived && kind != VGG_PICKLE_DICT && kind != VGG_PICKLE_TENSOR &&
        kind != VGG_PICKLE_DTYPE && kind != VGG_PICKLE_ARRAY && kind != VGG_PICKLE_OPAQUE)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle gives attributes to what has none");
    return vgg_pickle_machine_take_state(m, object, state);
}

/* torch's persistent ids: ("storage", ...), and in old files ("module", class, file, source), which
 * is the class. */
static bool do_persistent(vgg_pickle_machine *m) {
    uint32_t id;
    if (!vgg_pickle_machine_pop(m, &id))
        return false;
    vgg_pickle_value value = m->pickle->values[id];
    const vgg_pickle_value *parts[2];
    size_t count =
        value.kind == VGG_PICKLE_TUPLE ? vgg_pickle_items(m->pickle, &value, parts, 2) : 0;
    if (count == 2 && vgg_pickle_is_text(parts[0], "module"))
        return vgg_pickle_machine_push(m, (uint32_t)(parts[1] - m->pickle->values));
    if (count == 0 || !vgg_pickle_is_text(parts[0], "storage"))
        return vgg_pickle_machine_fail(
            m, VGG_ERROR_UNSUPPORTED,
            "its pickle refers to something outside it that is no storage");
    value.kind = VGG_PICKLE_STORAGE;
    return vgg_pickle_machine_push_new(m, value);
}

/* ---- running ---- */

static bool (*const actions[256])(vgg_pickle_machine *) = {
    [0x80] = do_proto,        [0x95] = do_frame,     ['.'] = do_stop,        ['N'] = do_constant,
    [0x88] = do_constant,     [0x89] = do_constant,  ['J'] = do_integer,     ['K'] = do_integer,
    ['M'] = do_integer,       [0x8a] = do_long,      [0x8b] = do_long,       ['G'] = do_float,
    ['U'] = do_text,          ['T'] = do_text,       ['X'] = do_text,        [0x8c] = do_text,
    [0x8d] = do_text,         ['B'] = do_text,       ['C'] = do_text,        [0x8e] = do_text,
    [0x96] = do_text,         [']'] = do_empty,      [')'] = do_empty,       ['}'] = do_empty,
    [0x8f] = do_empty,        ['a'] = do_add,        ['s'] = do_add,         ['e'] = do_add_all,
    ['u'] = do_add_all,       [0x90] = do_add_all,   ['t'] = do_tuple,       [0x85] = do_tuple,
    [0x86] = do_tuple,        [0x87] = do_tuple,     ['('] = do_mark,        ['0'] = do_pop,
    ['1'] = do_pop,           ['2'] = do_dup,        ['q'] = do_put,         ['r'] = do_put,
    [0x94] = do_put,          ['h'] = do_get,        ['j'] = do_get,         ['c'] = do_global,
    [0x93] = do_stack_global, ['R'] = do_call,       [0x81] = do_call,       [0x92] = do_call,
    ['b'] = do_build,         ['Q'] = do_persistent, [0x91] = do_frozen_set,
};

static bool step(vgg_pickle_machine *m) {
    const unsigned char *byte;
    m->opcode_at = m->at;
    m->opcode = '.';
    if (!take(m, 1, &byte))
        return false;
    m->opcode = *byte;
    if (actions[m->opcode] == NULL)
        return vgg_pickle_machine_fail(m, VGG_ERROR_UNSUPPORTED,
                                       "its pickle has an opcode that no state dict needs");
    return actions[m->opcode](m);
}

vgg_status vgg_pickle_read(const vgg_pickle_input *input, vgg_pickle *pickle, vgg_error *error) {
    vgg_pickle_machine m = {.input = input, .pickle = pickle, .at = input->start, .error = error};
    pickle->record = input->record;
    while (!m.stopped && step(&m)) {
    }
    vgg_free(m.stack);
    vgg_free(m.memo);
    return m.status;
}

void vgg_pickle_free(vgg_pickle *pickle) {
    vgg_free(pickle->values);
    vgg_free(pickle->cells);
    vgg_free(pickle->names);
    *pickle = (vgg_pickle){0};
}
