#include "train/views.h"

#include <string.h>

static const vgg_view_row rows[] = {
    {"crop", offsetof(vgg_augment, crop)},
    {"flip", offsetof(vgg_augment, flip)},
};
#define ROWS (sizeof rows / sizeof *rows)

const char *vgg_view_name(size_t view) {
    return view < ROWS ? rows[view].name : NULL;
}

bool vgg_views_random(const vgg_augment *views) {
    bool random = false;
    for (size_t i = 0; i < ROWS; i++) {
        bool on;
        memcpy(&on, (const char *)views + rows[i].on, sizeof on);
        random = random || on;
    }
    return random;
}
