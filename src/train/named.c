#include "train/named.h"

#include <stdint.h>

#include "base/memory.h"
#include "base/random.h"

#define CAPACITY_FIRST 64

/* Where the name is, or would be. There is a free place. */
static const char **find(const vgg_named *named, const char *name) {
    size_t at = (size_t)vgg_random_mix((uint64_t)(uintptr_t)name) & (named->capacity - 1);
    while (named->places[at] != NULL && named->places[at] != name) {
        at = (at + 1) & (named->capacity - 1);
    }
    return &named->places[at];
}

/* A table of twice the size, at most half of which is taken. */
static bool grow(vgg_named *named) {
    vgg_named larger = {.capacity = named->capacity > 0 ? 2 * named->capacity : CAPACITY_FIRST,
                        .count = named->count};
    larger.places = vgg_calloc(larger.capacity, sizeof *larger.places);
    if (larger.places == NULL)
        return false;
    for (size_t i = 0; i < named->capacity; i++) {
        if (named->places[i] != NULL)
            *find(&larger, named->places[i]) = named->places[i];
    }
    vgg_named_free(named);
    *named = larger;
    return true;
}

bool vgg_named_add(vgg_named *named, const char *name) {
    if (named->capacity > 0 && *find(named, name) == name)
        return false;
    if (2 * (named->count + 1) > named->capacity && !grow(named))
        return true;
    *find(named, name) = name;
    named->count++;
    return true;
}

void vgg_named_free(vgg_named *named) {
    vgg_free(named->places);
    *named = (vgg_named){0};
}
