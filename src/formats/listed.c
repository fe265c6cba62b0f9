#include "formats/listed.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

bool vgg_listed_add(vgg_listed *listed, const char *name, vgg_listed_module module) {
    if (listed->count == listed->capacity) {
        size_t capacity = vgg_size_max(2 * listed->capacity, 64);
        vgg_listed_module *items = vgg_realloc(listed->items, capacity * sizeof *items);
        if (items == NULL)
            return false;
        listed->items = items;
        listed->capacity = capacity;
    }
    module.name = vgg_text_copy(name);
    if (module.name == NULL)
        return false;
    listed->items[listed->count++] = module;
    return true;
}

void vgg_listed_free(vgg_listed *listed) {
    for (size_t i = 0; i < listed->count; i++) {
        vgg_free(listed->items[i].name);
    }
    vgg_free(listed->items);
    *listed = (vgg_listed){0};
}

size_t vgg_listed_find(const vgg_listed *listed, const char *name, size_t length) {
    size_t i = 0;
    while (i < listed->count && !(listed->items[i].kind == VGG_LISTED_WEIGHTS &&
                                  strlen(listed->items[i].name) == length &&
                                  memcmp(listed->items[i].name, name, length) == 0)) {
        i++;
    }
    return i;
}
