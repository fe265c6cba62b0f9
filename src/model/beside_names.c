#include "model/beside_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* As the dataset classes of torchvision, Hugging Face and many scripts call them. */
static const char *const to_numbers[] = {
    "class_to_idx", "label2id",    "class_to_index", "label_to_idx", "label_to_id",   "class2idx",
    "cls_to_idx",   "class_to_id", "class_indices",  "label2idx",    "class_mapping", NULL};
static const char *const to_names[] = {
    "idx_to_class", "id2label",  "index_to_class", "idx_to_label", "id_to_label",
    "idx2class",    "idx2label", "idx_to_cls",     "id_to_class",  NULL};
static const char *const lists[] = {"classes",    "class_names", "label_names", "labels",
                                    "categories", "classnames",  "names",       NULL};

json_t *vgg_beside_find(json_t *object, const char *const *keys, size_t depth,
                        vgg_beside_fits *fits, const char **key) {
    for (size_t i = 0; keys[i] != NULL; i++) {
        json_t *value = json_object_get(object, keys[i]);
        if (value != NULL && fits(value)) {
            *key = keys[i];
            return value;
        }
    }
    const char *name;
    json_t *inner, *found = NULL;
    if (depth == 0)
        return NULL;
    json_object_foreach(object, name, inner) {
        if (json_is_object(inner) && found == NULL)
            found = vgg_beside_find(inner, keys, depth - 1, fits, key);
    }
    return found;
}

static bool is_dict(const json_t *value) {
    return json_object_size(value) > 0;
}

/* A list of numbers has no names. */
static bool is_list_of_texts(const json_t *value) {
    return json_is_string(json_array_get(value, 0));
}

/* Names by number, of which each must come once. */
typedef struct numbering {
    const char **names;
    size_t count;
    bool good;
} numbering;

static void set_name(numbering *n, json_int_t number, const char *name) {
    if (number < 0 || (size_t)number >= n->count || name == NULL || n->names[number] != NULL)
        n->good = false;
    else
        n->names[number] = name;
}

static void read_to_numbers(const json_t *value, numbering *n) {
    const char *name;
    json_t *number;
    json_object_foreach((json_t *)value, name, number) {
        set_name(n, json_is_integer(number) ? json_integer_value(number) : -1, name);
    }
}

/* The key "7" as 7; -1 for another. */
static json_int_t number_of(const char *key) {
    size_t digits = strspn(key, "0123456789");
    return digits > 0 && digits < 10 && key[digits] == '\0' ? (json_int_t)atol(key) : -1;
}

static void read_to_names(const json_t *value, numbering *n) {
    const char *number;
    json_t *name;
    json_object_foreach((json_t *)value, number, name) {
        set_name(n, number_of(number), json_string_value(name));
    }
}

static void read_list(const json_t *value, numbering *n) {
    for (size_t i = 0; i < n->count; i++) {
        set_name(n, (json_int_t)i, json_string_value(json_array_get(value, i)));
    }
}

/* Either way round. */
static void read_dict(const json_t *value, numbering *n) {
    void *first = json_object_iter((json_t *)value);
    if (json_is_integer(json_object_iter_value(first)))
        read_to_numbers(value, n);
    else
        read_to_names(value, n);
}

/* Hugging Face writes LABEL_0 and so on where nobody gave names. */
static bool are_placeholders(const numbering *n) {
    bool placeholders = n->count > 0;
    for (size_t i = 0; i < n->count; i++) {
        char text[32];
        snprintf(text, sizeof text, "LABEL_%zu", i);
        placeholders = placeholders && strcmp(n->names[i], text) == 0;
    }
    return placeholders;
}

typedef void reader(const json_t *value, numbering *n);

static vgg_status take(const json_t *value, reader *read, const char *key, const char *place,
                       vgg_remarks *remarks, vgg_labels *labels, vgg_error *error) {
    numbering n = {.count = json_is_array(value) ? json_array_size(value) : json_object_size(value),
                   .good = true};
    n.names = vgg_calloc(n.count + 1, sizeof *n.names);
    if (n.names == NULL)
        return vgg_fail_memory(error, "the class names", n.count * sizeof *n.names);
    read(value, &n);
    vgg_status status = VGG_OK;
    if (!n.good && !vgg_remarks_add(remarks,
                                    "\"%s\" of %s does not give each number from 0 on a name, and "
                                    "is passed over",
                                    key, place))
        status = vgg_fail_memory(error, "a remark", 0);
    else if (n.good && !are_placeholders(&n) && !vgg_labels_copy(labels, n.names, n.count))
        status = vgg_fail_memory(error, "the class names", n.count);
    vgg_free(n.names);
    return status;
}

vgg_status vgg_beside_names(json_t *object, const char *place, vgg_remarks *remarks,
                            vgg_labels *labels, const char **key, vgg_error *error) {
    enum { DEPTH = 3 };
    static const struct {
        const char *const *keys;
        reader *read;
        vgg_beside_fits *fits;
    } kinds[] = {{to_numbers, read_to_numbers, is_dict},
                 {to_names, read_to_names, is_dict},
                 {lists, read_list, is_list_of_texts},
                 {lists, read_dict, is_dict}};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && labels->count == 0 && i < sizeof kinds / sizeof *kinds;
         i++) {
        const json_t *value = vgg_beside_find(object, kinds[i].keys, DEPTH, kinds[i].fits, key);
        if (value != NULL)
            status = take(value, kinds[i].read, *key, place, remarks, labels, error);
    }
    return status;
}
