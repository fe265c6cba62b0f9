#include "cli/visited.h"

#include <stdint.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

/* Where it is noted, or the free place where it would be; some place is free. */
static vgg_cli_file_id *find(const vgg_cli_visited *visited, dev_t device, ino_t inode) {
    uint64_t mixed = ((uint64_t)device * 31 + (uint64_t)inode) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(mixed >> 32) % visited->capacity;
    while (visited->places[at].used &&
           (visited->places[at].device != device || visited->places[at].inode != inode)) {
        at = (at + 1) % visited->capacity;
    }
    return &visited->places[at];
}

static bool grow(vgg_cli_visited *visited) {
    if (visited->capacity > SIZE_MAX / 2 / sizeof *visited->places)
        return false;
    vgg_cli_visited larger = {.capacity =
                                  visited->capacity == 0 ? FIRST_CAPACITY : 2 * visited->capacity,
                              .count = visited->count};
    larger.places = calloc(larger.capacity, sizeof *larger.places);
    if (larger.places == NULL)
        return false;
    for (size_t i = 0; i < visited->capacity; i++) {
        const vgg_cli_file_id *noted = &visited->places[i];
        if (noted->used)
            *find(&larger, noted->device, noted->inode) = *noted;
    }
    free(visited->places);
    *visited = larger;
    return true;
}

vgg_cli_visit vgg_cli_visited_note(vgg_cli_visited *visited, const struct stat *found) {
    if (2 * (visited->count + 1) > visited->capacity && !grow(visited))
        return VGG_CLI_VISIT_FAILED;
    vgg_cli_file_id *place = find(visited, found->st_dev, found->st_ino);
    if (place->used)
        return VGG_CLI_VISIT_AGAIN;
    *place = (vgg_cli_file_id){.device = found->st_dev, .inode = found->st_ino, .used = true};
    visited->count++;
    return VGG_CLI_VISIT_FIRST;
}

void vgg_cli_visited_clear(vgg_cli_visited *visited) {
    free(visited->places);
    *visited = (vgg_cli_visited){0};
}
