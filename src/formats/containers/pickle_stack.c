#include "formats/containers/pickle_stack.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* The state dict of a network with its optimiser has some thousand values. An opcode makes one at
 * most, so that the file's size limits them too. */
#define ENTRIES_MAX ((size_t)1 << 21)
#define MARK VGG_PICKLE_END

bool vgg_pickle_machine_fail(vgg_pickle_machine *m, vgg_status status, const char *format, ...) {
    char text[320], opcode[VGG_PICKLE_OPCODE_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *record = m->input->record;
    m->status = vgg_fail(m->error, status, "%s: %s (opcode %s at byte %zu%s%s)", m->input->path,
                         text, vgg_pickle_opcode_name(m->opcode, opcode), m->opcode_at,
                         record == NULL ? "" : " of ", record == NULL ? "" : record);
    return false;
}

/* ---- growing lists ---- */

static bool make_room(vgg_pickle_machine *m, void *list, size_t count, size_t *capacity,
                      size_t item, const char *what) {
    if (count < *capacity)
        return true;
    if (count >= ENTRIES_MAX)
        return vgg_pickle_machine_fail(m, VGG_ERROR_UNSUPPORTED,
                                       "its pickle needs a %s of more than %zu entries", what,
                                       ENTRIES_MAX);
    size_t grown = vgg_size_max(2 * *capacity, vgg_size_max(count + 1, 64));
    void *bytes;
    memcpy(&bytes, list, sizeof bytes);
    bytes = vgg_realloc(bytes, grown * item);
    if (bytes == NULL) {
        m->status = vgg_fail_memory(m->error, "a pickle's values", grown * item);
        return false;
    }
    memcpy(list, &bytes, sizeof bytes);
    *capacity = grown;
    return true;
}

bool vgg_pickle_machine_push(vgg_pickle_machine *m, uint32_t value) {
    if (!make_room(m, &m->stack, m->stack_count, &m->stack_capacity, sizeof *m->stack, "stack"))
        return false;
    m->stack[m->stack_count++] = value;
    return true;
}

bool vgg_pickle_machine_push_mark(vgg_pickle_machine *m) {
    return vgg_pickle_machine_push(m, MARK);
}

bool vgg_pickle_machine_push_new(vgg_pickle_machine *m, vgg_pickle_value value) {
    vgg_pickle *p = m->pickle;
    if (!make_room(m, &p->values, p->value_count, &p->value_capacity, sizeof *p->values,
                   "list of values"))
        return false;
    p->values[p->value_count] = value;
    return vgg_pickle_machine_push(m, (uint32_t)p->value_count++);
}

bool vgg_pickle_machine_note(vgg_pickle_machine *m, vgg_pickle_name name, uint32_t *number) {
    vgg_pickle *p = m->pickle;
    if (p->name_count == 0)
        p->name_count = 1;
    if (!make_room(m, &p->names, p->name_count, &p->name_capacity, sizeof *p->names,
                   "list of names"))
        return false;
    p->names[0] = (vgg_pickle_name){0};
    *number = (uint32_t)p->name_count;
    p->names[p->name_count++] = name;
    return true;
}

bool vgg_pickle_machine_push_container(vgg_pickle_machine *m, vgg_pickle_kind kind) {
    vgg_pickle_value value = {.kind = kind};
    value.items.first = value.items.last = VGG_PICKLE_END;
    return vgg_pickle_machine_push_new(m, value);
}

bool vgg_pickle_machine_append(vgg_pickle_machine *m, uint32_t container, uint32_t item) {
    vgg_pickle *p = m->pickle;
    if (!make_room(m, &p->cells, p->cell_count, &p->cell_capacity, sizeof *p->cells,
                   "list of items"))
        return false;
    uint32_t cell = (uint32_t)p->cell_count++;
    p->cells[cell] = (vgg_pickle_cell){item, VGG_PICKLE_END};
    vgg_pickle_value *value = &p->values[container];
    if (value->items.first == VGG_PICKLE_END)
        value->items.first = cell;
    else
        p->cells[value->items.last].next = cell;
    value->items.last = cell;
    return true;
}

/* ---- the stack ---- */

bool vgg_pickle_machine_pop(vgg_pickle_machine *m, uint32_t *value) {
    if (m->stack_count == 0 || m->stack[m->stack_count - 1] == MARK)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle takes a value from an empty stack");
    *value = m->stack[--m->stack_count];
    return true;
}

bool vgg_pickle_machine_pop_to_mark(vgg_pickle_machine *m, size_t *first, size_t *count) {
    size_t i = m->stack_count;
    while (i > 0 && m->stack[i - 1] != MARK) {
        i--;
    }
    if (i == 0)
        return vgg_pickle_machine_fail(m, VGG_ERROR_FORMAT,
                                       "its pickle goes back to a mark that was not set");
    *first = i;
    *count = m->stack_count - i;
    m->stack_count = i - 1;
    return true;
}

bool vgg_pickle_machine_top(vgg_pickle_machine *m, uint32_t *value) {
    if (!vgg_pickle_machine_pop(m, value))
        return false;
    m->stack_count++;
    return true;
}

bool vgg_pickle_machine_remember(vgg_pickle_machine *m, size_t place, uint32_t value) {
    if (!make_room(m, &m->memo, place, &m->memo_capacity, sizeof *m->memo, "memo"))
        return false;
    while (m->memo_count <= place) {
        m->memo[m->memo_count++] = VGG_PICKLE_END;
    }
    m->memo[place] = value;
    return true;
}
