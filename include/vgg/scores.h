/* Scores: what a network said of labelled pictures, and the figures that follow from it. They come
 * from vgg_evaluate, from a file that it or another program wrote, or from any other network. */
#ifndef VGG_SCORES_H
#define VGG_SCORES_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a collection of them ---- */

/* The scores of many pictures. What only reads it may be called by several threads at a time. It
 * takes about 100 bytes a picture, and with rows 4 more a class. */
typedef struct vgg_scores vgg_scores;

/* What is known of each picture. */
typedef enum vgg_score_kind {
    VGG_SCORE_LOGITS = 0,        /* a logit of each class, whose softmax are probabilities */
    VGG_SCORE_PROBABILITIES = 1, /* a probability of each class */
    VGG_SCORE_PREDICTED = 2,     /* the predicted class alone: figures of probabilities are NaN */
} vgg_score_kind;

typedef struct vgg_scores_options {
    size_t struct_size;  /* set by vgg_scores_options_init */
    vgg_score_kind kind; /* default VGG_SCORE_LOGITS */
    bool rows; /* keep what was given of each class, which vgg_scores_row, vgg_scores_write and
                * vgg_scores_fit_temperature need; default false */
} vgg_scores_options;

VGG_API void vgg_scores_options_init(vgg_scores_options *options, size_t size);

/* Without pictures. The names are copied; NULL: the classes are called by their numbers. options
 * may be NULL. */
VGG_API vgg_status vgg_scores_create(const char *const *class_names, size_t classes,
                                     const vgg_scores_options *options, vgg_scores **scores,
                                     vgg_error *error);
VGG_API void vgg_scores_free(vgg_scores *scores);

/* Adds a picture that belongs to the class `truth`. The name is copied. row: a logit or a
 * probability for each class, as the kind says. VGG_ERROR_NUMERIC when one is not finite;
 * VGG_ERROR_ARGUMENT for probabilities that are negative or not 1 together, and for scores of
 * another kind. */
VGG_API vgg_status vgg_scores_add(vgg_scores *scores, const char *name, size_t truth,
                                  const float *row, vgg_error *error);
/* The same of VGG_SCORE_PREDICTED. */
VGG_API vgg_status vgg_scores_add_predicted(vgg_scores *scores, const char *name, size_t truth,
                                            size_t predicted, vgg_error *error);
/* Notes a picture that could not be read. It is not among those that figures are of. */
VGG_API vgg_status vgg_scores_add_unreadable(vgg_scores *scores, const char *name, size_t truth,
                                             vgg_error *error);

/* Pictures that have scores. */
VGG_API size_t vgg_scores_count(const vgg_scores *scores);
VGG_API size_t vgg_scores_class_count(const vgg_scores *scores);
VGG_API vgg_score_kind vgg_scores_kind(const vgg_scores *scores);
/* All belong to the scores; NULL when there is no such class, or picture, or no rows are kept. */
VGG_API const char *vgg_scores_class_name(const vgg_scores *scores, size_t class_index);
VGG_API const float *vgg_scores_row(const vgg_scores *scores, size_t picture);
/* Pictures that could not be read, and their names. */
VGG_API size_t vgg_scores_unreadable_count(const vgg_scores *scores);
VGG_API const char *vgg_scores_unreadable_name(const vgg_scores *scores, size_t unreadable);

/* One picture. What needs probabilities is NaN without. */
typedef struct vgg_scored_picture {
    size_t struct_size; /* set by the caller */
    const char *name;   /* belongs to the scores */
    size_t truth;       /* its class */
    size_t predicted;   /* the likeliest class, of equal ones that of the least number */
    size_t rank;        /* classes that come before the right one: 0 when it is right; SIZE_MAX when
                         * it is wrong and there are no probabilities */
    double confidence;  /* probability of the predicted class */
    double probability; /* of the right class */
    double loss;        /* its cross-entropy */
} vgg_scored_picture;

/* VGG_ERROR_NOT_FOUND when there is no such picture. */
VGG_API vgg_status vgg_scores_picture(const vgg_scores *scores, size_t picture,
                                      vgg_scored_picture *info, vgg_error *error);
/* The probability of each class into `probabilities`; needs rows. */
VGG_API vgg_status vgg_scores_probabilities(const vgg_scores *scores, size_t picture,
                                            float *probabilities, vgg_error *error);

/* ---- files ---- */

