#include "train/views.h"

#include <string.h>

static const vgg_view_row rows[] = {
    {"crop", offsetof(vgg_augment, crop), VGG_VIEW_SWITCH},
    {"flip", offsetof(vgg_augment, flip), VGG_VIEW_SWITCH},
    {"area", offsetof(vgg_augment, area), VGG_VIEW_NUMBER},
    {"scale", offsetof(vgg_augment, scale), VGG_VIEW_NUMBER},
    {"translate", offsetof(vgg_augment, translate), VGG_VIEW_COUNT},
    {"rotate", offsetof(vgg_augment, rotate), VGG_VIEW_NUMBER},
    {"policy", offsetof(vgg_augment, policy), VGG_VIEW_SWITCH},
    {"colour", offsetof(vgg_augment, colour), VGG_VIEW_NUMBER},
    {"pca", offsetof(vgg_augment, pca), VGG_VIEW_NUMBER},
    {"erase", offsetof(vgg_augment, erase), VGG_VIEW_NUMBER},
};
#define ROWS (sizeof rows / sizeof *rows)

const char *vgg_view_name(size_t view) {
    return view < ROWS ? rows[view].name : NULL;
}

static bool is_on(const vgg_view_row *row, const vgg_augment *views) {
    const char *at = (const char *)views + row->on;
    bool on = false;
    double number = 0;
    size_t count = 0;
    switch (row->kind) {
    case VGG_VIEW_SWITCH:
        memcpy(&on, at, sizeof on);
        return on;
    case VGG_VIEW_NUMBER:
        memcpy(&number, at, sizeof number);
        return number > 0;
    case VGG_VIEW_COUNT:
        memcpy(&count, at, sizeof count);
        return count > 0;
    }
    return false;
}

bool vgg_views_random(const vgg_augment *views) {
    bool random = false;
    for (size_t i = 0; i < ROWS; i++) {
        random = random || is_on(&rows[i], views);
    }
    return random;
}

const char *vgg_views_beside_flip(const vgg_augment *given) {
    vgg_augment views = *given;
    views.scale = views.scale > 1 ? views.scale : 0; /* times 1 is no other view */
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, "flip") != 0 && is_on(&rows[i], &views))
            return rows[i].name;
    }
    return NULL;
}
