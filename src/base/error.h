/* Making error messages. */
#ifndef VGG_BASE_ERROR_H
#define VGG_BASE_ERROR_H

#include "vgg/status.h"

/* Fills *error (unless NULL) with the formatted line and returns status, so that a caller writes
 * `return vgg_fail(error, VGG_ERROR_IO, "%s: cannot open: %s", path, strerror(errno));` */
vgg_status vgg_fail(vgg_error *error, vgg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a memory allocation that failed: "out of memory: <what> needs <bytes>". */
vgg_status vgg_fail_memory(vgg_error *error, const char *what, size_t bytes);

/* Puts "<prefix>: " before the message that a callee left in *error. */
void vgg_error_prefix(vgg_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Calls a caller's function with one line; warn may be NULL. */
void vgg_warn(vgg_warning_callback *warn, void *user, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
