/* Features: what layers of a network give for pictures, and files of them. */
#ifndef VGG_FEATURES_H
#define VGG_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/data.h"
#include "vgg/model.h"
#include "vgg/plan.h"
#include "vgg/predict.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of a channel's values at all places of a picture. The values are pinned. */
typedef enum vgg_feature_pool {
    VGG_FEATURE_POOL_NONE = 0, /* they stay */
    VGG_FEATURE_POOL_AVERAGE = 1,
    VGG_FEATURE_POOL_MAX = 2,
    VGG_FEATURE_POOL_GEM = 3, /* the generalised mean of exponent 3 of those above 1e-6
                               * (Radenovic et al. 2018) */
} vgg_feature_pool;

/* "none", "avg", "max" or "gem"; NULL for any other value. */
VGG_API const char *vgg_feature_pool_name(vgg_feature_pool pool);
/* The pool of that name; VGG_FEATURE_POOL_NONE when there is none. */
VGG_API vgg_feature_pool vgg_feature_pool_named(const char *name);

/* ---- extracting ---- */

/* A model made ready to give features. One thread at a time may use it; several may share a model
 * and threads. A picture has the same features, bit for bit, alone or among others. */
typedef struct vgg_extractor vgg_extractor;

typedef struct vgg_extractor_options {
    size_t struct_size;  /* set by vgg_extractor_options_init */
    const vgg_tap *taps; /* `tap_count` layers in any order; copied. Default NULL, 0: none, which
                          * is VGG_ERROR_ARGUMENT */
    size_t tap_count;
    vgg_feature_pool pool; /* default VGG_FEATURE_POOL_NONE; rows of features stay as they are */
    bool normalise;        /* divides a picture's values of each layer by the root of the sum of
                            * their squares, where that is not 0; default false */
    const char *scales;    /* "256,384,512": pictures are resized so that the short side has so
                            * many pixels, the centre of that size in both directions is taken, and
                            * the features of all scales, each normalised when that is asked for,
                            * are averaged. Up to 16; needs a pool. Default NULL: the
                            * preprocessing's own sizes */
    vgg_protocol protocol; /* VGG_PROTOCOL_FLIP averages with the features of the mirrored picture
                            * in the same way, and needs a pool; default VGG_PROTOCOL_CENTER */
    size_t batch;          /* pictures that are computed at once, default 0: 32, or fewer where
                            * those would take more than half of the memory that is left */
    size_t threads;        /* default 0: as many as the machine leaves to this process */
    bool exact;            /* as in vgg_plan_options, default false */
    bool average_pools;    /* likewise */
    vgg_threads *shared_threads; /* likewise, default NULL */
    vgg_precision precision;     /* likewise, default VGG_PRECISION_F32 */
    size_t thumbnail;   /* vgg_extract_many also hands out each picture, grey and squeezed into a
                         * square of so many pixels, 1 to 256 a side. Default 0: it does not */
    size_t tuned_batch; /* as in vgg_plan_options, default 0: for `batch`. With the same number two
                         * extractors give the same bits, whatever their `batch` */
    vgg_device_kind device; /* as in vgg_plan_options, default VGG_DEVICE_CPU */
} vgg_extractor_options;

VGG_API void vgg_extractor_options_init(vgg_extractor_options *options, size_t size);

/* The model must outlive the extractor and must have its preprocessing. */
VGG_API vgg_status vgg_extractor_create(const vgg_model *model,
                                        const vgg_extractor_options *options,
                                        vgg_extractor **extractor, vgg_error *error);
VGG_API void vgg_extractor_free(vgg_extractor *extractor);

VGG_API size_t vgg_extractor_taps(const vgg_extractor *extractor);

/* Of tap 0..tap_count-1: its layer, and the shape of a picture's features, pooled when they are.
 * The caller sets info->struct_size to sizeof *info before the call. */
VGG_API vgg_status vgg_extractor_tap(const vgg_extractor *extractor, size_t tap, vgg_tap_info *info,
                                     vgg_error *error);

/* Pictures that are computed at once, and the bytes that this takes beside decoded pictures. */
VGG_API size_t vgg_extractor_batch(const vgg_extractor *extractor);
VGG_API size_t vgg_extractor_memory(const vgg_extractor *extractor);

/* The features of one decoded picture: values[t] has room for those of tap t. */
VGG_API vgg_status vgg_extract_image(vgg_extractor *extractor, const vgg_image *image,
                                     float *const *values, vgg_error *error);

/* Of one of many pictures; belongs to the extractor until the callback returns. */
typedef struct vgg_extract_result {
    size_t struct_size; /* set by the library */
    size_t number;      /* of the picture, from 0 */
    const char *name;
    void *user;                     /* as in its vgg_picture */
    const vgg_error *error;         /* why there is no result; NULL: there is one */
    const char *warning;            /* as of vgg_decode_options.warn; NULL: none */
    const float *const *values;     /* of each tap */
    const unsigned char *thumbnail; /* vgg_extractor_options.thumbnail squared; NULL without */
} vgg_extract_result;

/* Return false to stop: vgg_extract_many then fails with VGG_ERROR_STOPPED. */
typedef bool vgg_extract_callback(void *user, const vgg_extract_result *result);

/* vgg_predict_many for features. */
VGG_API vgg_status vgg_extract_many(vgg_extractor *extractor, vgg_next_picture *next,
                                    vgg_extract_callback *result, void *user, vgg_error *error);

/* The same for inputs that are preprocessed already (vgg_preprocess_image): inputs[i] are the
 * floats of input i, channels x height x width, and the results have numbers 0 to count - 1, no
 * name, and the bits that pictures have of which such inputs are made. VGG_ERROR_UNSUPPORTED for an
 * extractor with scales, which needs pictures. */
