#include "data/class_names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static int compare(const void *a, const void *b) {
    const vgg_numbered_class *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

vgg_status vgg_class_names_sort(const char *const *list, size_t count, vgg_class_names *names,
                                vgg_error *error) {
    size_t bytes;
    *names = (vgg_class_names){.count = count};
    if (!vgg_size_mul(vgg_size_max(count, 1), sizeof *names->sorted, &bytes) ||
        (names->sorted = vgg_malloc(bytes)) == NULL)
        return vgg_fail_memory(error, "a list of class names", count * sizeof *names->sorted);
    for (size_t i = 0; i < count; i++) {
        names->sorted[i] = (vgg_numbered_class){list[i], i};
    }
    qsort(names->sorted, count, sizeof *names->sorted, compare);
    return VGG_OK;
}

size_t vgg_class_names_find(const vgg_class_names *names, const char *name) {
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(names->sorted[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < names->count && strcmp(names->sorted[low].name, name) == 0;
    return found ? names->sorted[low].number : names->count;
}
