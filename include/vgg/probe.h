/* Probes: linear classifiers on features of a network, as models. */
#ifndef VGG_PROBE_H
#define VGG_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/features.h"
#include "vgg/model.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is minimised over the weights w and biases b of all classes, s being the scores w x + b of a
 * picture. The values are pinned. */
typedef enum vgg_probe_kind {
    VGG_PROBE_SVM = 0,     /* a support-vector machine for each class against the rest: (|w|^2 +
                            * b^2) / 2 + C sum(max(0, 1 -+ s)^2), as LIBLINEAR's L2-regularised
                            * L2-loss and scikit-learn's LinearSVC have it */
    VGG_PROBE_SOFTMAX = 1, /* |w|^2 / 2 + C sum(cross-entropy), as scikit-learn's
                            * LogisticRegression has it */
} vgg_probe_kind;

/* "svm" or "softmax"; NULL for any other value. */
VGG_API const char *vgg_probe_kind_name(vgg_probe_kind kind);
/* The kind of that name; VGG_PROBE_SVM when there is none. */
VGG_API vgg_probe_kind vgg_probe_kind_named(const char *name);

typedef struct vgg_probe_options {
    size_t struct_size;  /* set by vgg_probe_options_init */
    vgg_probe_kind kind; /* default VGG_PROBE_SVM */
    bool standardise;    /* features are shifted and scaled to mean 0 and variance 1 over all rows
                          * first, and the weights that come out do the same; default true */
    double c;            /* default 0: of 1e-5, 1e-4, ... 10 the one with which most pictures are
                          * right by cross-validation, the smallest of equal ones */
    size_t folds;        /* of it, 2 to 100, each with its share of every class; default 5 */
    uint64_t seed;       /* which pictures are in which; default 0 */
    size_t threads;      /* default 0: as many as the machine leaves to this process */
    vgg_threads *shared_threads;     /* default NULL */
    vgg_progress_callback *progress; /* counts fits; default NULL */
    void *user;
} vgg_probe_options;

VGG_API void vgg_probe_options_init(vgg_probe_options *options, size_t size);

typedef struct vgg_probe_result {
    size_t struct_size; /* set by the caller */
    double c;           /* that was used */
    double accuracy;    /* of the best C by cross-validation, the share of rows that are right when
                         * their fold is left out; NaN without. It may flatter: C is chosen
                         * by the same folds, and `standardise` is done once, with the means and
                         * deviations of all rows, those left out too */
    double objective;   /* of the last fit, on the features that it saw */
    size_t iterations;
    bool converged; /* the last fit was at its minimum when they ended, and not at their limit */
} vgg_probe_result;

/* Fits a classifier to `count` rows of `features` floats, of which row i is of class classes[i].
 * weights: class_count x features, biases: class_count, for rows as they were given. options may be
 * NULL. The same bits for any number of threads. VGG_ERROR_ARGUMENT for fewer than two classes or
 * rows, or a class of no row; VGG_ERROR_NUMERIC for rows, or what is made of them, that are not
 * finite. */
VGG_API vgg_status vgg_probe_fit(const float *rows, const size_t *classes, size_t count,
                                 size_t features, size_t class_count,
                                 const vgg_probe_options *options, float *weights, float *biases,
                                 vgg_probe_result *result, vgg_error *error);

/* Whether vgg_probe_model can make a model of these, before features are computed for it: its
 * errors but for memory, and the names of classes. */
VGG_API vgg_status vgg_probe_model_check(const vgg_model *model, size_t layer,
                                         vgg_feature_pool pool, size_t class_count,
                                         vgg_error *error);

/* A model of the layers of another up to `layer`, a pool over all places where it sees maps, and a
 * linear layer of these weights. VGG_FEATURE_POOL_AVERAGE, VGG_FEATURE_POOL_MAX, or NONE for all
 * values of a map; VGG_ERROR_UNSUPPORTED for VGG_FEATURE_POOL_GEM on maps, and for the former two
 * behind VGG_LAYER_AVERAGE_POOL, which no network has. class_names may be NULL. */
VGG_API vgg_status vgg_probe_model(const vgg_model *model, size_t layer, vgg_feature_pool pool,
                                   const float *weights, const float *biases,
                                   const char *const *class_names, size_t class_count,
                                   vgg_model **probe, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
