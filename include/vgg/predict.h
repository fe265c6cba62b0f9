/* Using a model: predicting the classes of pictures, and measuring it on a data set. */
#ifndef VGG_PREDICT_H
#define VGG_PREDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/data.h"
#include "vgg/model.h"
#include "vgg/plan.h"
#include "vgg/scores.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which views of a picture are computed, as Simonyan & Zisserman (section 3.2) have them. Of
 * several views, scales and networks the probabilities are averaged; logits are then the logarithms
 * of the averages. docs/evaluation.md defines each. Where the preprocessing has sides, CENTER and
 * FLIP are the mean of the logits of all its squares, less the logarithm of the sum of their
 * powers.
 */
typedef enum vgg_protocol {
    VGG_PROTOCOL_CENTER = 0, /* that of the preprocessing */
    VGG_PROTOCOL_FLIP = 1,   /* that and its mirror */
    VGG_PROTOCOL_DENSE = 2,  /* the whole resized picture and its mirror: vgg_plan_options.dense */
    VGG_PROTOCOL_CROPS = 3,  /* a grid of VGG_GRID_SIDE x VGG_GRID_SIDE cut-outs and their mirrors:
                              * number i of a row begins at round(i (side - cut-out) / 4), a half
                              * rounded to even */
    VGG_PROTOCOL_DENSE_CROPS = 4, /* the mean of both */
} vgg_protocol;

#define VGG_GRID_SIDE 5
/* Most scales of a predictor. */
#define VGG_SCALES_MOST 16

/* "center", "flip", "dense", "crops" or "dense+crops"; NULL for any other value. */
VGG_API const char *vgg_protocol_name(vgg_protocol protocol);
/* The protocol of that name; VGG_PROTOCOL_CENTER when there is none. */
VGG_API vgg_protocol vgg_protocol_named(const char *name);

/* ---- predicting ---- */

/* A model made ready to classify pictures. It is always in VGG_MODE_EVAL. One thread at a time may
 * use a predictor; several predictors may share a model and threads. A picture has the same result,
 * bit for bit, by whichever of the functions below, alone or among others. */
typedef struct vgg_predictor vgg_predictor;

typedef struct vgg_predictor_options {
    size_t struct_size;          /* set by vgg_predictor_options_init */
    size_t threads;              /* default 0: as many as the machine leaves to this process */
    bool exact;                  /* as in vgg_plan_options, default false */
    vgg_threads *shared_threads; /* as in vgg_plan_options, default NULL */
    size_t batch; /* pictures that vgg_predict_many computes at once; the algorithms are those that
                   * are fastest for so many. 1 suits a program that has one picture at a time.
                   * Default 0: as 32, but fewer at once where those would take more than half of
                   * the memory that is left */
    vgg_protocol protocol; /* default VGG_PROTOCOL_CENTER */
    size_t tuned_batch; /* as in vgg_plan_options, default 0: for `batch`. With the same number two
                         * predictors give the same bits, whatever their `batch` */
    vgg_precision precision; /* as in vgg_plan_options, default VGG_PRECISION_F32 */
    const char *scales; /* "256,384,512": short sides that pictures are resized to, one after the
                         * other, up to VGG_SCALES_MOST. They, and every protocol beyond
                         * VGG_PROTOCOL_FLIP, need preprocessing of VGG_FIT_CROP, and grids and
                         * dense views scales of the cut-out's size or more. Default NULL: the
                         * preprocessing's own, or its sides */
    vgg_device_kind device; /* as in vgg_plan_options, default VGG_DEVICE_CPU */
} vgg_predictor_options;

VGG_API void vgg_predictor_options_init(vgg_predictor_options *options, size_t size);

/* options may be NULL. The model must outlive the predictor and must have its preprocessing;
 * without it the error says how to give one. */
VGG_API vgg_status vgg_predictor_create(const vgg_model *model,
                                        const vgg_predictor_options *options,
                                        vgg_predictor **predictor, vgg_error *error);
VGG_API void vgg_predictor_free(vgg_predictor *predictor);