/* Writes them as CSV or as NumPy's arrays, as the ending says, .csv or .npz. The scores of each
 * class need rows, and are written so that reading gives the same bits. A file appears whole or not
 * at all.
 *
 * A CSV file has a line for each picture, in their order: its name, the names of its class and of
 * the predicted one, the confidence, and, of each class, "logit:NAME" or "probability:NAME"; what
 * is not known is left out. A name that several classes have is followed by # and the number of the
 * class. Pictures that could not be read have a name and a class alone.
 *
 * An .npz file has `names`, `labels` and `predicted` (numbers of classes), `classes`, `logits` or
 * `probabilities`, and `unreadable`, `unreadable_labels`, `unreadable_before`: names, classes, and
 * how many others come before. VGG_ERROR_UNSUPPORTED when the library was built without NumPy's
 * files. */
VGG_API vgg_status vgg_scores_write(const vgg_scores *scores, const char *path, vgg_error *error);

typedef struct vgg_scores_read_options {
    size_t struct_size;             /* set by vgg_scores_read_options_init */
    const char *const *class_names; /* what the classes of the file must be, in its order; default
                                     * NULL: any */
    size_t classes;                 /* of them */
    bool rows;                      /* as in vgg_scores_options, default false */
} vgg_scores_read_options;

VGG_API void vgg_scores_read_options_init(vgg_scores_read_options *options, size_t size);

/* Reads such a file, or one of another program:
 *   CSV whose first line calls a column truth (true, label, target, y_true, actual, class) and one
 *     predicted (prediction, pred, y_pred), or a column for each class by its name, alone or behind
 *     "logit", "probability", "prob", "proba", "score" or "p" and one of ":_- ./"; and perhaps one
 *     name (image, file, path, id, picture). Classes are named or numbered; numbers alone stand for
 *     all classes up to the highest, or, where that is 100,000 or more, are names;
 *   .npz with `labels` (truth, y_true, targets, y) and `logits`, `probabilities` (probs, proba),
 *     `scores` (y_score) or `predicted` (predictions, y_pred, preds), perhaps `names` (files,
 *     paths) and `classes` (class_names).
 * Columns without a prefix are scores where truth or prediction names a class so; others beside
 * them, or beside "score" and "p", only where all together are probabilities, and VGG_ERROR_FORMAT
 * where nothing shows what they are.
 * Scores that are not called logits or probabilities are probabilities when each picture's are
 * within 0 and 1 and 1 together. Without columns of classes, those are the classes that truth and
 * prediction name, in the order of their names. options may be NULL. */
VGG_API vgg_status vgg_scores_read(const char *path, const vgg_scores_read_options *options,
                                   vgg_scores **scores, vgg_error *error);

/* ---- figures ---- */

/* Of all pictures. Figures that nothing defines, such as those of probabilities that are not known,
 * are NaN. Intervals are Wilson's of 95 %. */
typedef struct vgg_score_figures {
    size_t struct_size;          /* set by the caller */
    size_t pictures, unreadable; /* the latter are in no figure */
    size_t right;                /* pictures whose likeliest class is the right one */
    double accuracy, accuracy_low, accuracy_high; /* the share of them: top-1 */
    double top5, top5_low, top5_high;             /* the right class is among the five likeliest */
    double balanced_accuracy;     /* mean recall of the classes that there are pictures of */
    double precision, recall, f1; /* mean of all classes that one of truth and prediction names;
                                   * what is not defined of a class counts as 0 (macro average) */
    double loss;                  /* mean cross-entropy. A probability of 0 counts as 1.18e-38 */
    double brier;      /* mean of the sum over classes of (probability - truth) squared: 0 to 2 */
    double confidence; /* mean probability of the predicted classes */
    double calibration_error; /* mean distance of confidence and accuracy over bins of confidence,
                               * VGG_RELIABILITY_BINS of equal width, weighted by their pictures */
} vgg_score_figures;

/* Without pictures all but the counts is NaN. */
VGG_API vgg_status vgg_scores_figures(const vgg_scores *scores, vgg_score_figures *figures,
                                      vgg_error *error);

