/* Pictures whose classes a table says: labels.csv, and the annotations of Tiny ImageNet. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/class_names.h"
#include "data/tree.h"

/* ---- the pictures that are there ---- */

typedef struct there {
    char *path;       /* below the folder of the table */
    const char *name; /* the last component of it */
    size_t offset, size;
    size_t row; /* of the table, that names it; SIZE_MAX: none yet */
} there;

typedef struct gathering {
    const vgg_tree *tree;
    const vgg_node *table;
    size_t above; /* bytes of the path of the table's folder */
    bool passing; /* counting what is left out */
    there *pictures;
    size_t count, capacity;
    there **by_name;
    size_t matched, missing, repeated; /* rows whose picture is there, is not, was said before */
} gathering;

static void free_gathering(gathering *all) {
    for (size_t i = 0; i < all->count; i++) {
        vgg_free(all->pictures[i].path);
    }
    vgg_free(all->pictures);
    vgg_free(all->by_name);
}

static vgg_status gather(gathering *all, const vgg_node *file, const char *where,
                         vgg_error *error) {
    if (all->count == all->capacity) {
        size_t wanted = vgg_size_max(2 * all->capacity, 64);
        there *larger = vgg_realloc(all->pictures, wanted * sizeof *larger);
        if (larger == NULL)
            return vgg_fail_memory(error, "the pictures of a table", wanted * sizeof *larger);
        all->pictures = larger;
        all->capacity = wanted;
    }
    char *path;
    vgg_status status = vgg_tree_name(all->tree, where, file->name, &path, error);
    if (status != VGG_OK)
        return status;
    const char *below = path + all->above;
    below += strspn(below, all->tree->archive ? ": /" : "/");
    memmove(path, below, strlen(below) + 1);
    const char *slash = strrchr(path, '/');
    all->pictures[all->count++] = (there){.path = path,
                                          .name = slash != NULL ? slash + 1 : path,
                                          .offset = file->offset,
                                          .size = file->size,
                                          .row = SIZE_MAX};
    return VGG_OK;
}

static vgg_status gather_below(gathering *all, vgg_node *folder, const char *where, size_t depth,
                               vgg_error *error);

static vgg_status gather_inner(gathering *all, vgg_node *folder, const char *where, size_t depth,
                               vgg_error *error) {
    char *below;
    if ((folder->link && depth > 0) || depth == VGG_LIMIT_DEPTH)
        return all->passing ? vgg_tree_pass(all->tree, folder, where,
                                            folder->link ? "a link" : "too deep", error)
                            : VGG_OK;
    vgg_status status = vgg_tree_name(all->tree, where, folder->name, &below, error);
    if (status != VGG_OK)
        return status;
    status = vgg_tree_list(all->tree, folder, below, error);
    if (status == VGG_OK)
        status = gather_below(all, folder, below, depth + 1, error);
    vgg_free(below);
    return status;
}

/* Gathers the pictures, or counts what is none once they are known to be those of the table. */
static vgg_status gather_below(gathering *all, vgg_node *folder, const char *where, size_t depth,
                               vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        if (child->folder && !vgg_node_is_leftover(child))
            status = gather_inner(all, child, where, depth, error);
        else if (!all->passing && vgg_node_is_picture(child))
            status = gather(all, child, where, error);
        else if (all->passing && !vgg_node_is_picture(child) && child != all->table)
            status = vgg_tree_pass(all->tree, child, where, NULL, error);
    }
    return status;
}

/* ---- finding the picture that a row names ---- */

static int compare_paths(const void *a, const void *b) {
    return strcmp(((const there *)a)->path, ((const there *)b)->path);
}

static int compare_names(const void *a, const void *b) {
    const there *x = *(there *const *)a, *y = *(there *const *)b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->path, y->path);
}

static vgg_status sort_gathering(gathering *all, vgg_error *error) {
    all->by_name = vgg_calloc(vgg_size_max(all->count, 1), sizeof *all->by_name);
    if (all->by_name == NULL)
        return vgg_fail_memory(error, "the pictures of a table", all->count * sizeof(there *));
    if (all->count == 0)
        return VGG_OK;
    qsort(all->pictures, all->count, sizeof *all->pictures, compare_paths);
    for (size_t i = 0; i < all->count; i++) {
        all->by_name[i] = &all->pictures[i];
    }
    qsort(all->by_name, all->count, sizeof *all->by_name, compare_names);
    return VGG_OK;
}

static int compare_to_path(const void *path, const void *picture) {
    return strcmp(path, ((const there *)picture)->path);
}

/* Whether a picture's name is this one, or this one and an ending. */
static bool is_called(const there *picture, const char *name, bool without_ending) {
    size_t length = strlen(name);
    return strncmp(picture->name, name, length) == 0 &&
           (without_ending
                ? picture->name[length] == '.' && strchr(picture->name + length + 1, '.') == NULL
                : picture->name[length] == '\0');
}

