/* Pickles as data. A pickle is a program for a small stack machine that can call any function of
 * Python. The machine here knows the opcodes (protocols 2 to 5) and the names that tensors are made
 * of, makes values of them and runs nothing: what any other name would make is an opaque value,
 * which no tensor can be made of. Names that are only there to run something are refused. Opcodes:
 * CPython, Lib/pickletools.py. */
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
    VGG_PICKLE_GLOBAL,  /* a name of Python */
    VGG_PICKLE_STORAGE, /* items: what torch's persistent id has, or, with `global`, the bytes */
    VGG_PICKLE_TENSOR,  /* items: the arguments of `global`, a torch._utils._rebuild_... */
    VGG_PICKLE_DTYPE,   /* items: the arguments of numpy.dtype, then its state */
    VGG_PICKLE_ARRAY,   /* of NumPy; vgg_pickle_array_read (pickle_array.h) takes it apart */
    VGG_PICKLE_BYTES,   /* bytes that protocol 2 writes as text, a letter each; items: that text */
    VGG_PICKLE_OPAQUE,  /* what an unknown name would make. Items: its state, if it has one */
} vgg_pickle_kind;

/* What may be done with a name. */
typedef enum vgg_pickle_role {
    VGG_PICKLE_MAKES_DICT,
    VGG_PICKLE_MAKES_TENSOR,     /* (storage, offset, sizes, strides, ...) */
    VGG_PICKLE_MAKES_TENSOR_V3,  /* the same, and a type behind the first six */
    VGG_PICKLE_MAKES_STORAGE,    /* (bytes), which hold a series of pickles and the values */
    VGG_PICKLE_CALLS_ITS_FIRST,  /* (function, type, arguments, state) */
    VGG_PICKLE_MAKES_ITS_FIRST,  /* a wrapper around its first argument */
    VGG_PICKLE_MAKES_ARRAY,      /* an empty array, which is then given its state */
    VGG_PICKLE_MAKES_ARRAY_FROM, /* (bytes, dtype, shape, order) */
    VGG_PICKLE_MAKES_DTYPE,
    VGG_PICKLE_MAKES_BYTES, /* (text, "latin1") */
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
    uint32_t name; /* of a GLOBAL without a row and of an OPAQUE value that it made: a number of
                    * vgg_pickle's names; VGG_PICKLE_NO_NAME for none */
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
    const vgg_pickle_global *global; /* GLOBAL, ARRAY, STORAGE and TENSOR */
} vgg_pickle_value;

/* A name of Python that is not in the list of those that tensors are made of. */
typedef struct vgg_pickle_name {
    const char *module, *name; /* in the pickle; not terminated */
    size_t module_length, name_length;
    unsigned char opcode; /* where it stands */
    size_t at;
} vgg_pickle_name;
#define VGG_PICKLE_NO_NAME 0

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
    vgg_pickle_name *names; /* the first is none */
    size_t name_count, name_capacity;
    const char *record; /* the input's */
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

/* NULL for a name that no tensor is made of. */
const vgg_pickle_global *vgg_pickle_find_global(const char *module, size_t module_length,
                                                const char *name, size_t name_length);

/* torch's storage of values of a type: "FloatStorage" for "F32"; NULL when there is none. */
const char *vgg_pickle_storage_name(const char *type);

/* Whether the name is that of a network's class, which comes with a whole pickled module. */
bool vgg_pickle_is_network(const char *module, size_t module_length);

/* Whether the name is there to run something as soon as Python reads the pickle. */
bool vgg_pickle_runs(const char *module, size_t module_length, const char *name,
                     size_t name_length);

#define VGG_PICKLE_NAME_TEXT 192
/* "os.system"; returns buffer. */
const char *vgg_pickle_name_text(const vgg_pickle_name *name, char buffer[VGG_PICKLE_NAME_TEXT]);
/* " (opcode GLOBAL at byte 2 of archive/data.pkl)"; returns buffer. */
const char *vgg_pickle_name_place(const vgg_pickle *pickle, const vgg_pickle_name *name,
                                  char buffer[VGG_PICKLE_NAME_TEXT]);

/* "BINPUT"; "0xff" for a byte that is no opcode. */
#define VGG_PICKLE_OPCODE_TEXT 24
const char *vgg_pickle_opcode_name(unsigned char opcode, char buffer[VGG_PICKLE_OPCODE_TEXT]);

/* The first items of a container, at most `count` of them, as values; returns how many there are.
 */
size_t vgg_pickle_items(const vgg_pickle *pickle, const vgg_pickle_value *container,
                        const vgg_pickle_value **items, size_t count);

/* Walks over a dict: true with the next key and value. Begin with the dict's items.first. */
bool vgg_pickle_next_entry(const vgg_pickle *pickle, uint32_t *cell, const vgg_pickle_value **key,
                           const vgg_pickle_value **value);

/* The dict of an object's attributes, or a dict itself; NULL for any other value. */
const vgg_pickle_value *vgg_pickle_attributes(const vgg_pickle *pickle,
                                              const vgg_pickle_value *value);

/* Whether the value is this text. */
bool vgg_pickle_is_text(const vgg_pickle_value *value, const char *text);

#endif
