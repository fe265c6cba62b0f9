/* Tables of pictures: names, stamps, rows and small pictures. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "search/index.h"

static vgg_status grow(vgg_index_table *table, size_t features, vgg_error *error) {
    size_t wanted = vgg_size_max(table->capacity + table->capacity / 2, 256), bytes;
    if (!vgg_size_mul(wanted, features * sizeof *table->rows, &bytes))
        return vgg_fail_memory(error, "an index", SIZE_MAX);
    float *rows = vgg_realloc(table->rows, bytes);
    if (rows == NULL)
        return vgg_fail_memory(error, "an index", bytes);
    table->rows = rows;
    unsigned char *greys = vgg_realloc(table->greys, wanted * VGG_INDEX_SAMPLES);
    if (greys == NULL)
        return vgg_fail_memory(error, "an index", wanted * VGG_INDEX_SAMPLES);
    table->greys = greys;
    vgg_index_entry *entries = vgg_realloc(table->entries, wanted * sizeof *entries);
    if (entries == NULL)
        return vgg_fail_memory(error, "an index", wanted * sizeof *entries);
    table->entries = entries;
    table->capacity = wanted;
    return VGG_OK;
}

vgg_status vgg_index_table_add(vgg_index_table *table, size_t features, const char *name,
                               vgg_error *error) {
    if (table->count == table->capacity) {
        vgg_status status = grow(table, features, error);
        if (status != VGG_OK)
            return status;
    }
    char *copy = vgg_text_copy(name);
    if (copy == NULL)
        return vgg_fail_memory(error, "the name of a picture", strlen(name));
    table->entries[table->count++] = (vgg_index_entry){.name = copy};
    return VGG_OK;
}

vgg_status vgg_index_table_copy(vgg_index_table *to, const vgg_index_table *from, size_t picture,
                                size_t features, vgg_error *error) {
    const vgg_index_entry *entry = &from->entries[picture];
    vgg_status status = vgg_index_table_add(to, features, entry->name, error);
    if (status != VGG_OK)
        return status;
    size_t at = to->count - 1;
    to->entries[at].stamp = entry->stamp;
    memcpy(to->rows + at * features, from->rows + picture * features, features * sizeof *to->rows);
    memcpy(to->greys + at * VGG_INDEX_SAMPLES, from->greys + picture * VGG_INDEX_SAMPLES,
           VGG_INDEX_SAMPLES);
    return VGG_OK;
}

void vgg_index_table_free(vgg_index_table *table) {
    for (size_t i = 0; i < table->count; i++) {
        vgg_free(table->entries[i].name);
    }
    vgg_free(table->entries);
    vgg_free(table->rows);
    vgg_free(table->greys);
    *table = (vgg_index_table){0};
}

/* ---- names ---- */

static int compare_names(const void *left, const void *right, void *entries) {
    const vgg_index_entry *all = entries;
    const size_t *a = left, *b = right;
    int order = strcmp(all[*a].name, all[*b].name);
    return order != 0 ? order : *a < *b ? -1 : *a > *b;
}

vgg_status vgg_index_reserve_names(vgg_index *index, size_t count, vgg_error *error) {
    size_t *order = vgg_realloc(index->by_name, (count + 1) * sizeof *order);
    if (order == NULL)
        return vgg_fail_memory(error, "the names of an index", (count + 1) * sizeof *order);
    index->by_name = order;
    return VGG_OK;
}

void vgg_index_sort(vgg_index *index) {
    for (size_t i = 0; i < index->table.count; i++) {
        index->by_name[i] = i;
    }
    qsort_r(index->by_name, index->table.count, sizeof *index->by_name, compare_names,
            index->table.entries);
}

size_t vgg_index_find(const vgg_index *index, const char *name) {
    size_t low = 0, high = index->table.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int side = strcmp(index->table.entries[index->by_name[middle]].name, name);
        if (side == 0)
            return index->by_name[middle];
        if (side < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return index->table.count;
}
