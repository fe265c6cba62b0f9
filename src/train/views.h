/* Which random views of its pictures a training shows, a row per kind; image/augment.c draws them.
 */
#ifndef VGG_TRAIN_VIEWS_H
#define VGG_TRAIN_VIEWS_H

#include "vgg/train.h"

/* What switches a view on: a bool, a double or a size_t that is not 0. */
typedef enum vgg_view_kind {
    VGG_VIEW_SWITCH,
    VGG_VIEW_NUMBER,
    VGG_VIEW_COUNT,
} vgg_view_kind;

typedef struct vgg_view_row {
    const char *name;
    size_t on; /* offset in vgg_augment of what switches it on */
    vgg_view_kind kind;
} vgg_view_row;

/* Whether any view involves chance. */
bool vgg_views_random(const vgg_augment *views);

/* The name of a view that makes more than two mirror images of a picture; NULL: there is none. */
const char *vgg_views_beside_flip(const vgg_augment *views);

#endif
