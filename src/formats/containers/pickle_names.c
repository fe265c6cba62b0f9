/* The names that pickles use: of opcodes, and of what tensors are made of. */
#include <stdio.h>
#include <string.h>

#include "formats/containers/pickle.h"

#define STORAGE(name, type)                                                                        \
    {"torch", name, VGG_PICKLE_IS_TYPE, type}, {                                                   \
        "torch.cuda", name, VGG_PICKLE_IS_TYPE, type                                               \
    }

#define BUILTIN(name)                                                                              \
    {"builtins", name, VGG_PICKLE_MAKES_OPAQUE, NULL}, {                                           \
        "__builtin__", name, VGG_PICKLE_MAKES_OPAQUE, NULL                                         \
    }

/* Nothing here is ever called: a role says what kind of value stands for the call. */
static const vgg_pickle_global globals[] = {
    {"collections", "OrderedDict", VGG_PICKLE_MAKES_DICT, NULL},
    {"collections", "defaultdict", VGG_PICKLE_MAKES_DICT, NULL},
    {"collections", "Counter", VGG_PICKLE_MAKES_DICT, NULL},
    {"builtins", "dict", VGG_PICKLE_MAKES_DICT, NULL},
    {"__builtin__", "dict", VGG_PICKLE_MAKES_DICT, NULL},
    {"torch._utils", "_rebuild_tensor", VGG_PICKLE_MAKES_TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor_v2", VGG_PICKLE_MAKES_TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor_v3", VGG_PICKLE_MAKES_TENSOR_V3, NULL},
    {"torch.storage", "_load_from_bytes", VGG_PICKLE_MAKES_STORAGE, NULL},
    {"torch._tensor", "_rebuild_from_type", VGG_PICKLE_CALLS_ITS_FIRST, NULL},
    {"torch._tensor", "_rebuild_from_type_v2", VGG_PICKLE_CALLS_ITS_FIRST, NULL},
    {"torch._utils", "_rebuild_parameter", VGG_PICKLE_MAKES_ITS_FIRST, NULL},
    {"torch._utils", "_rebuild_parameter_with_state", VGG_PICKLE_MAKES_ITS_FIRST, NULL},
    {"torch.nn.parameter", "Parameter", VGG_PICKLE_MAKES_ITS_FIRST, NULL},
    {"torch.nn.parameter", "Buffer", VGG_PICKLE_MAKES_ITS_FIRST, NULL},
    {"torch", "Size", VGG_PICKLE_MAKES_ITS_FIRST, NULL},
    STORAGE("FloatStorage", "F32"),
    STORAGE("HalfStorage", "F16"),
    STORAGE("BFloat16Storage", "BF16"),
    STORAGE("DoubleStorage", "F64"),
    STORAGE("LongStorage", "I64"),
    STORAGE("IntStorage", "I32"),
    STORAGE("ShortStorage", "I16"),
    STORAGE("CharStorage", "I8"),
    STORAGE("ByteStorage", "U8"),
    STORAGE("BoolStorage", "BOOL"),
    STORAGE("ComplexFloatStorage", "C64"),
    {"torch.storage", "UntypedStorage", VGG_PICKLE_IS_TYPE, "U8"},
    {"torch.storage", "_UntypedStorage", VGG_PICKLE_IS_TYPE, "U8"},
    {"torch", "float32", VGG_PICKLE_IS_TYPE, "F32"},
    {"torch", "float16", VGG_PICKLE_IS_TYPE, "F16"},
    {"torch", "bfloat16", VGG_PICKLE_IS_TYPE, "BF16"},
    {"torch", "float64", VGG_PICKLE_IS_TYPE, "F64"},
    {"torch", "int64", VGG_PICKLE_IS_TYPE, "I64"},
    {"torch", "int32", VGG_PICKLE_IS_TYPE, "I32"},
    {"torch", "int16", VGG_PICKLE_IS_TYPE, "I16"},
    {"torch", "int8", VGG_PICKLE_IS_TYPE, "I8"},
    {"torch", "uint64", VGG_PICKLE_IS_TYPE, "U64"},
    {"torch", "uint32", VGG_PICKLE_IS_TYPE, "U32"},
    {"torch", "uint16", VGG_PICKLE_IS_TYPE, "U16"},
    {"torch", "uint8", VGG_PICKLE_IS_TYPE, "U8"},
    {"torch", "bool", VGG_PICKLE_IS_TYPE, "BOOL"},
    {"torch", "complex64", VGG_PICKLE_IS_TYPE, "C64"},
    {"torch", "float8_e4m3fn", VGG_PICKLE_IS_TYPE, "F8_E4M3"},
    {"torch", "float8_e5m2", VGG_PICKLE_IS_TYPE, "F8_E5M2"},
    /* What training scripts put beside the tensors. */
    {"argparse", "Namespace", VGG_PICKLE_MAKES_OPAQUE, NULL},
    {"torch", "device", VGG_PICKLE_MAKES_OPAQUE, NULL},
    BUILTIN("set"),
    BUILTIN("frozenset"),
    BUILTIN("list"),
    BUILTIN("tuple"),
    BUILTIN("int"),
    BUILTIN("float"),
    BUILTIN("bool"),
    BUILTIN("str"),
    BUILTIN("complex"),
    BUILTIN("slice"),
    BUILTIN("range"),
    BUILTIN("bytearray"),
    {"pathlib", "PosixPath", VGG_PICKLE_MAKES_OPAQUE, NULL},
    {"pathlib", "WindowsPath", VGG_PICKLE_MAKES_OPAQUE, NULL},
    {"_codecs", "encode", VGG_PICKLE_MAKES_BYTES, NULL}, /* as protocol 2 has bytes */
    {"numpy", "dtype", VGG_PICKLE_MAKES_DTYPE, NULL},
    {"numpy.core.multiarray", "_reconstruct", VGG_PICKLE_MAKES_ARRAY, NULL},
    {"numpy._core.multiarray", "_reconstruct", VGG_PICKLE_MAKES_ARRAY, NULL},
    {"numpy.core.numeric", "_frombuffer", VGG_PICKLE_MAKES_ARRAY_FROM, NULL},
    {"numpy._core.numeric", "_frombuffer", VGG_PICKLE_MAKES_ARRAY_FROM, NULL},
    {"numpy.core.multiarray", "scalar", VGG_PICKLE_MAKES_OPAQUE, NULL},
    {"numpy._core.multiarray", "scalar", VGG_PICKLE_MAKES_OPAQUE, NULL},
};

