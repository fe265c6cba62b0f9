/* Scores inside. */
#ifndef VGG_SCORES_SCORES_H
#define VGG_SCORES_SCORES_H

#include <stdint.h>

#include "base/text.h"
#include "vgg/scores.h"

/* What figures need of a picture; its row may be gone. */
typedef struct vgg_score {
    size_t name; /* where it begins in the names */
    uint32_t truth, predicted, rank;
    double confidence, probability, loss, brier;
} vgg_score;

/* A picture that could not be read. */
typedef struct vgg_unread {
    size_t name;
    size_t truth;
    size_t before; /* pictures with scores that come before it */
} vgg_unread;

/* What is counted of a class. */
typedef struct vgg_class_counts {
    size_t pictures, predicted, right;
    double probability; /* the sum over its pictures */
} vgg_class_counts;

/* Rows lie in blocks, so that none is ever moved. */
#define VGG_SCORE_BLOCK 1024

struct vgg_scores {
    vgg_score_kind kind;
    bool rows;
    size_t classes;
    char **class_names;
    vgg_class_counts *counts; /* of each class */
    vgg_text names;           /* of pictures, each with the zero behind it */
    vgg_score *items;
    size_t count, capacity;
    vgg_unread *unread;
    size_t unread_count, unread_capacity;
    float **blocks; /* of VGG_SCORE_BLOCK rows each */
    size_t block_count, block_capacity;
};

static inline const char *vgg_scores_name(const vgg_scores *scores, size_t name) {
    return scores->names.data + name;
}

static inline bool vgg_score_is_right(const vgg_score *score) {
    return score->truth == score->predicted;
}

/* Class c by its name, or by its number where there is none; freed by the caller. */
char *vgg_scores_copy_class_name(const char *const *names, size_t c);

/* Works out what follows from a row of logits or probabilities; name and truth stay. */
void vgg_score_of_row(vgg_score_kind kind, const float *row, size_t classes, vgg_score *score);
/* Adds the picture to the counts of its classes. */
void vgg_score_count(vgg_scores *scores, const vgg_score *score);

/* The row for reading and writing; rows must be kept. */
float *vgg_scores_row_at(const vgg_scores *scores, size_t picture);

/* VGG_ERROR_UNSUPPORTED without probabilities; `what` needs them. */
vgg_status vgg_scores_need_probabilities(const vgg_scores *scores, const char *what,
                                         vgg_error *error);
/* VGG_ERROR_ARGUMENT without rows, VGG_ERROR_UNSUPPORTED when they are not logits. */
vgg_status vgg_scores_need_logits(const vgg_scores *scores, const char *what, vgg_error *error);

/* The mean probability of a class over its own pictures; NaN without any. */
static inline double vgg_scores_threshold(const vgg_scores *scores, size_t class_index) {
    const vgg_class_counts *counts = &scores->counts[class_index];
    return counts->probability / (double)counts->pictures;
}

#endif
