#include "data/split.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

#define DIGITS 8

/* How many of a class's `count` pictures: the nearest to the share that leaves at least one on
 * either side. */
static size_t pictures_aside(size_t count, double share) {
    if (count < 2)
        return 0;
    size_t wanted = (size_t)((double)count * share + 0.5);
    return vgg_size_min(vgg_size_max(wanted, 1), count - 1);
}

/* ---- what is written about a split ---- */

/* A share as "0.25", whatever the locale. Digits beyond those that a double holds are left. */
static const char *read_share(const char *text, double *share) {
    double number = 0.0, scale = 1.0;
    if (*text != '0')
        return NULL;
    text++;
    if (*text != '.')
        return text;
    for (text++; *text >= '0' && *text <= '9'; text++) {
        if (scale < 1e15) {
            number = 10.0 * number + (*text - '0');
            scale *= 10.0;
        }
    }
    *share = number / scale;
    return text;
}

/* The fewest digits that read as the share, or as near to it as they can. */
static void add_share(vgg_text *text, double share) {
    double scale = 1.0;
    int digits = 0;
    while (digits < 15 && (double)(uint64_t)(share * scale + 0.5) / scale != share) {
        scale *= 10.0;
        digits++;
    }
    vgg_text_add(text, "0");
    if (digits > 0)
        vgg_text_add(text, ".%0*" PRIu64, digits, (uint64_t)(share * scale + 0.5));
}

/* Passes over `word`; NULL stays NULL, and becomes of text that begins otherwise. */
static const char *skip(const char *text, const char *word) {
    size_t length = strlen(word);
    return text != NULL && strncmp(text, word, length) == 0 ? text + length : NULL;
}

static const char *read_numbers(const char *text, vgg_split *split) {
    const char *share = skip(text, " share="), *seed, *end = NULL;
    seed = skip(share != NULL ? read_share(share, &split->share) : NULL, " seed=");
    if (seed != NULL && *seed >= '0' && *seed <= '9')
        split->seed = strtoull(seed, (char **)&end, 10);
    return end;
}

static bool are_bounds(const char *text) {
    size_t length = strlen(text);
    return length % DIGITS == 0 && strspn(text, "0123456789abcdef") == length;
}

vgg_status vgg_split_read(const char *text, vgg_split *split, vgg_error *error) {
    *split = (vgg_split){0};
    if (strcmp(text, "none") == 0)
        return VGG_OK;
    bool by_names = strncmp(text, "names", 5) == 0;
    const char *rest = read_numbers(skip(text, by_names ? "names" : "order"), split);
    if (rest != NULL && by_names && *rest != '\0') {
        rest = split->below = skip(rest, " below=");
        if (rest != NULL && are_bounds(rest))
            rest += strlen(rest);
    }
    if (rest != NULL && !by_names && strcmp(rest, " test=validation") == 0) {
        split->test_validates = true;
        rest += strlen(rest);
    }
    split->rule = by_names ? VGG_SPLIT_NAMES : VGG_SPLIT_ORDER;
    if (rest != NULL && *rest == '\0' && split->share < 1.0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "the split \"%.60s\" is none of libvgg's; expected \"none\", \"names share=X "
                    "seed=K below=...\" or \"order share=X seed=K\"",
                    text);
}

/* ---- by names ---- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    }
    return hash;
}

static uint32_t item_hash(const vgg_dataset *all, size_t item, uint64_t seed) {
    const vgg_item *picture = &all->items[item];
    uint64_t hash = hash_text(0xcbf29ce484222325u, all->classes[picture->class_index]);
    hash = hash_text(hash, "/");
    hash = hash_text(hash, picture->name + picture->key);
    return (uint32_t)(vgg_random_u64(seed, hash, 0) >> 32);
}

static int compare_hashes(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The hashes of each class in order, one class after the other; class c ends at ends[c]. */
static void sort_hashes(const vgg_dataset *all, const uint32_t *hashes, uint32_t *sorted,
                        size_t *ends) {
    for (size_t i = 0; i < all->count; i++) {
        ends[all->items[i].class_index + 1]++;
    }
    for (size_t c = 0; c < all->class_count; c++) {
        ends[c + 1] += ends[c];
    }
    /* Filling a class's stretch moves its start to its end, which is the start of the next. */
    for (size_t i = 0; i < all->count; i++) {
        sorted[ends[all->items[i].class_index]++] = hashes[i];
    }
    for (size_t c = 0; c < all->class_count; c++) {
        size_t begin = c == 0 ? 0 : ends[c - 1];
        if (ends[c] > begin)
            qsort(sorted + begin, ends[c] - begin, sizeof *sorted, compare_hashes);
    }
}

/* below[c] becomes the hash of the first picture of class c that is not set aside. */
static vgg_status choose_bounds(const vgg_dataset *all, double share, const uint32_t *hashes,
                                uint32_t *below, vgg_error *error) {
    uint32_t *sorted = vgg_calloc(all->count, sizeof *sorted);
    size_t *ends = vgg_calloc(all->class_count + 1, sizeof *ends);
    vgg_status status = VGG_OK;
    if (sorted == NULL || ends == NULL) {
        status = vgg_fail_memory(error, "a split", all->count * sizeof *sorted);
    } else {
        sort_hashes(all, hashes, sorted, ends);
        for (size_t c = 0; c < all->class_count; c++) {
            size_t begin = c == 0 ? 0 : ends[c - 1];
            size_t aside = pictures_aside(ends[c] - begin, share);
            below[c] = aside > 0 ? sorted[begin + aside] : 0;
        }
    }
    vgg_free(sorted);
    vgg_free(ends);
    return status;
}