VGG_API vgg_status vgg_extract_inputs(vgg_extractor *extractor, const float *const *inputs,
                                      size_t count, vgg_extract_callback *result, void *user,
                                      vgg_error *error);

/* ---- of a data set ---- */

typedef struct vgg_extract_dataset_options {
    size_t struct_size; /* set by vgg_extract_dataset_options_init */
    const char *cache;  /* a file that keeps the features: where it is there, and is of this model,
                         * these options and these pictures, by the bytes of their names and sizes,
                         * they are taken from it; else they are computed and it is written anew,
                         * whole or not at all (result: kept). VGG_ERROR_ARGUMENT for a file that is
                         * no such one, which stays. Default NULL: none */
    bool contents;      /* its pictures are compared by all their bytes; default false */
    vgg_skip_callback *skipped;      /* hears of each picture that cannot be read; default NULL */
    vgg_warning_callback *warn;      /* as in vgg_loader_options, of pictures that are read; default
                                      * NULL */
    vgg_progress_callback *progress; /* counts pictures while they are computed; default NULL */
    void *user;                      /* for all three */
} vgg_extract_dataset_options;

VGG_API void vgg_extract_dataset_options_init(vgg_extract_dataset_options *options, size_t size);

typedef struct vgg_extract_dataset_result {
    size_t struct_size; /* set by the caller */
    size_t rows;        /* pictures that have one */
    size_t skipped;     /* that could not be read */
    bool cached;        /* they were taken from the file */
    bool kept;          /* the file has them now: false without one, and where a picture could not
                         * be read for another reason than its bytes, which may pass */
} vgg_extract_dataset_result;

/* The features of the pictures of a data set, in their order: a row, the values of all taps one
 * behind the other, for each that can be read. rows and items have room for vgg_dataset_count rows;
 * items[i] becomes the number of the picture of row i. options and result may be NULL. The same
 * bits from a cache and without. VGG_ERROR_STOPPED when a callback wants an end; VGG_ERROR_MEMORY,
 * which no picture is left out for. */
VGG_API vgg_status vgg_extract_dataset(vgg_extractor *extractor, const vgg_dataset *dataset,
                                       const vgg_extract_dataset_options *options, float *rows,
                                       size_t *items, vgg_extract_dataset_result *result,
                                       vgg_error *error);

/* ---- files ---- */

/* Writes an array of up to four sizes as NumPy's .npy, float32, whole or not at all. */
VGG_API vgg_status vgg_array_save(const float *values, const size_t *shape, size_t dimensions,
                                  const char *path, vgg_error *error);

/* A file of features while it is written. Beside OUT lie OUT.part, the names of the pictures so
 * far, and OUT.0.part and so on, the values of each layer, so that memory does not grow with the
 * pictures and a process that was ended goes on where it was. Taking one more picture is for one
 * thread at a time. */
typedef struct vgg_feature_file vgg_feature_file;

typedef struct vgg_feature_file_options {
    size_t struct_size;        /* set by vgg_feature_file_options_init */
    const char *const *layers; /* names that the arrays get, one for each tap of the extractor;
                                * default NULL, which is VGG_ERROR_ARGUMENT */
    const char *facts;         /* what the features follow from beside layers and shapes: the
                                * model and all options. With another text nothing is resumed.
                                * Default "" */
    bool resume; /* goes on with the pictures that are in OUT.part, if it is there; else
                  * begins anew. Default false */
} vgg_feature_file_options;

VGG_API void vgg_feature_file_options_init(vgg_feature_file_options *options, size_t size);

/* The ending of `path` says the format:
 *   .npy          one layer, float32, (N, C, H, W), or (N, C) when pooled; the names of the
 *                 pictures are the lines of a text file whose name ends in .txt in place of .npy
 *   .npz          an array for each layer under its name, and "names"
 *   .safetensors  a tensor for each layer, and the names as a JSON array in the metadata
 *   .csv          pooled features: a line for each picture with its name and a column for each
 *                 feature, "relu5_3.0"
 * A picture that could not be read has no row. VGG_ERROR_ARGUMENT for another ending, or several
 * layers for .npy, or features that are not pooled for .csv; VGG_ERROR_FORMAT for an OUT.part and
 * the like that is somebody else's and, with `resume`, VGG_ERROR_CHANGED for one of other features:
 * it stays as it is. */
VGG_API vgg_status vgg_feature_file_open(const char *path, const vgg_extractor *extractor,
                                         const vgg_feature_file_options *options,
                                         vgg_feature_file **file, vgg_error *error);

/* How many pictures it holds, readable or not; more than 0 only after resuming. */
VGG_API size_t vgg_feature_file_count(const vgg_feature_file *file);

/* Passes over the next of the pictures that it held when it was opened, which must have that name;
 * *readable: whether it has features. VGG_ERROR_ARGUMENT when it is another: the pictures are not
 * those of before. */
VGG_API vgg_status vgg_feature_file_pass(vgg_feature_file *file, const char *name, bool *readable,
                                         vgg_error *error);

/* Adds a picture; values NULL: it could not be read. */
VGG_API vgg_status vgg_feature_file_add(vgg_feature_file *file, const char *name,
                                        const float *const *values, vgg_error *error);

/* Lets the system have what was added, which it keeps when the process ends. */
VGG_API vgg_status vgg_feature_file_flush(vgg_feature_file *file, vgg_error *error);

/* Makes the file, whole or not at all, and removes what lies beside it. */
VGG_API vgg_status vgg_feature_file_finish(vgg_feature_file *file, vgg_error *error);

/* Whatever was added stays beside the file for resuming, unless it was finished. */
VGG_API void vgg_feature_file_free(vgg_feature_file *file);

#ifdef __cplusplus
}
#endif
#endif
