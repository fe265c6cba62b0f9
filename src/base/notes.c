#include "base/notes.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* Where the key is, or where it belongs. */
static size_t find_place(const vgg_notes *notes, const char *key) {
    size_t low = 0, high = notes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(notes->items[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const vgg_notes *notes, size_t place, const char *key) {
    return place < notes->count && strcmp(notes->items[place].key, key) == 0;
}

const char *vgg_notes_find(const vgg_notes *notes, const char *key) {
    size_t place = find_place(notes, key);
    return is_at(notes, place, key) ? notes->items[place].value : NULL;
}

static bool make_room(vgg_notes *notes) {
    if (notes->count < notes->capacity)
        return true;
    size_t capacity = notes->capacity == 0 ? 16 : 2 * notes->capacity;
    vgg_note *items = vgg_realloc(notes->items, capacity * sizeof *items);
    if (items == NULL)
        return false;
    notes->items = items;
    notes->capacity = capacity;
    return true;
}

bool vgg_notes_set(vgg_notes *notes, const char *key, const char *value) {
    size_t place = find_place(notes, key);
    char *new_value = vgg_text_copy(value);
    if (new_value == NULL)
        return false;
    if (is_at(notes, place, key)) {
        vgg_free(notes->items[place].value);
        notes->items[place].value = new_value;
        return true;
    }
    char *new_key = vgg_text_copy(key);
    if (new_key == NULL || !make_room(notes)) {
        vgg_free(new_key);
        vgg_free(new_value);
        return false;
    }
    memmove(notes->items + place + 1, notes->items + place,
            (notes->count - place) * sizeof *notes->items);
    notes->items[place] = (vgg_note){new_key, new_value};
    notes->count++;
    return true;
}

void vgg_notes_free(vgg_notes *notes) {
    for (size_t i = 0; i < notes->count; i++) {
        vgg_free(notes->items[i].key);
        vgg_free(notes->items[i].value);
    }
    vgg_free(notes->items);
    *notes = (vgg_notes){0};
}
