/* The files in a tree that say what its pictures are. */
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/tree.h"

/* ---- finding them ---- */

#define SOLUTION "LOC_val_solution.csv"

static vgg_node *find_file(const vgg_node *folder, const char *name) {
    for (size_t i = 0; i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        if (!child->folder && strcasecmp(child->name, name) == 0)
            return child;
    }
    return NULL;
}

const vgg_node *vgg_tree_find_table(const vgg_tree *tree, const vgg_node *folder) {
    for (size_t i = 0; tree->table != NULL && folder == &tree->root && i < folder->count; i++) {
        const vgg_node *child = &folder->children[i];
        if (!child->folder && strcmp(child->name, tree->table) == 0)
            return child;
    }
    if (tree->table != NULL)
        return NULL;
    const vgg_node *labels = find_file(folder, "labels.csv");
    return labels != NULL ? labels : find_file(folder, SOLUTION);
}

static bool ends_in(const vgg_node *file, const char *ending) {
    size_t length = strlen(file->name), end = strlen(ending);
    return !file->folder && length >= end && strcasecmp(file->name + length - end, ending) == 0;
}

static vgg_node *find_ending(const vgg_node *folder, const char *ending) {
    for (size_t i = 0; i < folder->count; i++) {
        if (ends_in(&folder->children[i], ending))
            return &folder->children[i];
    }
    return NULL;
}

const vgg_node *vgg_tree_find_annotations(const vgg_node *folder) {
    return find_ending(folder, "_annotations.txt");
}

vgg_node *vgg_tree_find_truth(const vgg_node *folder) {
    static const char *const endings[] = {"validation_ground_truth.txt", "ground_truth.txt",
                                          "validation_synset_labels.txt"};
    vgg_node *found = find_file(folder, "val.txt");
    for (size_t i = 0; found == NULL && i < sizeof endings / sizeof *endings; i++) {
        found = find_ending(folder, endings[i]);
    }
    return found;
}

/* ---- reading them ---- */

typedef vgg_status table_reader(char *text, size_t size, const char *name, bool allowed,
                                vgg_table *table, vgg_error *error);

/* The text of a file of the folder, whose name becomes *name. Both are the caller's to free. */
static vgg_status load_text(const vgg_tree *tree, const char *where, const vgg_node *file,
                            char **text, size_t *size, char **name, vgg_error *error) {
    unsigned char *bytes = NULL;
    vgg_status status = vgg_tree_name(tree, where, file->name, name, error);
    if (status != VGG_OK)
        return status;
    const vgg_item item = {.name = *name, .offset = file->offset, .size = file->size};
    status = tree->source->load(tree->source, &item, VGG_LIMIT_TABLE_BYTES, &bytes, size, error);
    if (status != VGG_OK)
        return status;
    *text = vgg_realloc(bytes, *size + 1);
    if (*text == NULL) {
        vgg_free(bytes);
        return vgg_fail_memory(error, *name, *size + 1);
    }
    (*text)[*size] = '\0';
    return VGG_OK;
}

/* A table in the folder `where`. */
typedef struct table_file {
    const vgg_node *node, *map; /* the latter says what numbers of classes mean; or NULL */
    const char *where;
    table_reader *read;
} table_file;

static vgg_status fail_numbers(const char *name, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: numbers the classes from 1, in the order of ILSVRC's own list; expected "
                    "map_clsloc.txt beside it, which says their WordNet ids, or a file of ids or "
                    "names in its place",
                    name);
}

static vgg_status load_table(const vgg_tree *tree, const table_file *file, vgg_table *table,
                             char **name, vgg_error *error) {
    char *text = NULL, *map_name = NULL;
    size_t size = 0;
    *table = (vgg_table){0};
    vgg_status status = load_text(tree, file->where, file->node, &text, &size, name, error);
    if (status == VGG_OK)
        status = file->read(text, size, *name, tree->parts->several, table, error);
    if (status != VGG_OK || !table->from_one)
        return status;
    if (file->map == NULL)
        return fail_numbers(*name, error);
    text = NULL;
    status = load_text(tree, file->where, file->map, &text, &size, &map_name, error);
    if (status == VGG_OK)
        status = vgg_table_name_numbers(table, text, size, map_name, error);
    vgg_free(map_name);
    return status;
}

/* Fails for a table that names no picture when it is `needed`. */
static vgg_status read_table(const vgg_tree *tree, vgg_node *folder, const char *where,
                             const table_file *file, vgg_part_kind kind, bool needed, bool *found,
                             vgg_error *error) {
    vgg_table table;
    char *name = NULL;
    vgg_status status = load_table(tree, file, &table, &name, error);
    *found = false;
    if (status == VGG_OK)
        status =
            vgg_tree_use_table(tree, folder, where, file->node, &table, name, kind, found, error);
    if (status == VGG_OK && !*found && needed)
        status = vgg_fail(error, VGG_ERROR_NOT_FOUND,
                          "%s: not one of its %zu pictures is there (the first is %.200s)", name,
                          table.count, table.rows[0].picture);
    vgg_table_clear(&table);
    vgg_free(name);
    return status;
}

vgg_status vgg_tree_read_table(const vgg_tree *tree, vgg_node *folder, const char *where,
                               const vgg_node *file, vgg_part_kind kind, bool *found,
                               vgg_error *error) {
    bool solution = strcasecmp(file->name, SOLUTION) == 0;
    const table_file table = {.node = file,
                              .where = where,
                              .read = solution ? vgg_table_read_solution : vgg_table_read_csv};
    return read_table(tree, folder, where, &table, kind, tree->table != NULL, found, error);
}

vgg_status vgg_tree_read_annotations(const vgg_tree *tree, vgg_node *folder, const char *where,
                                     const vgg_node *file, vgg_part_kind kind, vgg_error *error) {
    bool found;
    const table_file table = {.node = file, .where = where, .read = vgg_table_read_annotations};
    return read_table(tree, folder, where, &table, kind, true, &found, error);
}

vgg_status vgg_tree_read_truth(const vgg_tree *tree, vgg_node *folder, const char *where,
                               const vgg_truth *truth, vgg_part_kind kind, vgg_error *error) {
    bool found;
    vgg_node *map = find_file(truth->folder, "map_clsloc.txt");
    const table_file table = {
        .node = truth->file, .map = map, .where = truth->where, .read = vgg_table_read_truth};
    truth->file->used = true;
    if (map != NULL)
        map->used = true;
    return read_table(tree, folder, where, &table, kind, true, &found, error);
}
