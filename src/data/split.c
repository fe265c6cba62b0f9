/* Setting a share of each class aside for validation. */

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset.h"

/* How many of a class's `count` pictures: the nearest to the share that leaves at least one on
 * either side. */
static size_t pictures_aside(size_t count, double share) {
    if (count < 2)
        return 0;
    size_t wanted = (size_t)((double)count * share + 0.5);
    return vgg_size_min(vgg_size_max(wanted, 1), count - 1);
}

/* aside[i] becomes true for the chosen items. members and order have room for all items, starts is
 * one zero per class and one more. */
static void choose(const vgg_dataset *all, double share, uint64_t seed, size_t *members,
                   size_t *order, size_t *starts, bool *aside) {
    for (size_t i = 0; i < all->count; i++) {
        starts[all->items[i].class_index + 1]++;
    }
    for (size_t c = 0; c < all->class_count; c++) {
        starts[c + 1] += starts[c];
    }
    /* Filling a class's stretch moves its start to its end, which is the start of the next. */
    for (size_t i = 0; i < all->count; i++) {
        members[starts[all->items[i].class_index]++] = i;
    }
    for (size_t c = 0; c < all->class_count; c++) {
        size_t begin = c == 0 ? 0 : starts[c - 1], count = starts[c] - begin;
        vgg_random_permutation(order, count, seed, c);
        for (size_t i = 0; i < pictures_aside(count, share); i++) {
            aside[members[begin + order[i]]] = true;
        }
    }
}

/* Moves the chosen items over; both lists stay in order. */
static vgg_status move_items(vgg_dataset *from, vgg_dataset *to, const bool *aside,
                             vgg_error *error) {
    vgg_status status = VGG_OK;
    size_t kept = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (status == VGG_OK && aside[i])
            status = vgg_dataset_add_item(to, from->items[i], error);
        else
            from->items[kept++] = from->items[i];
    }
    from->count = kept;
    return status;
}

static vgg_status split_off(vgg_parts *parts, const bool *aside, vgg_error *error) {
    vgg_dataset *all = parts->train, *part = NULL;
    vgg_status status = vgg_dataset_create(all->source, all->kind, all->name, &part, error);
    if (status != VGG_OK)
        return status;
    part->channels = all->channels;
    part->width = all->width;
    part->height = all->height;
    for (size_t i = 0; status == VGG_OK && i < all->class_count; i++) {
        status = vgg_dataset_add_class(part, all->classes[i], error);
    }
    if (status == VGG_OK)
        status = move_items(all, part, aside, error);
    if (status == VGG_OK && part->count > 0)
        parts->validation = part;
    else
        vgg_dataset_free(part);
    return status;
}

vgg_status vgg_parts_split(vgg_parts *parts, double share, uint64_t seed, vgg_error *error) {
    const vgg_dataset *all = parts->train;
    if (all == NULL)
        return VGG_OK;
    size_t *members = vgg_calloc(all->count, sizeof *members);
    size_t *order = vgg_calloc(all->count, sizeof *order);
    size_t *starts = vgg_calloc(all->class_count + 1, sizeof *starts);
    bool *aside = vgg_calloc(all->count, sizeof *aside);
    vgg_status status = VGG_OK;
    if (members == NULL || order == NULL || starts == NULL || aside == NULL) {
        status = vgg_fail_memory(error, "a split", all->count * 2 * sizeof *members);
    } else {
        choose(all, share, seed, members, order, starts, aside);
        status = split_off(parts, aside, error);
    }
    vgg_free(members);
    vgg_free(order);
    vgg_free(starts);
    vgg_free(aside);
    return status;
}
