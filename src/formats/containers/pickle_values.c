/* Reading the values that a pickle made. */
#include <string.h>

#include "formats/containers/pickle.h"

size_t vgg_pickle_items(const vgg_pickle *pickle, const vgg_pickle_value *container,
                        const vgg_pickle_value **items, size_t count) {
    size_t found = 0;
    for (uint32_t c = container->items.first; c != VGG_PICKLE_END && found < count;
         c = pickle->cells[c].next) {
        items[found++] = &pickle->values[pickle->cells[c].value];
    }
    return found;
}

bool vgg_pickle_next_entry(const vgg_pickle *pickle, uint32_t *cell, const vgg_pickle_value **key,
                           const vgg_pickle_value **value) {
    if (*cell == VGG_PICKLE_END)
        return false;
    const vgg_pickle_cell *first = &pickle->cells[*cell], *second = &pickle->cells[first->next];
    *key = &pickle->values[first->value];
    *value = &pickle->values[second->value];
    *cell = second->next;
    return true;
}

const vgg_pickle_value *vgg_pickle_attributes(const vgg_pickle *pickle,
                                              const vgg_pickle_value *value) {
    if (value->kind == VGG_PICKLE_OPAQUE && value->items.first != VGG_PICKLE_END)
        value = &pickle->values[pickle->cells[value->items.first].value];
    return value->kind == VGG_PICKLE_DICT ? value : NULL;
}

bool vgg_pickle_is_text(const vgg_pickle_value *value, const char *text) {
    return value->kind == VGG_PICKLE_TEXT && value->text.length == strlen(text) &&
           memcmp(value->text.bytes, text, value->text.length) == 0;
}
