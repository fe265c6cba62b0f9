/* Options structs grow: the caller's may be shorter or longer than ours. */
#ifndef VGG_BASE_OPTIONS_H
#define VGG_BASE_OPTIONS_H

#include <stddef.h>

#include "vgg/status.h"

/* Sets up a caller's struct of `size` bytes with our defaults, cut off or filled with zeros. Its
 * first member is its size. */
void vgg_options_init(void *options, size_t size, const void *defaults, size_t defaults_size);

/* Copies what the caller's struct has over `own`, which holds the defaults. `given` may be NULL:
 * nothing is copied then. VGG_ERROR_ARGUMENT, naming the struct, when it was never set up. */
vgg_status vgg_options_read(void *own, size_t own_size, const void *given, const char *name,
                            vgg_error *error);

#endif