/* Adds another network, with views and scales of its own: from now on the predictor gives the mean
 * of the probabilities of all. The model must outlive the predictor. options may be NULL; their
 * threads, also shared ones, are not used. VGG_ERROR_SHAPE when the classes are others than those
 * of the first model, VGG_ERROR_ARGUMENT when it is for several labels per picture and the first is
 * not; the predictor is then as it was. */
VGG_API vgg_status vgg_predictor_add(vgg_predictor *predictor, const vgg_model *model,
                                     const vgg_predictor_options *options, vgg_error *error);

/* Pictures that vgg_predict_many computes at once, and the bytes that it then takes at most: the
 * plan, and two batches of inputs. One decoded picture per thread comes on top. A predictor without
 * `batch` takes less as long as it has had one picture at a time.
 *
 * With dense views, grids, several scales or several networks pictures are computed one at a time,
 * in batches of their views. The bytes are then those of a square picture, whose dense view is the
 * smallest; of a longer one activations are longer as well. Plans for sizes of dense views are
 * kept, up to 8 or half a GB. */
VGG_API size_t vgg_predictor_batch(const vgg_predictor *predictor);
VGG_API size_t vgg_predictor_memory(const vgg_predictor *predictor);

/* Frozen. */
typedef struct vgg_prediction {
    size_t index;      /* number of the class */
    const char *label; /* its name; NULL when the model has none. Belongs to the model */
    double probability;
    double logit;
} vgg_prediction;

/* Classifies one decoded picture. best receives the min(top, classes) likeliest classes, most
 * likely first, equal ones in the order of their numbers; *found is how many. */
VGG_API vgg_status vgg_predict_image(vgg_predictor *predictor, const vgg_image *image, size_t top,
                                     vgg_prediction *best, size_t *found, vgg_error *error);

/* The same for a file. */
VGG_API vgg_status vgg_predict_file(vgg_predictor *predictor, const char *path, size_t top,
                                    vgg_prediction *best, size_t *found, vgg_error *error);

/* ---- many pictures ---- */

/* One of many pictures: exactly one of path, bytes and image is set. */
typedef struct vgg_picture {
    size_t struct_size; /* set by vgg_picture_init */
    const char *path;   /* a file */
    const void *bytes;  /* an encoded picture, which stays there until its result is handed out */
    size_t size;        /* of it, in bytes */
    const vgg_image *image; /* a decoded picture, which stays there likewise */
    const char *name;       /* in messages and the result; NULL: the path, or "picture 17" */
    void *user;             /* for the result */
} vgg_picture;

VGG_API void vgg_picture_init(vgg_picture *picture, size_t size);

/* The next picture; NULL: there are no more. The struct, its path and its name are copied before
 * the next call. */
typedef const vgg_picture *vgg_next_picture(void *user);

/* The result of one picture; belongs to the predictor until the callback returns. */
typedef struct vgg_predict_result {
    size_t struct_size; /* set by the library */
    size_t number;      /* of the picture, from 0 */
    const char *name;
    void *user;                 /* as in its vgg_picture */
    const vgg_error *error;     /* why there is no result; NULL: there is one */
    const vgg_prediction *best; /* as of vgg_predict_image; `found` of them */
    size_t found;
    const float *logits; /* of all classes, divided by the model's temperature */
    const char *warning; /* as of vgg_decode_options.warn; NULL: none */
} vgg_predict_result;

/* Return false to stop: vgg_predict_many then fails with VGG_ERROR_STOPPED. */
typedef bool vgg_predict_callback(void *user, const vgg_predict_result *result);

/* Classifies pictures until there are no more, in batches, while other threads read and decode
 * those that come next. `next` and `result` are called on the calling thread: `next` for up to two
 * batches in advance, `result` for each picture in order. A picture that cannot be read is an error
 * of its own result and stops nothing; an error of vgg_predict_many is one of the whole, such as
 * memory. */
VGG_API vgg_status vgg_predict_many(vgg_predictor *predictor, vgg_next_picture *next, size_t top,
                                    vgg_predict_callback *result, void *user, vgg_error *error);

/* The same for inputs that are preprocessed already (vgg_preprocess_image): inputs[i] are the
 * floats of input i, channels x height x width, and the results have numbers 0 to count - 1, no
 * name, and the bits that pictures have of which such inputs are made. VGG_ERROR_UNSUPPORTED for a
 * predictor with dense views, grids, scales or several networks, which need pictures. */
