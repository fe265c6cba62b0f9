/* Structs that cross the border of the library grow: the caller's may be shorter or longer than
 * ours. vgg/status.h has the convention. */
#ifndef VGG_BASE_OPTIONS_H
#define VGG_BASE_OPTIONS_H

#include <stddef.h>

#include "vgg/status.h"

/* Sets up a caller's struct of `size` bytes with our defaults, cut off or filled with zeros. Its
 * first member is its size. */
void vgg_options_init(void *options, size_t size, const void *defaults, size_t defaults_size);

/* Copies what the caller's struct has over `own`, which holds the defaults and keeps its size.
 * `given` may be NULL: nothing is copied then. VGG_ERROR_ARGUMENT, naming the struct, when it was
 * never set up, or when it has something behind the end of ours. */
vgg_status vgg_options_read(void *own, size_t own_size, const void *given, const char *name,
                            vgg_error *error);

/* Before work whose result goes to the caller's struct: VGG_ERROR_ARGUMENT, naming the struct, when
 * its struct_size is not set. */
vgg_status vgg_result_check(const void *given, const char *name, vgg_error *error);

/* Copies our result into the caller's struct, as much as both have; a longer one ends in zeros. The
 * caller's keeps its size. Fails as vgg_result_check does. */
vgg_status vgg_result_write(void *given, const void *own, size_t own_size, const char *name,
                            vgg_error *error);

#endif
