/* Status codes and error messages shared by every part of libvgg.
 *
 * A function that can fail returns a vgg_status and takes, as its last parameter, a pointer to a
 * vgg_error that the caller owns. The pointer may be NULL when only the code matters. On success
 * the vgg_error is left as it was. On failure it holds one line of text, without a final newline,
 * that names the thing that failed, what was found and what was expected; output parameters are
 * then left untouched unless a function says otherwise.
 *
 * The library never prints, never exits and never aborts because of its input, and keeps no error
 * state of its own: two threads that use two vgg_error values do not disturb one another. */
#ifndef VGG_STATUS_H
#define VGG_STATUS_H

#include <stddef.h>

#if defined(__GNUC__)
#define VGG_API __attribute__((visibility("default")))
#else
#define VGG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The values are pinned: they never change meaning between versions, and new ones are added last.
 */
typedef enum vgg_status {
    VGG_OK = 0,
    VGG_ERROR_ARGUMENT = 1,    /* a parameter or option has a value that makes no sense */
    VGG_ERROR_MEMORY = 2,      /* memory could not be had, or would not suffice */
    VGG_ERROR_IO = 3,          /* the operating system refused to open, read or write */
    VGG_ERROR_FORMAT = 4,      /* the bytes of a file are not what its format demands */
    VGG_ERROR_SHAPE = 5,       /* a tensor or image has another shape than expected */
    VGG_ERROR_UNSUPPORTED = 6, /* well-formed, but outside what libvgg handles */
    VGG_ERROR_NOT_FOUND = 7,   /* a name, file or folder does not exist */
    VGG_ERROR_STOPPED = 8,     /* a callback asked for an end; the work so far is kept */
    VGG_ERROR_NUMERIC = 9,     /* a loss or a weight is no longer a finite number */
} vgg_status;

#define VGG_ERROR_TEXT 1024

typedef struct vgg_error {
    vgg_status status;
    char message[VGG_ERROR_TEXT];
} vgg_error;

/* The name of a status, such as "VGG_ERROR_SHAPE"; "VGG_ERROR_UNKNOWN" for any other value. */
VGG_API const char *vgg_status_name(vgg_status status);

/* Threads that are used where an option says 0: OMP_NUM_THREADS when it is set, else as many as the
 * processors that affinity and the control group's quota leave to this process. */
VGG_API size_t vgg_threads_default(void);

/* The version of the library, such as "0.1.0". */
VGG_API const char *vgg_version(void);

#ifdef __cplusplus
}
#endif
#endif
