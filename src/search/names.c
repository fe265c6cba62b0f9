/* A set of names of pictures: the first free place behind the one that a name's sum says. */
#include <string.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "search/index.h"

/* The place of the name, or the free one that it would take; the capacity is a power of two, and
 * some places are free. */
static size_t *find_place(const vgg_index_names *names, const vgg_index_table *table,
                          const char *name) {
    size_t at = (size_t)vgg_checksum_of(name, strlen(name));
    for (;; at++) {
        size_t *place = &names->places[at & (names->capacity - 1)];
        if (*place == 0 || strcmp(table->entries[*place - 1].name, name) == 0)
            return place;
    }
}

static vgg_status grow(vgg_index_names *names, const vgg_index_table *table, vgg_error *error) {
    vgg_index_names wider = {.count = names->count,
                             .capacity = names->capacity > 0 ? 2 * names->capacity : 64};
    wider.places = vgg_calloc(wider.capacity, sizeof *wider.places);
    if (wider.places == NULL)
        return vgg_fail_memory(error, "the names of an index",
                               wider.capacity * sizeof *wider.places);
    for (size_t i = 0; i < names->capacity; i++) {
        if (names->places[i] > 0)
            *find_place(&wider, table, table->entries[names->places[i] - 1].name) =
                names->places[i];
    }
    vgg_index_names_free(names);
    *names = wider;
    return VGG_OK;
}

bool vgg_index_names_have(const vgg_index_names *names, const vgg_index_table *table,
                          const char *name) {
    return names->count > 0 && *find_place(names, table, name) > 0;
}

vgg_status vgg_index_names_add(vgg_index_names *names, const vgg_index_table *table,
                               vgg_error *error) {
    if (2 * names->count >= names->capacity) {
        vgg_status status = grow(names, table, error);
        if (status != VGG_OK)
            return status;
    }
    *find_place(names, table, table->entries[table->count - 1].name) = table->count;
    names->count++;
    return VGG_OK;
}

void vgg_index_names_free(vgg_index_names *names) {
    vgg_free(names->places);
    *names = (vgg_index_names){0};
}