static bool same(const char *text, size_t length, const char *known) {
    return strlen(known) == length && memcmp(text, known, length) == 0;
}

const vgg_pickle_global *vgg_pickle_find_global(const char *module, size_t module_length,
                                                const char *name, size_t name_length) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (same(name, name_length, globals[i].name) &&
            same(module, module_length, globals[i].module))
            return &globals[i];
    }
    return NULL;
}

const char *vgg_pickle_storage_name(const char *type) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (globals[i].role == VGG_PICKLE_IS_TYPE && strcmp(globals[i].module, "torch") == 0 &&
            strstr(globals[i].name, "Storage") != NULL && strcmp(globals[i].type, type) == 0)
            return globals[i].name;
    }
    return NULL;
}

bool vgg_pickle_is_network(const char *module, size_t module_length) {
    static const char *const places[] = {"torch.nn.", "torchvision.models.", "timm.models.",
                                         "__torch__."};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (module_length >= strlen(places[i]) && memcmp(module, places[i], strlen(places[i])) == 0)
            return true;
    }
    return same(module, module_length, "__main__");
}

bool vgg_pickle_runs(const char *module, size_t module_length, const char *name,
                     size_t name_length) {
    static const char *const modules[] = {"os",    "posix",  "nt",        "subprocess",
                                          "sys",   "socket", "importlib", "ctypes",
                                          "runpy", "pty",    "shutil",    "webbrowser"};
    static const char *const builtins[] = {"eval",       "exec",     "compile", "open",
                                           "__import__", "execfile", "input",   "breakpoint"};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        size_t length = strlen(modules[i]);
        if (module_length >= length && memcmp(module, modules[i], length) == 0 &&
            (module_length == length || module[length] == '.'))
            return true;
    }
    if (!same(module, module_length, "builtins") && !same(module, module_length, "__builtin__"))
        return false;
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++) {
        if (same(name, name_length, builtins[i]))
            return true;
    }
    return false;
}

