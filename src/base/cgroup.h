/* What the kernel's control groups leave to this process: groups of version 1 and 2, and all groups
 * that its own lies in. */
#ifndef VGG_BASE_CGROUP_H
#define VGG_BASE_CGROUP_H

#include <stddef.h>

/* `root` is put before every path that is read: "" on a machine, a folder with a tree of files made
 * up in a test. What cannot be read counts as no limit. */

/* Bytes of memory that may still be taken: the least over the groups of the limit less what is
 * used, where file pages that nobody used lately count as free. SIZE_MAX without a limit. */
size_t vgg_cgroup_memory(const char *root);

/* The least quota of the groups in processors, rounded up to whole ones; SIZE_MAX without one. */
size_t vgg_cgroup_processors(const char *root);

/* The number behind `key` at the start of a line of a file of the kernel's, in the file's own unit;
 * SIZE_MAX when the file or the key is missing, or no number stands there ("max"). */
size_t vgg_kernel_number(const char *path, const char *key);

#endif
