/* The modules that a file lists with their kinds, beside their tensors, as a pickled network does.
 * What flows between two of them is known only where they are parts of something that runs its
 * parts in their order. */
#ifndef VGG_FORMATS_LISTED_H
#define VGG_FORMATS_LISTED_H

#include "formats/evidence.h"

typedef enum vgg_listed_kind {
    VGG_LISTED_LAYER = 0, /* without tensors */
    VGG_LISTED_NOTHING,   /* which computes nothing */
    VGG_LISTED_WEIGHTS,   /* with tensors under its name */
} vgg_listed_kind;

typedef struct vgg_listed_module {
    char *name; /* "features.3" */
    vgg_listed_kind kind;
    vgg_clue clue; /* of a layer; of a convolution what is known of its edges */
    bool follows;  /* it takes what the one before it in the list gives */
} vgg_listed_module;

/* In the order in which the file has them. Start with {0}. */
typedef struct vgg_listed {
    vgg_listed_module *items;
    size_t count, capacity;
} vgg_listed;

/* Appends a module with a copy of its name; false when memory ran out. */
bool vgg_listed_add(vgg_listed *listed, const char *name, vgg_listed_module module);
void vgg_listed_free(vgg_listed *listed);

/* The place of the module with tensors of that name, not terminated; the count of all when there is
 * none. */
size_t vgg_listed_find(const vgg_listed *listed, const char *name, size_t length);

#endif
