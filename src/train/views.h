/* Which random views of its pictures a training shows, a row per kind; image/augment.c draws them.
 */
#ifndef VGG_TRAIN_VIEWS_H
#define VGG_TRAIN_VIEWS_H

#include "vgg/train.h"

typedef struct vgg_view_row {
    const char *name;
    size_t on; /* offset of its switch, a bool, in vgg_augment */
} vgg_view_row;

/* Whether any view involves chance. */
bool vgg_views_random(const vgg_augment *views);

#endif
