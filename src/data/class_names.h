/* Finding the names of classes in long lists. */
#ifndef VGG_DATA_CLASS_NAMES_H
#define VGG_DATA_CLASS_NAMES_H

#include <stddef.h>

#include "vgg/status.h"

typedef struct vgg_numbered_class {
    const char *name;
    size_t number;
} vgg_numbered_class;

/* The names of a list in order, equal ones in the order of their numbers. */
typedef struct vgg_class_names {
    vgg_numbered_class *sorted;
    size_t count;
} vgg_class_names;

/* The names must outlive it; the caller frees names->sorted. */
vgg_status vgg_class_names_sort(const char *const *list, size_t count, vgg_class_names *names,
                                vgg_error *error);

/* The number of the first of that name; `count` when there is none. */
size_t vgg_class_names_find(const vgg_class_names *names, const char *name);

#endif