/* The first in by_name whose name is not before this one. */
static size_t first_not_before(const gathering *all, const char *name) {
    size_t low = 0, high = all->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(all->by_name[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static vgg_status find_by_name(const gathering *all, const char *table, const vgg_row *row,
                               const char *name, there **found, vgg_error *error) {
    bool without_ending = !vgg_image_name_is_picture(name);
    size_t length = strlen(name);
    for (size_t i = first_not_before(all, name);
         i < all->count && strncmp(all->by_name[i]->name, name, length) == 0; i++) {
        if (!is_called(all->by_name[i], name, without_ending))
            continue;
        if (*found != NULL)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: line %zu names %.200s, which may be %.200s or %.200s", table,
                            row->line, row->picture, (*found)->path, all->by_name[i]->path);
        *found = all->by_name[i];
    }
    return VGG_OK;
}

/* By the path below the table; else by the name alone, with or without its ending, since tables
 * often lie beside the folder of the pictures. */
static vgg_status find_picture(const gathering *all, const char *table, const vgg_row *row,
                               there **found, vgg_error *error) {
    const char *path = row->picture;
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    *found = NULL;
    if (all->count == 0)
        return VGG_OK;
    *found = bsearch(path, all->pictures, all->count, sizeof *all->pictures, compare_to_path);
    if (*found != NULL)
        return VGG_OK;
    const char *slash = strrchr(path, '/');
    return find_by_name(all, table, row, slash != NULL ? slash + 1 : path, found, error);
}

/* Whether two rows have the same labels, in the same order. */
static bool same_labels(const vgg_row *one, const vgg_row *other) {
    const char *a = one->label, *b = other->label;
    bool same = one->labels == other->labels;
    for (size_t i = 0; same && i < one->labels; i++) {
        same = strcmp(a, b) == 0;
        a = vgg_table_next_label(a);
        b = vgg_table_next_label(b);
    }
    return same;
}

/* The labels of a row as a table writes them, as far as there is room. */
static const char *labels_text(const vgg_row *row, char *text, size_t size) {
    const char *label = row->label;
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < row->labels && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ";" : "", label);
        label = vgg_table_next_label(label);
    }
    return text;
}

static vgg_status fail_rows(const char *name, const char *path, const vgg_row *first,
                            const vgg_row *second, vgg_error *error) {
    char one[64], other[64];
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: line %zu says of %.200s other than line %zu: \"%s\" and \"%s\"", name,
                    second->line, path, first->line, labels_text(second, other, sizeof other),
                    labels_text(first, one, sizeof one));
}

/* Gives each picture its row. */
static vgg_status match_rows(gathering *all, vgg_table *table, const char *name, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < table->count; i++) {
        there *picture;
        status = find_picture(all, name, &table->rows[i], &picture, error);
        if (status != VGG_OK)
            return status;
        if (picture == NULL) {
            all->missing++;
            continue;
        }
        table->rows[i].found = true;
        if (picture->row == SIZE_MAX) {
            picture->row = i;
            all->matched++;
            continue;
        }
        const vgg_row *first = &table->rows[picture->row];
        if (!same_labels(first, &table->rows[i]) || first->part != table->rows[i].part)
            return fail_rows(name, picture->path, first, &table->rows[i], error);
        all->repeated++;
    }
    return status;
}

/* The same of rows that name no pictures: there are as many, in the order of their names. */
static vgg_status match_order(gathering *all, vgg_table *table, const char *name, const char *where,
                              vgg_error *error) {
    if (table->count != all->count)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has %zu classes for the %zu pictures of %s; expected as many", name,
                        table->count, all->count, where);
    for (size_t i = 0; i < table->count; i++) {
        all->by_name[i]->row = i;
        table->rows[i].found = true;
    }
    all->matched = table->count;
    return VGG_OK;
}

/* ---- from rows to parts ---- */

/* The labels of the rows whose pictures are there, in order, without those that come again; the
 * caller frees names->sorted. */
static vgg_status list_classes(const vgg_table *table, vgg_class_names *names, vgg_error *error) {
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        count += table->rows[i].found ? table->rows[i].labels : 0;
    }
    const char **labels = vgg_calloc(vgg_size_max(count, 1), sizeof *labels);
    *names = (vgg_class_names){0};
    if (labels == NULL)
        return vgg_fail_memory(error, "the classes of a table", count * sizeof *labels);
    count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const char *label = table->rows[i].label;
        for (size_t l = 0; table->rows[i].found && l < table->rows[i].labels; l++) {
            labels[count++] = label;
            label = vgg_table_next_label(label);
        }
    }
    vgg_status status = vgg_class_names_sort(labels, count, names, error);
    vgg_free(labels);
    if (status != VGG_OK)
        return status;
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (kept == 0 || strcmp(names->sorted[kept - 1].name, names->sorted[i].name) != 0) {
            names->sorted[kept] = names->sorted[i];
            names->sorted[kept].number = kept;
            kept++;
        }
    }
    names->count = kept;
    return VGG_OK;
}

