/* The models that are served. Each has a version in use, which is replaced as a whole: whoever
 * works with one keeps it until it is released. */
#ifndef VGG_SERVE_MODELS_H
#define VGG_SERVE_MODELS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "cli/model_source.h"
#include "cli/serve/metrics.h"
#include "vgg/features.h"
#include "vgg/predict.h"

#define VGG_SERVE_NAME_SIZE 65
/* Layers that a request may ask for. */
#define VGG_SERVE_TAPS_MOST 16

/* A model that was loaded. Everything but the predictor and the extractor, which the computing
 * thread alone uses, may be read by any thread. */
typedef struct vgg_serve_version {
    vgg_model *model;
    vgg_predictor *predictor;
    vgg_extractor *extractor; /* of the layers that were asked for last; NULL: nobody has yet */
    vgg_tap taps[VGG_SERVE_TAPS_MOST];
    size_t tap_count;
    size_t number;         /* of the versions of its name, from 1 */
    size_t classes, input; /* floats of an input */
    size_t channels, height, width;
    atomic_size_t users;
} vgg_serve_version;

typedef struct vgg_serve_model {
    char name[VGG_SERVE_NAME_SIZE];
    vgg_cli_model_source source;
    pthread_mutex_t lock; /* of the pointer to the version */
    vgg_serve_version *version;
    size_t place; /* among the models */
    /* For the thread that loads: what its file was when it was loaded last, and when it was looked
     * at last. */
    struct stat loaded, seen;
} vgg_serve_model;

/* As many as a predictor or an extractor computes at once that nobody has told how many: those of
 * `vgg predict` and `vgg features`. The algorithms, and with them the bits, are those of their
 * batches whatever ours are. */
#define VGG_SERVE_TUNED_BATCH 32

/* How predictors are made. */
typedef struct vgg_serve_computing {
    vgg_threads *threads; /* that all models share */
    size_t batch;         /* pictures at once */
    bool exact;
    vgg_precision precision;
    vgg_device_kind device;
    vgg_protocol protocol;
} vgg_serve_computing;

typedef struct vgg_serve_models {
    vgg_serve_model entries[VGG_CLI_TEXTS_MOST];
    size_t count;
    vgg_serve_computing computing;
    vgg_serve_metrics *metrics;
} vgg_serve_models;

/* Fills in the names of what --model was given, NAME=FILE or FILE; none: the model in the box.
 * `told` has what all files are told. False when that makes no sense, which is complained about. */
bool vgg_serve_models_name(vgg_serve_models *models, const vgg_cli_texts *given,
                           const vgg_cli_model_source *told);

/* Loads the first version of each. False when that cannot be, which is complained about. */
bool vgg_serve_models_load(vgg_serve_models *models);
/* Looks at the files, and loads a new version of each that is another than when it was loaded and
 * that stays the same between two looks; `all`: of every one, at once. While that cannot be, which
 * is complained about, the old version stays. */
void vgg_serve_models_renew(vgg_serve_models *models, bool all);
void vgg_serve_models_free(vgg_serve_models *models);

/* The model of that name, of `length` letters; NULL: there is none. */
vgg_serve_model *vgg_serve_models_find(vgg_serve_models *models, const char *name, size_t length);

/* Whether there is the same under a path as at another look. */
bool vgg_serve_same_file(const struct stat *left, const struct stat *right);

/* Floats that a layer gives for a picture. */
size_t vgg_serve_layer_values(const vgg_layer_info *layer);

vgg_serve_version *vgg_serve_version_acquire(vgg_serve_model *model);
/* NULL is fine. */
void vgg_serve_version_release(vgg_serve_version *version);

#endif
