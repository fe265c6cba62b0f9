/* Keys with values: the metadata of a file, the notes of a model, the record of a run. */
#ifndef VGG_BASE_NOTES_H
#define VGG_BASE_NOTES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct vgg_note {
    char *key, *value;
} vgg_note;

/* Sorted by key, each key once: the order of setting leaves no trace in a file. Start with {0}. */
typedef struct vgg_notes {
    vgg_note *items;
    size_t count, capacity;
} vgg_notes;

/* NULL when there is none. */
const char *vgg_notes_find(const vgg_notes *notes, const char *key);

/* Copies both; replaces the value of a key that is there. False when memory ran out. */
bool vgg_notes_set(vgg_notes *notes, const char *key, const char *value);
void vgg_notes_free(vgg_notes *notes);

#endif