/* Of one class. */
typedef struct vgg_class_figures {
    size_t struct_size;                     /* set by the caller */
    const char *name;                       /* belongs to the scores */
    size_t pictures;                        /* of this class: its support */
    size_t predicted;                       /* pictures of any class that are taken for it */
    size_t right;                           /* pictures of this class that are taken for it */
    double recall, recall_low, recall_high; /* right / pictures, the accuracy of the class, with its
                                             * 95 % interval; NaN without pictures */
    double precision;                       /* right / predicted; NaN where it is never predicted */
    double f1; /* 2 right / (pictures + predicted); NaN where it is neither there nor predicted */
    double threshold; /* mean probability of this class over its own pictures; NaN without */
} vgg_class_figures;

/* VGG_ERROR_NOT_FOUND when there is no such class. */
VGG_API vgg_status vgg_scores_class(const vgg_scores *scores, size_t class_index,
                                    vgg_class_figures *figures, vgg_error *error);

/* The number of pictures of class t that are taken for class p, at matrix[t * classes + p]. */
VGG_API vgg_status vgg_scores_confusion(const vgg_scores *scores, size_t *matrix, vgg_error *error);

/* Frozen. */
typedef struct vgg_confused_pair {
    size_t truth, predicted; /* two classes */
    size_t pictures;         /* of the one that are taken for the other */
} vgg_confused_pair;

/* The pairs of classes that are most often confused: up to `most` into pairs, the most frequent
 * first, equal ones in the order of their numbers; *found is how many. */
VGG_API vgg_status vgg_scores_confused(const vgg_scores *scores, size_t most,
                                       vgg_confused_pair *pairs, size_t *found, vgg_error *error);

#define VGG_RELIABILITY_BINS 15

/* Frozen. */
typedef struct vgg_reliability_bin {
    double low, high;  /* confidences above low up to high; the first bin has 0 as well */
    size_t pictures;   /* in it */
    double confidence; /* mean of theirs; NaN without pictures */
    double accuracy;   /* share of them whose likeliest class is right; NaN without pictures */
} vgg_reliability_bin;

/* Confidence against accuracy in `count` bins of equal width. VGG_ERROR_UNSUPPORTED without
 * probabilities. */
VGG_API vgg_status vgg_scores_reliability(const vgg_scores *scores, size_t count,
                                          vgg_reliability_bin *bins, vgg_error *error);

/* Wilson's interval of 95 % of the share that `right` of `of` estimate; NaN for of = 0. */
VGG_API void vgg_wilson_interval(size_t right, size_t of, double *low, double *high);

/* ---- pictures to look at ---- */

/* Which pictures, and in which order; equal ones come in the order in which they were added. */
typedef enum vgg_score_order {
    VGG_SCORE_HARDEST = 0,  /* all, the highest loss first; without probabilities the wrong ones */
    VGG_SCORE_MISTAKES = 1, /* the wrong ones, the highest confidence first */
    VGG_SCORE_LABELS = 2, /* probable label errors: wrong; the predicted class is as likely as it is
                           * on its own pictures on average, or more so, and the labelled class
                           * less likely than it is on its own (vgg_class_figures.threshold, as in
                           * confident learning); the largest difference of the two probabilities
                           * first. VGG_ERROR_UNSUPPORTED without probabilities */
} vgg_score_order;

/* Up to `most` numbers of pictures into `pictures`; *found is how many. `pictures` may be NULL when
 * most is 0; *all, unless NULL, is how many there would be without bounds. */
VGG_API vgg_status vgg_scores_select(const vgg_scores *scores, vgg_score_order order, size_t most,
                                     size_t *pictures, size_t *found, size_t *all,
                                     vgg_error *error);

/* ---- calibration ---- */

/* The temperature by which logits are divided so that the cross-entropy is least; needs rows of
 * logits. VGG_ERROR_NUMERIC when none from 0.01 to 100 is, as where every picture is right. */
VGG_API vgg_status vgg_scores_fit_temperature(const vgg_scores *scores, double *temperature,
                                              vgg_error *error);
/* Divides all logits by it, and computes again what follows from them; needs rows of logits. */
VGG_API vgg_status vgg_scores_cool(vgg_scores *scores, double temperature, vgg_error *error);

/* ---- several labels ---- */

/* What a network said of pictures that may have several labels, or none: a logit of each class,
 * whose sigmoid is the probability that the picture has it. Takes 5 bytes for each picture and
 * class. */
typedef struct vgg_label_scores vgg_label_scores;

/* Without pictures. The names are copied; NULL: the classes are called by their numbers. */
VGG_API vgg_status vgg_label_scores_create(const char *const *class_names, size_t classes,
                                           vgg_label_scores **scores, vgg_error *error);
