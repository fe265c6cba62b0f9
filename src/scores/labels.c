#include "scores/labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

bool vgg_score_number(const char *text, size_t *number) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '\0')
        return false;
    *number = strtoul(text, NULL, 10);
    return true;
}

void vgg_score_labels_free(vgg_score_labels *labels) {
    for (size_t i = 0; i < labels->count; i++) {
        vgg_free(labels->texts[i]);
    }
    vgg_free(labels->texts);
    vgg_free(labels->order);
    *labels = (vgg_score_labels){0};
}

typedef struct numbered {
    const char *text;
    size_t number;
} numbered;

static int compare(const void *left, const void *right) {
    const numbered *a = left, *b = right;
    int order = strcmp(a->text, b->text);
    return order != 0 ? order : a->number < b->number ? -1 : a->number > b->number;
}

/* The texts in their order. */
static numbered *sort(const char *const *texts, size_t count) {
    numbered *sorted = vgg_calloc(count + 1, sizeof *sorted);
    for (size_t i = 0; sorted != NULL && i < count; i++) {
        sorted[i] = (numbered){texts[i], i};
    }
    if (sorted != NULL)
        qsort(sorted, count, sizeof *sorted, compare);
    return sorted;
}

/* The text of a name at its place among the sorted ones. */
static char *label_of(const numbered *sorted, size_t count, size_t at) {
    bool shared = (at > 0 && strcmp(sorted[at - 1].text, sorted[at].text) == 0) ||
                  (at + 1 < count && strcmp(sorted[at + 1].text, sorted[at].text) == 0);
    vgg_text text = {0};
    vgg_text_add_bytes(&text, sorted[at].text, strlen(sorted[at].text));
    if (shared)
        vgg_text_add(&text, "#%zu", sorted[at].number);
    return vgg_text_take(&text);
}

vgg_status vgg_score_labels_make(const char *const *names, size_t count, vgg_score_labels *labels,
                                 vgg_error *error) {
    *labels = (vgg_score_labels){.texts = vgg_calloc(count + 1, sizeof *labels->texts),
                                 .order = vgg_calloc(count + 1, sizeof *labels->order)};
    numbered *sorted = sort(names, count);
    bool complete = sorted != NULL && labels->texts != NULL && labels->order != NULL;
    if (complete)
        labels->count = count;
    for (size_t i = 0; complete && i < count; i++) {
        labels->texts[sorted[i].number] = label_of(sorted, count, i);
        complete = labels->texts[sorted[i].number] != NULL;
    }
    vgg_free(sorted);
    sorted = complete ? sort((const char *const *)labels->texts, count) : NULL;
    for (size_t i = 0; sorted != NULL && i < count; i++) {
        labels->order[i] = sorted[i].number;
    }
    complete = sorted != NULL;
    vgg_free(sorted);
    return complete ? VGG_OK : vgg_fail_memory(error, "the class names", count * sizeof(char *));
}

size_t vgg_score_labels_find(const vgg_score_labels *labels, const char *text) {
    size_t low = 0, high = labels->count, number;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(labels->texts[labels->order[middle]], text);
        if (order == 0)
            return labels->order[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return vgg_score_number(text, &number) && number < labels->count ? number : labels->count;
}
