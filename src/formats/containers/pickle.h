/* Pickles as data. A pickle is a program for a small stack machine that can call any function of
 * Python. The machine here knows the opcodes and the names that a state dict is made of (protocols
 * 2 to 5), makes values of them and runs nothing; everything else is refused by name and byte.
 * Opcodes: CPython, Lib/pickletools.py. */
#ifndef VGG_FORMATS_CONTAINERS_PICKLE_H
#define VGG_FORMATS_CONTAINERS_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/status.h"

typedef enum vgg_pickle_kind {
    VGG_PICKLE_NONE = 0,
    VGG_PICKLE_BOOL,
    VGG_PICKLE_INTEGER,
    VGG_PICKLE_NUMBER,
    VGG_PICKLE_TEXT, /* a string, bytes, or an integer of more than 64 bits */
    VGG_PICKLE_LIST,
    VGG_PICKLE_TUPLE,
    VGG_PICKLE_DICT,    /* its items are keys and values by turns */
    VGG_PICKLE_GLOBAL,  /* a name of the list of names that may stand in a state dict */
    VGG_PICKLE_STORAGE, /* items: what torch's persistent id has */
    VGG_PICKLE_TENSOR,  /* items: the arguments of `global`, a torch._utils._rebuild_... */
    VGG_PICKLE_OPAQUE,  /* something harmless that no tensor needs */
} vgg_pickle_kind;

/* What may be done with a name. */
typedef enum vgg_pickle_role {
    VGG_PICKLE_MAKES_DICT,
    VGG_PICKLE_MAKES_TENSOR,    /* (storage, offset, sizes, strides, ...) */
    VGG_PICKLE_MAKES_TENSOR_V3, /* the same, and a type behind the first six */
    VGG_PICKLE_MAKES_ITS_FIRST, /* a wrapper around its first argument */
    VGG_PICKLE_MAKES_OPAQUE,
    VGG_PICKLE_IS_TYPE, /* of a storage or of a tensor's values; cannot be called */
} vgg_pickle_role;

typedef struct vgg_pickle_global {
    const char *module, *name;
    vgg_pickle_role role;
    const char *type; /* a type's: as safetensors writes it */
} vgg_pickle_global;

typedef struct vgg_pickle_value {
    vgg_pickle_kind kind;
    union {
        int64_t integer; /* BOOL too */
        double number;
        struct {
            const char *bytes; /* in the pickle; not terminated */
            size_t length;
        } text;
        struct {
            uint32_t first, last; /* cells, VGG_PICKLE_END for none */
        } items;
    };
    const vgg_pickle_global *global; /* GLOBAL and TENSOR */
} vgg_pickle_value;

/* Containers are chains of cells, and values are known by number, so that a container may hold
 * itself. */
#define VGG_PICKLE_END UINT32_MAX

typedef struct vgg_pickle_cell {
    uint32_t value, next;
} vgg_pickle_cell;

/* Start with {0}. */
typedef struct vgg_pickle {
    vgg_pickle_value *values;
    size_t value_count, value_capacity;
    vgg_pickle_cell *cells;
    size_t cell_count, cell_capacity;
    uint32_t root;
    size_t end; /* the byte behind STOP */
} vgg_pickle;

/* Where a pickle stands: bytes[start] and what follows, of which it may be the first part. */
typedef struct vgg_pickle_input {
    const char *path;
    const char *record; /* of an archive; NULL when the bytes are the file itself */
    const unsigned char *bytes;
    size_t size, start;
} vgg_pickle_input;

/* The caller frees *pickle whatever the outcome. Texts stay in the input's bytes. */
vgg_status vgg_pickle_read(const vgg_pickle_input *input, vgg_pickle *pickle, vgg_error *error);
void vgg_pickle_free(vgg_pickle *pickle);

/* NULL for a name that may not stand in a state dict. */
const vgg_pickle_global *vgg_pickle_find_global(const char *module, size_t module_length,
                                                const char *name, size_t name_length);

/* torch's storage of values of a type: "FloatStorage" for "F32"; NULL when there is none. */
const char *vgg_pickle_storage_name(const char *type);

/* Whether the name is that of a network's class, which comes with a whole pickled module. */
bool vgg_pickle_is_network(const char *module, size_t module_length);

/* "BINPUT"; "0xff" for a byte that is no opcode. */
#define VGG_PICKLE_OPCODE_TEXT 24
const char *vgg_pickle_opcode_name(unsigned char opcode, char buffer[VGG_PICKLE_OPCODE_TEXT]);

/* The first items of a container, at most `count` of them, as values; returns how many there are.
 */
size_t vgg_pickle_items(const vgg_pickle *pickle, const vgg_pickle_value *container,
                        const vgg_pickle_value **items, size_t count);

/* Whether the value is this text. */
bool vgg_pickle_is_text(const vgg_pickle_value *value, const char *text);

#endif