VGG_API vgg_status vgg_predict_inputs(vgg_predictor *predictor, const float *const *inputs,
                                      size_t count, size_t top, vgg_predict_callback *result,
                                      void *user, vgg_error *error);

/* ---- measuring ---- */

/* Hears of a picture of the data set: its name, its vgg_dataset_item_class and its logits, NULL
 * when it could not be read. In the order of the data; false stops with VGG_ERROR_STOPPED. */
typedef bool vgg_score_callback(void *user, const char *name, size_t truth, const float *logits);

typedef struct vgg_eval_options {
    size_t struct_size;         /* set by vgg_eval_options_init */
    size_t batch;               /* default 32 */
    size_t threads;             /* default 0: as many as the machine leaves to this process */
    size_t workers;             /* as in vgg_loader_options, default 0 */
    bool exact;                 /* as in vgg_plan_options, default false */
    vgg_skip_callback *skipped; /* as in vgg_loader_options, default NULL */
    /* Called after each batch, may be NULL; false stops with VGG_ERROR_STOPPED. */
    vgg_progress_callback *progress;
    void *user;
    vgg_threads *shared_threads; /* as in vgg_plan_options, default NULL */
    vgg_warning_callback *warn;  /* as in vgg_loader_options, default NULL */
    void *warn_user;
    vgg_protocol protocol; /* default VGG_PROTOCOL_CENTER */
    vgg_scores *scores; /* of kind VGG_SCORE_LOGITS and with the classes of the model: each picture
                         * is added, also those that cannot be read. Default NULL */
    vgg_score_callback *scored; /* default NULL */
    void *scored_user;
    size_t first; /* this picture of the data set is the first that is measured; a multiple of
                   * batch. Default 0 */
    vgg_label_scores *label_scores; /* of a model for several labels, in place of `scores`: each
                                     * picture that can be read is added. The result is of the
                                     * pictures of this call alone, whatever was in them before.
                                     * VGG_ERROR_SHAPE when they have another number of classes
                                     * than the data. Default NULL */
    vgg_precision precision;        /* as in vgg_plan_options, default VGG_PRECISION_F32 */
    const char *scales;             /* as in vgg_predictor_options, default NULL */
    vgg_device_kind device;         /* as in vgg_plan_options, default VGG_DEVICE_CPU */
} vgg_eval_options;

VGG_API void vgg_eval_options_init(vgg_eval_options *options, size_t size);

typedef struct vgg_eval_result {
    size_t struct_size;     /* set by the caller */
    size_t images, skipped; /* pictures that were evaluated, and those that could not be read or are
                             * too small for the views */
    double top1, top5;      /* fractions of images; with fewer than five classes top5 is 1. NaN of
                             * several labels */
    double loss;            /* mean cross-entropy; of several labels the binary one */
    double mean_average_precision, exact_match; /* of several labels, as in vgg_label_figures, else
                                                 * NaN */
} vgg_eval_result;

/* Evaluates in VGG_MODE_EVAL; a model for several labels by the labels that pictures have, be it
 * one, all others by their one class. The data set must have the classes of the model, in its
 * order: open it with the model's class names in vgg_dataset_options. The logits of a picture have
 * the same bits whichever picture is the first, as long as the batch is the same. VGG_ERROR_FORMAT
 * when not one picture could be read, unless `first` left some out: then the fractions are NaN. */
VGG_API vgg_status vgg_evaluate(const vgg_model *model, const vgg_dataset *dataset,
                                const vgg_eval_options *options, vgg_eval_result *result,
                                vgg_error *error);

/* The same with a predictor, which may have several networks and computes as its own options say:
 * batch, threads, workers, exact, precision, device, shared_threads, protocol and scales of
 * `options` are not used, `first` may be any number, and `progress` is called after each picture.
 */
VGG_API vgg_status vgg_evaluate_with(vgg_predictor *predictor, const vgg_dataset *dataset,
                                     const vgg_eval_options *options, vgg_eval_result *result,
                                     vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
