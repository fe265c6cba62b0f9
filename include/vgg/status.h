/* What every part of libvgg shares: status codes and error messages, and how structs grow.
 *
 * A function that can fail returns a vgg_status and takes, as its last parameter, a pointer to a
 * vgg_error that the caller owns. The pointer may be NULL when only the code matters. On success
 * the vgg_error is left as it was. On failure it holds one line of text, without a final newline,
 * that names the thing that failed, what was found and what was expected; output parameters are
 * then left untouched unless a function says otherwise. Parameters come in one order: what is
 * worked on, what with, options, results, the error. Functions that free take NULL, too.
 *
 * The library never prints, never exits and never aborts because of its input, and keeps no error
 * state of its own: two threads that use two vgg_error values do not disturb one another. It reads
 * neither standard input nor environment variables, except for VGG_CPU (vgg_cpu_tier) and, when a
 * GPU is asked for, VGG_CUDA_PLUGIN (vgg_device_kind).
 *
 * Structs grow: a later version of the library may add members at their ends. So that a program
 * works with a library that is older or newer than the headers it was compiled with, each begins
 * with `size_t struct_size`, the size of the struct as whoever filled it in knows it:
 *   Options are set up with a function, which sets the size and the defaults:
 *     vgg_plan_options options;
 *     vgg_plan_options_init(&options, sizeof options);
 *   and passed by pointer; NULL stands for the defaults. Members that an older program does not
 *   have keep their defaults. Members that an older library does not know must be zero, or
 *   VGG_ERROR_ARGUMENT says that they are not.
 *   Results and infos belong to the caller, who sets the size and nothing else before the call:
 *     vgg_tensor_info info = {.struct_size = sizeof info};    in C
 *     vgg_tensor_info info{}; info.struct_size = sizeof info; in C++
 *   The library writes the members that both know, and zeros into those that it does not know.
 *   Structs that the library hands out by const pointer have the size that the library knows. Copy
 *   one with vgg_struct_copy rather than by assignment, which would read what an older library
 *   does not have.
 * No such struct lies in another or in an array of the caller's. A few structs have no struct_size,
 * and say that they are frozen: they never change. */
#ifndef VGG_STATUS_H
#define VGG_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__GNUC__)
#define VGG_API __attribute__((visibility("default")))
#else
#define VGG_API
#endif

/* The version of these headers. Until 1.0 a minor version may break what was compiled with the one
 * before, and the shared library's soname says which it is (libvgg.so.0.2); a patch never does. */
#define VGG_VERSION_MAJOR 0
#define VGG_VERSION_MINOR 2
#define VGG_VERSION_PATCH 0

/* Versions as numbers that can be compared: 0.2.0 is 200. */
#define VGG_VERSION_NUMBER (10000 * VGG_VERSION_MAJOR + 100 * VGG_VERSION_MINOR + VGG_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* The values are pinned: they never change meaning between versions, and new ones are added last.
 */
typedef enum vgg_status {
    VGG_OK = 0,
    VGG_ERROR_ARGUMENT = 1,    /* a parameter or option has a value that makes no sense */
    VGG_ERROR_MEMORY = 2,      /* memory or another means of the machine, such as open files,
                                * could not be had, or would not suffice */
    VGG_ERROR_IO = 3,          /* the operating system refused to open, read or write */
    VGG_ERROR_FORMAT = 4,      /* the bytes of a file are not what its format demands */
    VGG_ERROR_SHAPE = 5,       /* a tensor or image has another shape than expected */
    VGG_ERROR_UNSUPPORTED = 6, /* well-formed, but outside what libvgg handles */
    VGG_ERROR_NOT_FOUND = 7,   /* a name, file or folder does not exist */
    VGG_ERROR_STOPPED = 8,     /* a callback asked for an end; what is left, the function says */
    VGG_ERROR_NUMERIC = 9,  /* a loss or a weight is no longer a finite number, or no number fits */
    VGG_ERROR_CHANGED = 10, /* something is not what it was when a run began */
} vgg_status;

/* Room for a message. */
#define VGG_ERROR_TEXT 1024

/* Frozen. */
typedef struct vgg_error {
    vgg_status status;
    char message[VGG_ERROR_TEXT];
} vgg_error;

/* Called now and then by work that takes long: `done` of `total` are done, neither of which ever
 * goes back. False stops it with VGG_ERROR_STOPPED. Called in the thread that asked for the work.
 */
typedef bool vgg_progress_callback(void *user, size_t done, size_t total);

/* Called with one line, without a final newline, about something that is taken or passed over in
 * silence otherwise, and that a person should know. Called in the thread that asked for the work;
 * the text is gone when it returns. */
typedef void vgg_warning_callback(void *user, const char *message);

/* The name of a status, such as "VGG_ERROR_SHAPE"; "VGG_ERROR_UNKNOWN" for any other value. */
VGG_API const char *vgg_status_name(vgg_status status);

/* Frees a text that a function of the library returned; NULL is fine. */
VGG_API void vgg_string_free(char *text);

/* Copies a struct with a struct_size into the caller's of `size` bytes, cut off or filled up with
 * zeros, and sets the copy's struct_size to `size`. What the struct points to is not copied. */
VGG_API void vgg_struct_copy(void *to, size_t size, const void *from);

/* Removes the files that this process is writing and that are not under their own names yet: for
 * the handler of a signal that ends the process, which it may be called in (it is
 * async-signal-safe). The library sets no handlers. What was there under those names stays; the
 * writes themselves fail if they go on. */
VGG_API void vgg_unfinished_files_remove(void);

/* The version of the library that runs, such as "0.2.0". */
VGG_API const char *vgg_version(void);

#ifdef __cplusplus
}
#endif
#endif
