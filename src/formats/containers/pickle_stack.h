/* The machine that reads pickles, as the file of its opcodes (pickle.c) and the file of its lists
 * (pickle_stack.c) see it. Functions return false when they have failed, with the status in the
 * machine and the message in its error. */
#ifndef VGG_FORMATS_CONTAINERS_PICKLE_STACK_H
#define VGG_FORMATS_CONTAINERS_PICKLE_STACK_H

#include "formats/containers/pickle.h"

typedef struct vgg_pickle_machine {
    const vgg_pickle_input *input;
    vgg_pickle *pickle;
    size_t at; /* the next byte */
    unsigned char opcode;
    size_t opcode_at;
    uint32_t *stack, *memo; /* numbers of values; VGG_PICKLE_END in the stack is a mark */
    size_t stack_count, stack_capacity, memo_count, memo_capacity;
    bool stopped;
    vgg_status status;
    vgg_error *error;
} vgg_pickle_machine;

/* "<path>: <the formatted text> (opcode BINPUT at byte 7 of archive/data.pkl)" */
bool vgg_pickle_machine_fail(vgg_pickle_machine *m, vgg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool vgg_pickle_machine_push(vgg_pickle_machine *m, uint32_t value);
bool vgg_pickle_machine_push_mark(vgg_pickle_machine *m);
bool vgg_pickle_machine_push_new(vgg_pickle_machine *m, vgg_pickle_value value);
bool vgg_pickle_machine_push_container(vgg_pickle_machine *m, vgg_pickle_kind kind); /* empty */
/* Writes down a name, whose number it gives. */
bool vgg_pickle_machine_note(vgg_pickle_machine *m, vgg_pickle_name name, uint32_t *number);
bool vgg_pickle_machine_append(vgg_pickle_machine *m, uint32_t container, uint32_t item);

bool vgg_pickle_machine_pop(vgg_pickle_machine *m, uint32_t *value);
bool vgg_pickle_machine_top(vgg_pickle_machine *m, uint32_t *value);
/* Takes off the topmost mark and the values above it, which stay where they are, m->stack[first]
 * and following, until the next push. */
bool vgg_pickle_machine_pop_to_mark(vgg_pickle_machine *m, size_t *first, size_t *count);

/* Pushes a name. */
bool vgg_pickle_machine_global(vgg_pickle_machine *m, const char *module, size_t module_length,
                               const char *name, size_t name_length);

/* Pushes what stands for the result of the call. */
bool vgg_pickle_machine_call(vgg_pickle_machine *m, uint32_t function, uint32_t arguments);

/* Gives an object its state: an array's is the array, and that of an object of an unknown class is
 * kept. What a state dict has in its, such as versions, says nothing about its values. */
bool vgg_pickle_machine_take_state(vgg_pickle_machine *m, uint32_t object, uint32_t state);

/* Python 2 numbers the memo from 1: places may be passed over, and stay VGG_PICKLE_END. */
bool vgg_pickle_machine_remember(vgg_pickle_machine *m, size_t place, uint32_t value);

#endif
