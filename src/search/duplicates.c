/* Near-duplicates: of each picture the nearest others are looked at more closely. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "search/index.h"

#define NEIGHBOURS 16
#define NEIGHBOURS_MOST 1000
/* Rows that are compared with all at once, and pairs between two reports of progress. */
#define QUERIES 64
#define PAIRS 4096

void vgg_duplicate_options_init(vgg_duplicate_options *options, size_t size) {
    const vgg_duplicate_options defaults = {
        .struct_size = size, .likeness = VGG_DUPLICATE_LIKENESS, .neighbours = NEIGHBOURS};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

typedef struct duplicates {
    vgg_index *index;
    const vgg_duplicate_options *options;
    size_t neighbours;         /* of each picture */
    size_t *nearest;           /* (pictures, neighbours): numbers, SIZE_MAX behind the last */
    const float *similarities; /* of the block of queries that begins at `first` */
    size_t first;
    vgg_duplicate_pair *pairs; /* candidates, then those that are alike */
    size_t pair_count, pair_room;
    size_t *group; /* (pictures): a picture of the same group, itself for the first */
} duplicates;

static vgg_status report(const duplicates *d, size_t done, vgg_error *error) {
    const vgg_duplicate_options *options = d->options;
    if (options->progress == NULL ||
        options->progress(options->progress_user, done, 2 * d->index->table.count))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_STOPPED, "the search for duplicates was stopped");
}

/* ---- candidates ---- */

/* A unit is a row of the block. */
static void find_nearest(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const duplicates *d = context;
    size_t pictures = d->index->table.count;
    for (size_t unit = begin; unit < end; unit++) {
        size_t picture = d->first + unit, *numbers = d->nearest + picture * d->neighbours;
        size_t found = vgg_index_nearest(d->similarities + unit * pictures, pictures, d->neighbours,
                                         picture, numbers);
        for (; found < d->neighbours; found++) {
            numbers[found] = SIZE_MAX;
        }
    }
}

static vgg_status find_all_nearest(duplicates *d, vgg_error *error) {
    vgg_index *index = d->index;
    size_t pictures = index->table.count;
    for (d->first = 0; d->first < pictures; d->first += QUERIES) {
        size_t count = vgg_size_min(QUERIES, pictures - d->first);
        vgg_status status = vgg_index_compare(index, vgg_index_row(index, d->first), count,
                                              &d->similarities, error);
        if (status != VGG_OK)
            return status;
        vgg_threads_run(index->threads, count, find_nearest, d);
        status = report(d, d->first + count, error);
        if (status != VGG_OK)
            return status;
    }
    return VGG_OK;
}

static vgg_status add_pair(duplicates *d, size_t a, size_t b, vgg_error *error) {
    if (d->pair_count == d->pair_room) {
        size_t wanted = vgg_size_max(2 * d->pair_room, 256);
        vgg_duplicate_pair *larger = vgg_realloc(d->pairs, wanted * sizeof *larger);
        if (larger == NULL)
            return vgg_fail_memory(error, "pairs of pictures", wanted * sizeof *larger);
        d->pairs = larger;
        d->pair_room = wanted;
    }
    d->pairs[d->pair_count++] =
        (vgg_duplicate_pair){.first = vgg_size_min(a, b), .second = vgg_size_max(a, b)};
    return VGG_OK;
}

static bool have_same_bytes(const vgg_index *index, size_t a, size_t b) {
    const vgg_index_stamp *left = &index->table.entries[a].stamp,
                          *right = &index->table.entries[b].stamp;
    return left->sum == right->sum && left->size == right->size && left->size > 0;
}

