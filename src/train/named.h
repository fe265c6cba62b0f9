/* Which pictures were named as unreadable, so that each is named once. */
#ifndef VGG_TRAIN_NAMED_H
#define VGG_TRAIN_NAMED_H

#include <stdbool.h>
#include <stddef.h>

/* Names by their addresses, which a data set keeps; each lies in the first free place from the one
 * that it hashes to. All zero: none. */
typedef struct vgg_named {
    const char **places;
    size_t count, capacity; /* capacity: a power of two, or 0 */
} vgg_named;

/* False when the name is there already. Where there is no memory to keep it, it is new again the
 * next time. */
bool vgg_named_add(vgg_named *named, const char *name);
void vgg_named_free(vgg_named *named);

#endif