VGG_API void vgg_label_scores_free(vgg_label_scores *scores);

/* Adds a picture that has the `count` classes `labels`; row: a logit of each class.
 * VGG_ERROR_NUMERIC when one is not finite. */
VGG_API vgg_status vgg_label_scores_add(vgg_label_scores *scores, const float *row,
                                        const size_t *labels, size_t count, vgg_error *error);
VGG_API size_t vgg_label_scores_count(const vgg_label_scores *scores);
VGG_API size_t vgg_label_scores_class_count(const vgg_label_scores *scores);

/* Of all pictures. A class is predicted where its probability is at least 0.5. */
typedef struct vgg_label_figures {
    size_t struct_size; /* set by the caller */
    size_t pictures, labels;
    size_t labelled_classes;       /* that there are pictures of */
    double mean_average_precision; /* mean over those classes; NaN without any */
    size_t exact;                  /* pictures of which exactly the right classes are predicted */
    double exact_match, exact_low, exact_high; /* the share of them, with its interval */
    double precision, recall, f1; /* mean of all classes that truth or prediction names; what is not
                                   * defined of a class counts as 0 */
    double loss;                  /* mean binary cross-entropy, over pictures and classes */
} vgg_label_figures;

/* Without pictures the shares and means are NaN. */
VGG_API vgg_status vgg_label_scores_figures(const vgg_label_scores *scores,
                                            vgg_label_figures *figures, vgg_error *error);

/* Of one class. */
typedef struct vgg_label_class_figures {
    size_t struct_size;       /* set by the caller */
    const char *name;         /* belongs to the scores */
    size_t pictures;          /* that have it */
    size_t predicted;         /* of which it is predicted */
    size_t right;             /* both */
    double average_precision; /* the sum over thresholds, from the highest, of the precision there
                               * times what is gained of the recall; NaN without pictures */
    double precision;         /* right / predicted; NaN where it is never predicted */
    double recall;            /* right / pictures; NaN without pictures */
    double f1; /* 2 right / (pictures + predicted); NaN where it is neither there nor predicted */
} vgg_label_class_figures;

/* VGG_ERROR_NOT_FOUND when there is no such class. */
VGG_API vgg_status vgg_label_scores_class(const vgg_label_scores *scores, size_t class_index,
                                          vgg_label_class_figures *figures, vgg_error *error);

/* ---- two of them compared ---- */

/* Two networks on the same pictures: which of those that one gets wrong the other gets right. */
typedef struct vgg_score_comparison {
    size_t struct_size; /* set by the caller */
    size_t pictures;    /* that both have scores of */
    size_t both_right, both_wrong;
    size_t first_right, second_right; /* pictures that only the one gets right */
    size_t disagree;                  /* pictures that get different classes, right or wrong */
    /* McNemar's test: how likely a difference like this is if both are equally good. */
    double p_exact;    /* two-sided, by the binomial distribution */
    double chi_square; /* with the continuity correction: (|b - c| - 1)^2 / (b + c) of first_right
                        * and second_right; 0 where they are the same */
    double p_chi_square;
} vgg_score_comparison;

/* Pictures are matched by name, or by their place where both have the same names in the same
 * order. VGG_ERROR_SHAPE when the classes differ, VGG_ERROR_CHANGED, naming it, when a picture
 * belongs to different classes; VGG_ERROR_NOT_FOUND when there is no common picture. */
VGG_API vgg_status vgg_scores_compare(const vgg_scores *first, const vgg_scores *second,
                                      vgg_score_comparison *comparison, vgg_error *error);

/* The pictures of the second that match those of the first: partner[i] is the number of the picture
 * of `second` with the name of picture i of `first`, SIZE_MAX when there is none. Fails as
 * vgg_scores_compare does. */
VGG_API vgg_status vgg_scores_match(const vgg_scores *first, const vgg_scores *second,
                                    size_t *partner, vgg_error *error);

/* ---- several of them together ---- */

/* Scores of kind VGG_SCORE_PROBABILITIES, with rows: the mean probabilities of `count` networks, or
 * of several views by one, which need rows. Freed by the caller. VGG_ERROR_SHAPE when the classes
 * or the number of pictures differ, VGG_ERROR_CHANGED, naming it, when a picture is another or
 * belongs to another class; pictures that could not be read are those of the first. */
VGG_API vgg_status vgg_scores_fuse(const vgg_scores *const *members, size_t count,
                                   vgg_scores **fused, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