static int compare_sums(const void *left, const void *right, void *entries) {
    const vgg_index_entry *all = entries;
    const size_t *a = left, *b = right;
    if (all[*a].stamp.sum != all[*b].stamp.sum)
        return all[*a].stamp.sum < all[*b].stamp.sum ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

/* Files of the same bytes, each with the one before it, however many there are. */
static vgg_status add_same(duplicates *d, vgg_error *error) {
    size_t count = d->index->table.count;
    vgg_status status = VGG_OK;
    for (size_t i = 0; i < count; i++) {
        d->group[i] = i;
    }
    qsort_r(d->group, count, sizeof *d->group, compare_sums, d->index->table.entries);
    for (size_t i = 1; status == VGG_OK && i < count; i++) {
        if (have_same_bytes(d->index, d->group[i - 1], d->group[i]))
            status = add_pair(d, d->group[i - 1], d->group[i], error);
    }
    return status;
}

static int compare_pairs(const void *left, const void *right) {
    const vgg_duplicate_pair *a = left, *b = right;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a->second < b->second ? -1 : a->second > b->second;
}

/* All pairs of a picture and one of its nearest, each once. */
static vgg_status list_pairs(duplicates *d, vgg_error *error) {
    vgg_status status = add_same(d, error);
    size_t all = d->index->table.count * d->neighbours;
    for (size_t i = 0; status == VGG_OK && i < all; i++) {
        if (d->nearest[i] != SIZE_MAX)
            status = add_pair(d, i / d->neighbours, d->nearest[i], error);
    }
    if (status != VGG_OK || d->pair_count == 0)
        return status;
    qsort(d->pairs, d->pair_count, sizeof *d->pairs, compare_pairs);
    size_t kept = 1;
    for (size_t i = 1; i < d->pair_count; i++) {
        if (compare_pairs(&d->pairs[i], &d->pairs[kept - 1]) != 0)
            d->pairs[kept++] = d->pairs[i];
    }
    d->pair_count = kept;
    return VGG_OK;
}

/* ---- looking closely ---- */

/* A unit is a pair from number `first` on. */
static void compare(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const duplicates *d = context;
    for (size_t unit = begin; unit < end; unit++) {
        vgg_duplicate_pair *pair = &d->pairs[d->first + unit];
        pair->likeness = 1;
        if (have_same_bytes(d->index, pair->first, pair->second))
            continue;
        vgg_alike first, second;
        vgg_alike_prepare(d->index->table.greys + pair->first * VGG_INDEX_SAMPLES, &first);
        vgg_alike_prepare(d->index->table.greys + pair->second * VGG_INDEX_SAMPLES, &second);
        pair->likeness = vgg_alike_compare(&first, &second);
    }
}

static vgg_status compare_all(duplicates *d, vgg_error *error) {
    size_t pictures = d->index->table.count, kept = 0;
    for (d->first = 0; d->first < d->pair_count; d->first += PAIRS) {
        size_t count = vgg_size_min(PAIRS, d->pair_count - d->first);
        vgg_threads_run(d->index->threads, count, compare, d);
        double share = (double)(d->first + count) / (double)d->pair_count;
        vgg_status status = report(d, pictures + (size_t)(share * (double)pictures), error);
        if (status != VGG_OK)
            return status;
    }
    for (size_t i = 0; i < d->pair_count; i++) {
        if (d->pairs[i].likeness >= d->options->likeness)
            d->pairs[kept++] = d->pairs[i];
    }
    d->pair_count = kept;
    return VGG_OK;
}

/* ---- groups ---- */

static size_t first_of(size_t *group, size_t picture) {
    while (group[picture] != picture) {
        group[picture] = group[group[picture]];
        picture = group[picture];
    }
    return picture;
}

/* Pictures that a chain of pairs joins have the first of them in common. */
static void join_pairs(duplicates *d) {
    for (size_t i = 0; i < d->index->table.count; i++) {
        d->group[i] = i;
    }
    for (size_t i = 0; i < d->pair_count; i++) {
        size_t a = first_of(d->group, d->pairs[i].first);
        size_t b = first_of(d->group, d->pairs[i].second);
        d->group[vgg_size_max(a, b)] = vgg_size_min(a, b);
    }
    for (size_t i = 0; i < d->index->table.count; i++) {
        d->group[i] = first_of(d->group, i);
    }
}

static int compare_members(const void *left, const void *right, void *group) {
    const size_t *a = left, *b = right, *all = group;
    if (all[*a] != all[*b])
        return all[*a] < all[*b] ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

static int compare_pairs_of(const void *left, const void *right, void *group) {
    const vgg_duplicate_pair *a = left, *b = right;
    const size_t *all = group;
    if (all[a->first] != all[b->first])
        return all[a->first] < all[b->first] ? -1 : 1;
    return compare_pairs(left, right);
}

/* Hands out groups of two pictures or more. `members`: room for all pictures. */
static vgg_status tell_groups(duplicates *d, size_t *members, vgg_duplicate_callback *tell,
                              void *user, vgg_error *error) {
    size_t count = d->index->table.count, pair = 0;
    for (size_t i = 0; i < count; i++) {
        members[i] = i;
    }
    qsort_r(members, count, sizeof *members, compare_members, d->group);
    if (d->pair_count > 0)
        qsort_r(d->pairs, d->pair_count, sizeof *d->pairs, compare_pairs_of, d->group);
    for (size_t begin = 0, end; begin < count; begin = end) {
        size_t first = d->group[members[begin]], pairs = pair;
        for (end = begin; end < count && d->group[members[end]] == first;) {
            end++;
        }
        while (pair < d->pair_count && d->group[d->pairs[pair].first] == first) {
            pair++;
        }
        const vgg_duplicate_group group = {.struct_size = sizeof group,
                                           .pictures = members + begin,
                                           .count = end - begin,
                                           .pairs = d->pairs + pairs,
                                           .pair_count = pair - pairs};
        if (group.count > 1 && !tell(user, &group))
            return vgg_fail(error, VGG_ERROR_STOPPED, "the search for duplicates was stopped");
    }
    return VGG_OK;
}

/* ---- all ---- */

static vgg_status make_room(duplicates *d, vgg_error *error) {
    size_t pictures = d->index->table.count, numbers, bytes;
    if (!vgg_size_mul(pictures, d->neighbours, &numbers) ||
        !vgg_size_mul(numbers, sizeof *d->nearest, &bytes))
        return vgg_fail_memory(error, "a search for duplicates", SIZE_MAX);
    d->nearest = vgg_malloc(bytes + 1);
    d->group = vgg_calloc(pictures + 1, sizeof *d->group);
    if (d->nearest == NULL || d->group == NULL)
        return vgg_fail_memory(error, "a search for duplicates", bytes);
    return VGG_OK;
}

static vgg_status find_groups(duplicates *d, vgg_duplicate_callback *tell, void *user,
                              vgg_error *error) {
    vgg_status status = make_room(d, error);
    if (status == VGG_OK)
        status = find_all_nearest(d, error);
    if (status == VGG_OK)
        status = list_pairs(d, error);
    if (status == VGG_OK)
        status = compare_all(d, error);
    size_t *members = NULL;
    if (status == VGG_OK) {
        join_pairs(d);
        members = d->nearest; /* as many numbers as there are pictures, or more */
        status = tell_groups(d, members, tell, user, error);
    }
    return status;
}

vgg_status vgg_index_duplicates(vgg_index *index, const vgg_duplicate_options *given,
                                vgg_duplicate_callback *tell, void *user, vgg_error *error) {
    vgg_duplicate_options options;
    vgg_duplicate_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_duplicate_options", error);
    if (status == VGG_OK && !(options.likeness >= 0 && options.likeness <= 1))
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "a likeness of %g, expected 0 to 1",
                          options.likeness);
    if (status == VGG_OK && (options.neighbours == 0 || options.neighbours > NEIGHBOURS_MOST))
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu neighbours, expected 1 to %d",
                          options.neighbours, NEIGHBOURS_MOST);
    size_t others = index->table.count > 0 ? index->table.count - 1 : 0;
    if (status != VGG_OK || others == 0)
        return status;
    duplicates d = {.index = index,
                    .options = &options,
                    .neighbours = vgg_size_min(options.neighbours, others)};
    status = find_groups(&d, tell, user, error);
    vgg_free(d.nearest);
    vgg_free(d.pairs);
    vgg_free(d.group);
    return status;
}
