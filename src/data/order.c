#include "data/order.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"

/* The streams of random numbers: one that nobody reaches who shuffles by the epoch and counts from
 * 0, and of each class one that lasts for the whole training. */
#define SHUFFLE_STREAM (UINT64_MAX - 2)
#define CLASS_STREAM (UINT64_MAX - 3)

typedef struct balance {
    size_t count, classes;
    size_t *first; /* (classes + 1): where the pictures of a class begin in items */
    size_t *items; /* (count), class by class */
    size_t *mixed; /* (count): a permutation */
} balance;

static void sort_by_class(const vgg_dataset *dataset, balance *b) {
    memset(b->first, 0, (b->classes + 1) * sizeof *b->first);
    for (size_t i = 0; i < b->count; i++) {
        b->first[vgg_dataset_item_class(dataset, i) + 1]++;
    }
    for (size_t c = 0; c < b->classes; c++) {
        b->first[c + 1] += b->first[c];
        b->mixed[c] = b->first[c]; /* where the next of the class goes */
    }
    for (size_t i = 0; i < b->count; i++) {
        b->items[b->mixed[vgg_dataset_item_class(dataset, i)]++] = i;
    }
}

static size_t filled_classes(const balance *b) {
    size_t filled = 0;
    for (size_t c = 0; c < b->classes; c++) {
        filled += b->first[c + 1] > b->first[c];
    }
    return filled;
}

/* `share` pictures of a class: the next of an order that goes on from epoch to epoch. */
static void take(const balance *b, size_t c, size_t share, uint64_t seed, uint64_t epoch,
                 size_t *out) {
    size_t pictures = b->first[c + 1] - b->first[c];
    vgg_random_permutation(b->mixed, pictures, vgg_random_u64(seed, CLASS_STREAM, c), 0);
    size_t from = (size_t)(epoch % pictures) * (share % pictures) % pictures;
    for (size_t i = 0; i < share; i++) {
        size_t item = b->items[b->first[c] + b->mixed[(from + i) % pictures]];
        out[i] = item + i / pictures * b->count;
    }
}

/* Entries class by class; the classes that get one more change with the epoch. */
static void fill(const balance *b, uint64_t seed, uint64_t epoch, size_t *entries) {
    size_t filled = filled_classes(b), number = 0, at = 0;
    for (size_t c = 0; c < b->classes; c++) {
        if (b->first[c + 1] == b->first[c])
            continue;
        size_t turn = (number++ + (size_t)(epoch % filled)) % filled;
        size_t share = b->count / filled + (turn < b->count % filled);
        take(b, c, share, seed, epoch, entries + at);
        at += share;
    }
}

vgg_status vgg_order_balanced(const vgg_dataset *dataset, uint64_t seed, uint64_t epoch,
                              size_t *order, vgg_error *error) {
    balance b = {.count = vgg_dataset_count(dataset), .classes = vgg_dataset_class_count(dataset)};
    /* A permutation of the pictures, or a place per class. */
    size_t mixed = vgg_size_max(b.count, b.classes), numbers = b.classes + 1 + 2 * b.count + mixed;
    size_t *memory = vgg_calloc(numbers, sizeof *memory);
    if (memory == NULL)
        return vgg_fail_memory(error, "the order of an epoch", numbers * sizeof *memory);
    b.first = memory;
    b.items = b.first + b.classes + 1;
    size_t *entries = b.items + b.count;
    b.mixed = entries + b.count;
    sort_by_class(dataset, &b);
    fill(&b, seed, epoch, entries);
    vgg_random_permutation(b.mixed, b.count, vgg_random_u64(seed, SHUFFLE_STREAM, epoch), 0);
    for (size_t i = 0; i < b.count; i++) {
        order[i] = entries[b.mixed[i]];
    }
    vgg_free(memory);
    return VGG_OK;
}
