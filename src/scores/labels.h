/* The classes of a file of scores: texts that tell them apart, and looking them up. */
#ifndef VGG_SCORES_LABELS_H
#define VGG_SCORES_LABELS_H

#include "scores/scores.h"

/* Texts of the classes that are different, in the order of the classes; `order` has their numbers
 * in the order of the texts. Start with {0}. */
typedef struct vgg_score_labels {
    char **texts;
    size_t *order;
    size_t count;
    bool told; /* the texts are those of the truths and predictions */
} vgg_score_labels;

void vgg_score_labels_free(vgg_score_labels *labels);

/* "NAME", and "NAME#NUMBER" of a name that several classes have. Freed whatever the outcome. */
vgg_status vgg_score_labels_make(const char *const *names, size_t count, vgg_score_labels *labels,
                                 vgg_error *error);

/* The class of that text or, where no class has it, of that number; `count` when there is none. */
size_t vgg_score_labels_find(const vgg_score_labels *labels, const char *text);

/* A text that is a whole number of at most nine digits, and the number. */
bool vgg_score_number(const char *text, size_t *number);

#endif