static vgg_status make_part(const gathering *all, const char *where, const vgg_class_names *classes,
                            vgg_dataset **part, vgg_error *error) {
    vgg_status status = VGG_OK;
    if (*part != NULL)
        return VGG_OK;
    status = vgg_dataset_create(all->tree->source, all->tree->kind, where, part, error);
    for (size_t c = 0; status == VGG_OK && c < classes->count; c++) {
        status = vgg_dataset_add_class(*part, classes->sorted[c].name, error);
    }
    return status;
}

/* The classes of a row of a table in which pictures have several: each once, in its order. */
static vgg_status take_labels(const vgg_class_names *classes, const vgg_row *row, vgg_item *item,
                              vgg_error *error) {
    const char *label = row->label;
    item->labels = vgg_calloc(vgg_size_max(row->labels, 1), sizeof *item->labels);
    if (item->labels == NULL)
        return vgg_fail_memory(error, "the labels of a picture",
                               row->labels * sizeof *item->labels);
    for (size_t i = 0; i < row->labels; i++) {
        size_t found = vgg_class_names_find(classes, label), l = 0;
        while (l < item->label_count && item->labels[l] != found) {
            l++;
        }
        item->labels[l] = found;
        item->label_count += l == item->label_count;
        label = vgg_table_next_label(label);
    }
    item->class_index = item->label_count > 0 ? item->labels[0] : 0;
    return VGG_OK;
}

static vgg_status add_picture(const gathering *all, const there *picture, const char *where,
                              vgg_item item, vgg_dataset *part, vgg_error *error) {
    item.offset = picture->offset;
    item.size = picture->size;
    vgg_status status = vgg_tree_name(all->tree, where, picture->path, &item.name, error);
    if (status != VGG_OK) {
        vgg_free(item.labels);
        return status;
    }
    item.key = strlen(item.name) - strlen(picture->path);
    return vgg_dataset_add_item(part, item, error);
}

static vgg_status add_labelled(const gathering *all, const there *picture, const char *where,
                               const vgg_class_names *classes, const vgg_table *table,
                               vgg_dataset *part, vgg_error *error) {
    const vgg_row *row = &table->rows[picture->row];
    vgg_item item = {0};
    vgg_status status = VGG_OK;
    if (table->several)
        status = take_labels(classes, row, &item, error);
    else
        item.class_index = vgg_class_names_find(classes, row->label);
    part->several = part->several || table->several;
    return status == VGG_OK ? add_picture(all, picture, where, item, part, error) : status;
}

static vgg_status fill_parts(const gathering *all, const vgg_table *table, const char *where,
                             vgg_part_kind kind, vgg_error *error) {
    vgg_class_names classes;
    vgg_status status = list_classes(table, &classes, error);
    for (size_t i = 0; status == VGG_OK && i < all->count; i++) {
        const there *picture = &all->pictures[i];
        if (picture->row == SIZE_MAX) {
            vgg_passed_count(&all->tree->parts->passed, VGG_PASSED_UNLISTED);
            continue;
        }
        const vgg_row *row = &table->rows[picture->row];
        vgg_dataset **part =
            vgg_parts_part(all->tree->parts, row->part != VGG_PART_NONE ? row->part : kind);
        status = make_part(all, where, &classes, part, error);
        if (status == VGG_OK)
            (*part)->numbered = table->from_zero;
        if (status == VGG_OK)
            status = add_labelled(all, picture, where, &classes, table, *part, error);
    }
    vgg_free(classes.sorted);
    return status;
}

vgg_status vgg_tree_use_table(const vgg_tree *tree, vgg_node *folder, const char *where,
                              const vgg_node *file, vgg_table *table, const char *name,
                              vgg_part_kind kind, bool *found, vgg_error *error) {
    gathering all = {.tree = tree, .table = file, .above = strlen(where)};
    vgg_status status = gather_below(&all, folder, where, 0, error);
    if (status == VGG_OK)
        status = sort_gathering(&all, error);
    if (status == VGG_OK)
        status = table->unnamed ? match_order(&all, table, name, where, error)
                                : match_rows(&all, table, name, error);
    *found = status == VGG_OK && all.matched > 0;
    if (*found) {
        all.passing = true;
        tree->parts->passed.kinds[VGG_PASSED_MISSING] += all.missing;
        tree->parts->passed.kinds[VGG_PASSED_REPEATED] += all.repeated;
        status = fill_parts(&all, table, where, kind, error);
    }
    if (*found && status == VGG_OK)
        status = gather_below(&all, folder, where, 0, error);
    free_gathering(&all);
    return status;
}