static vgg_status read_bounds(const vgg_dataset *all, const char *text, uint32_t *below,
                              vgg_error *error) {
    size_t count = strlen(text) / DIGITS;
    if (count != all->class_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s: has %zu classes; the split that is recorded is one of %zu", all->name,
                        all->class_count, count);
    for (size_t c = 0; c < count; c++) {
        char digits[DIGITS + 1] = "";
        memcpy(digits, text + c * DIGITS, DIGITS);
        below[c] = (uint32_t)strtoul(digits, NULL, 16);
    }
    return VGG_OK;
}

/* A bound is the hash of a picture that was not set aside: how many of these are there. */
static size_t count_known(const vgg_dataset *all, const uint32_t *hashes, const uint32_t *below) {
    size_t known = 0;
    for (size_t i = 0; i < all->count; i++) {
        uint32_t bound = below[all->items[i].class_index];
        known += bound != 0 && hashes[i] == bound;
    }
    return known;
}

static vgg_status choose_by_names(const vgg_dataset *all, const vgg_split *split, uint32_t *below,
                                  bool *aside, size_t *known, vgg_error *error) {
    uint32_t *hashes = vgg_calloc(all->count, sizeof *hashes);
    if (hashes == NULL)
        return vgg_fail_memory(error, "a split", all->count * sizeof *hashes);
    for (size_t i = 0; i < all->count; i++) {
        hashes[i] = item_hash(all, i, split->seed);
    }
    vgg_status status = split->below != NULL
                            ? read_bounds(all, split->below, below, error)
                            : choose_bounds(all, split->share, hashes, below, error);
    for (size_t i = 0; status == VGG_OK && i < all->count; i++) {
        aside[i] = hashes[i] < below[all->items[i].class_index];
    }
    if (status == VGG_OK)
        *known = count_known(all, hashes, below);
    vgg_free(hashes);
    return status;
}

/* ---- by places ---- */

/* members and order have room for all items, starts is one zero per class and one more. */
static void shuffle_classes(const vgg_dataset *all, const vgg_split *split, size_t *members,
                            size_t *order, size_t *starts, bool *aside) {
    for (size_t i = 0; i < all->count; i++) {
        starts[all->items[i].class_index + 1]++;
    }
    for (size_t c = 0; c < all->class_count; c++) {
        starts[c + 1] += starts[c];
    }
    for (size_t i = 0; i < all->count; i++) {
        members[starts[all->items[i].class_index]++] = i;
    }
    for (size_t c = 0; c < all->class_count; c++) {
        size_t begin = c == 0 ? 0 : starts[c - 1], count = starts[c] - begin;
        vgg_random_permutation(order, count, split->seed, c);
        for (size_t i = 0; i < pictures_aside(count, split->share); i++) {
            aside[members[begin + order[i]]] = true;
        }
    }
}

static vgg_status choose_by_order(const vgg_dataset *all, const vgg_split *split, bool *aside,
                                  vgg_error *error) {
    size_t *members = vgg_calloc(all->count, sizeof *members);
    size_t *order = vgg_calloc(all->count, sizeof *order);
    size_t *starts = vgg_calloc(all->class_count + 1, sizeof *starts);
    vgg_status status = VGG_OK;
    if (members == NULL || order == NULL || starts == NULL)
        status = vgg_fail_memory(error, "a split", all->count * 2 * sizeof *members);
    else
        shuffle_classes(all, split, members, order, starts, aside);
    vgg_free(members);
    vgg_free(order);
    vgg_free(starts);
    return status;
}

/* ---- both ---- */

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
    part->several = all->several;
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

static char *write_record(const vgg_split *split, const uint32_t *below, size_t classes) {
    vgg_text text = {0};
    bool names = split->rule == VGG_SPLIT_NAMES;
    vgg_text_add(&text, "%s share=", names ? "names" : "order");
    add_share(&text, split->share);
    vgg_text_add(&text, " seed=%" PRIu64 "%s", split->seed, names ? " below=" : "");
    for (size_t c = 0; names && c < classes; c++) {
        vgg_text_add(&text, "%08" PRIx32, below[c]);
    }
    return vgg_text_take(&text);
}

vgg_status vgg_parts_split(vgg_parts *parts, const vgg_split *split, vgg_split_result *result,
                           vgg_error *error) {
    const vgg_dataset *all = parts->train;
    bool *aside = vgg_calloc(all->count, sizeof *aside);
    uint32_t *below = vgg_calloc(all->class_count, sizeof *below);
    vgg_status status = VGG_OK;
    if (aside == NULL || below == NULL)
        status = vgg_fail_memory(error, "a split", all->count * sizeof *aside);
    else if (split->rule == VGG_SPLIT_NAMES)
        status = choose_by_names(all, split, below, aside, &result->known, error);
    else
        status = choose_by_order(all, split, aside, error);
    if (status == VGG_OK)
        status = split_off(parts, aside, error);
    if (status == VGG_OK) {
        result->record = write_record(split, below, all->class_count);
        if (result->record == NULL)
            status = vgg_fail_memory(error, "a split", all->class_count * DIGITS);
    }
    vgg_free(aside);
    vgg_free(below);
    return status;
}