const char *vgg_pickle_name_text(const vgg_pickle_name *name, char buffer[VGG_PICKLE_NAME_TEXT]) {
    snprintf(buffer, VGG_PICKLE_NAME_TEXT, "%.*s.%.*s",
             (int)(name->module_length < 80 ? name->module_length : 80), name->module,
             (int)(name->name_length < 80 ? name->name_length : 80), name->name);
    return buffer;
}

const char *vgg_pickle_name_place(const vgg_pickle *pickle, const vgg_pickle_name *name,
                                  char buffer[VGG_PICKLE_NAME_TEXT]) {
    char opcode[VGG_PICKLE_OPCODE_TEXT];
    snprintf(buffer, VGG_PICKLE_NAME_TEXT, " (opcode %s at byte %zu%s%.80s)",
             vgg_pickle_opcode_name(name->opcode, opcode), name->at,
             pickle->record == NULL ? "" : " of ", pickle->record == NULL ? "" : pickle->record);
    return buffer;
}

const char *vgg_pickle_opcode_name(unsigned char opcode, char buffer[VGG_PICKLE_OPCODE_TEXT]) {
    static const char *const names[256] = {
        ['('] = "MARK",
        ['.'] = "STOP",
        ['0'] = "POP",
        ['1'] = "POP_MARK",
        ['2'] = "DUP",
        ['F'] = "FLOAT",
        ['I'] = "INT",
        ['J'] = "BININT",
        ['K'] = "BININT1",
        ['L'] = "LONG",
        ['M'] = "BININT2",
        ['N'] = "NONE",
        ['P'] = "PERSID",
        ['Q'] = "BINPERSID",
        ['R'] = "REDUCE",
        ['S'] = "STRING",
        ['T'] = "BINSTRING",
        ['U'] = "SHORT_BINSTRING",
        ['V'] = "UNICODE",
        ['X'] = "BINUNICODE",
        ['a'] = "APPEND",
        ['b'] = "BUILD",
        ['c'] = "GLOBAL",
        ['d'] = "DICT",
        ['}'] = "EMPTY_DICT",
        ['e'] = "APPENDS",
        ['g'] = "GET",
        ['h'] = "BINGET",
        ['i'] = "INST",
        ['j'] = "LONG_BINGET",
        ['l'] = "LIST",
        [']'] = "EMPTY_LIST",
        ['o'] = "OBJ",
        ['p'] = "PUT",
        ['q'] = "BINPUT",
        ['r'] = "LONG_BINPUT",
        ['s'] = "SETITEM",
        ['t'] = "TUPLE",
        [')'] = "EMPTY_TUPLE",
        ['u'] = "SETITEMS",
        ['G'] = "BINFLOAT",
        ['B'] = "BINBYTES",
        ['C'] = "SHORT_BINBYTES",
        [0x80] = "PROTO",
        [0x81] = "NEWOBJ",
        [0x82] = "EXT1",
        [0x83] = "EXT2",
        [0x84] = "EXT4",
        [0x85] = "TUPLE1",
        [0x86] = "TUPLE2",
        [0x87] = "TUPLE3",
        [0x88] = "NEWTRUE",
        [0x89] = "NEWFALSE",
        [0x8a] = "LONG1",
        [0x8b] = "LONG4",
        [0x8c] = "SHORT_BINUNICODE",
        [0x8d] = "BINUNICODE8",
        [0x8e] = "BINBYTES8",
        [0x8f] = "EMPTY_SET",
        [0x90] = "ADDITEMS",
        [0x91] = "FROZENSET",
        [0x92] = "NEWOBJ_EX",
        [0x93] = "STACK_GLOBAL",
        [0x94] = "MEMOIZE",
        [0x95] = "FRAME",
        [0x96] = "BYTEARRAY8",
        [0x97] = "NEXT_BUFFER",
        [0x98] = "READONLY_BUFFER",
    };
    if (names[opcode] != NULL)
        snprintf(buffer, VGG_PICKLE_OPCODE_TEXT, "%s", names[opcode]);
    else
        snprintf(buffer, VGG_PICKLE_OPCODE_TEXT, "0x%02x", opcode);
    return buffer;
}
