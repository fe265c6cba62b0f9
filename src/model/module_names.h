/* What the name of a tensor says by itself. */
#ifndef VGG_MODEL_MODULE_NAMES_H
#define VGG_MODEL_MODULE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { VGG_ROLE_NONE = 4, VGG_ROLE_COUNTER = 5 };

/* Takes "features.3.running_mean" apart: the length of the module's name, 10, and the tensor's role
 * (VGG_TENSOR_MEAN; VGG_ROLE_COUNTER for num_batches_tracked). VGG_ROLE_NONE when the name does not
 * say its role; the whole is the module's name then. */
size_t vgg_role_of(const char *name, size_t *module_length);

/* The number that a module's name ends in, "features.3" or "layer3", behind a point or not, and the
 * length of what stands before it. False when it ends in none. */
bool vgg_name_number(const char *name, size_t length, size_t *number, size_t *before);

/* Orders names as people do: "conv9" before "conv10". */
int vgg_name_compare(const char *a, size_t a_length, const char *b, size_t b_length);

/* The length of the part of a module's name that it shares with the others of its block: 6 for
 * "block3.conv1", "conv3_" of "conv3_1"; 0 when the name shows no block. */
size_t vgg_name_block(const char *name, size_t length);

#endif
