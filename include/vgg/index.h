/* Indexes: the features of many pictures in a file, for finding those that look alike. */
#ifndef VGG_INDEX_H
#define VGG_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/features.h"
#include "vgg/model.h"
#include "vgg/predict.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of each picture: its name, what its file was like, a row of features of length 1, and a small
 * grey picture. Names are in the order in which they were given. One thread at a time may use an
 * index, also for searching; several may share a model and threads. Results are the same bits for
 * any number of threads. */
typedef struct vgg_index vgg_index;

typedef struct vgg_index_options {
    size_t struct_size; /* set by vgg_index_options_init */
    /* What rows are made of; vgg_index_open takes it from the file: */
    const char *layers; /* names with commas between them, "relu4_3,relu5_3": the features of each,
                         * of length 1, one behind the other. Default NULL: what stands behind the
                         * last convolutions, with their normalisation and ReLU, of the last two
                         * blocks: rows for what is in pictures and for near-duplicates */
    vgg_feature_pool
        pool;           /* default VGG_FEATURE_POOL_GEM; with VGG_FEATURE_POOL_NONE maps are rows */
    const char *scales; /* as in vgg_extractor_options, default NULL */
    vgg_protocol protocol; /* likewise, default VGG_PROTOCOL_CENTER */
    /* How they are computed: */
    size_t batch, threads;       /* as in vgg_extractor_options, default 0 */
    vgg_threads *shared_threads; /* likewise, default NULL */
    vgg_precision precision;     /* likewise, default VGG_PRECISION_F32. Rows of other precisions or
                                  * devices differ by rounding, and a file does not say which its
                                  * are of */
    vgg_device_kind device;      /* likewise, default VGG_DEVICE_CPU */
} vgg_index_options;

VGG_API void vgg_index_options_init(vgg_index_options *options, size_t size);

/* An index of no pictures. options may be NULL. The model must outlive the index and must have its
 * preprocessing. VGG_ERROR_NOT_FOUND for a layer that the network has not. */
VGG_API vgg_status vgg_index_create(const vgg_model *model, const vgg_index_options *options,
                                    vgg_index **index, vgg_error *error);

/* Reads a file that vgg_index_save wrote, whole, into memory. VGG_ERROR_ARGUMENT when it was made
 * with another model, as its fingerprint says: network, values, preprocessing and class names;
 * VGG_ERROR_FORMAT for a file that is no index or damaged. options may be NULL. */
VGG_API vgg_status vgg_index_open(const char *path, const vgg_model *model,
                                  const vgg_index_options *options, vgg_index **index,
                                  vgg_error *error);
VGG_API void vgg_index_free(vgg_index *index);

/* Writes the index, whole or not at all. The same pictures give the same bytes, however many
 * updates they came by. */
VGG_API vgg_status vgg_index_save(const vgg_index *index, const char *path, vgg_error *error);

typedef struct vgg_index_info {
    size_t struct_size;        /* set by the caller */
    size_t pictures, features; /* rows, and numbers in each */
    const char *layers;        /* these belong to the index */
    vgg_feature_pool pool;
    const char *scales; /* NULL: the preprocessing's own */
    vgg_protocol protocol;
    uint64_t fingerprint; /* of the model */
} vgg_index_info;

VGG_API vgg_status vgg_index_describe(const vgg_index *index, vgg_index_info *info,
                                      vgg_error *error);

/* The bytes that the index takes, and that searching in it takes beside the decoded picture. */
VGG_API size_t vgg_index_memory(const vgg_index *index);

/* The name of a picture, from 0 on, and its row; both belong to the index until it is updated. */
VGG_API const char *vgg_index_name(const vgg_index *index, size_t picture);
VGG_API const float *vgg_index_row(const vgg_index *index, size_t picture);
/* The number of the picture of that name; that of all pictures when there is none. */
VGG_API size_t vgg_index_find(const vgg_index *index, const char *name);

/* ---- updating ---- */

/* What became of a picture. The values are pinned. */
typedef enum vgg_index_change {
    VGG_INDEX_KEPT = 0,    /* it is as it was */
    VGG_INDEX_ADDED = 1,   /* it is new */
    VGG_INDEX_CHANGED = 2, /* its file is another */
    VGG_INDEX_UNREAD = 3,  /* it cannot be read, and is not in the index */
} vgg_index_change;

/* One of many pictures; belongs to the index until the callback returns. */
typedef struct vgg_index_event {
    size_t struct_size; /* set by the library */
    const char *name;
    vgg_index_change change;
    const vgg_error *error; /* of VGG_INDEX_UNREAD, else NULL */
    const char *warning;    /* as of vgg_decode_options.warn; NULL: none */
} vgg_index_event;

/* Return false to stop. */
typedef bool vgg_index_callback(void *user, const vgg_index_event *event);

typedef struct vgg_index_update_options {
    size_t struct_size; /* set by vgg_index_update_options_init */
    bool contents;    /* files are compared by a sum of their bytes, for which all are read; default
                       * false: by size and time of change */
    const char *part; /* a file that the index is saved in now and then on the way, so that an
                       * update that was ended goes on from it; default NULL: none */
    vgg_index_callback *told; /* hears of each picture, those that are kept earlier than others in
                               * front of them; default NULL */
    void *user;
} vgg_index_update_options;

VGG_API void vgg_index_update_options_init(vgg_index_update_options *options, size_t size);

typedef struct vgg_index_changes {
    size_t struct_size; /* set by the caller */
    size_t kept, added, changed, removed, unread;
} vgg_index_changes;

/* Makes the index one of the pictures that `next` names, whose paths are set and name them:
 * computes those that are new or whose files have changed and forgets all others. A name that comes
 * twice counts once. After an error or VGG_ERROR_STOPPED the index has, beside all that it had,
 * what was computed so far. options may be NULL; `changes` too. */
VGG_API vgg_status vgg_index_update(vgg_index *index, vgg_next_picture *next, void *next_user,
                                    const vgg_index_update_options *options,
                                    vgg_index_changes *changes, vgg_error *error);

/* ---- searching ---- */

/* Frozen. */
typedef struct vgg_index_match {
    size_t picture;
    const char *name;  /* belongs to the index until it is updated */
    double similarity; /* of the two rows: the cosine of their angle, 1 for the same */
} vgg_index_match;

/* The min(top, pictures) pictures whose rows are nearest to a row of the index's features, the
 * nearest first, equal ones in the order of their numbers; *found is how many. The search is exact:
 * it looks at all. */
VGG_API vgg_status vgg_index_search(vgg_index *index, const float *row, size_t top,
                                    vgg_index_match *matches, size_t *found, vgg_error *error);

/* The same for a decoded picture. */
VGG_API vgg_status vgg_index_search_image(vgg_index *index, const vgg_image *image, size_t top,
                                          vgg_index_match *matches, size_t *found,
                                          vgg_error *error);

/* The same for a file. */
VGG_API vgg_status vgg_index_search_file(vgg_index *index, const char *path, size_t top,
                                         vgg_index_match *matches, size_t *found, vgg_error *error);

/* ---- near-duplicates ---- */

/* Two pictures that one was made of: resized, recompressed, brightened or cropped. Frozen. */
typedef struct vgg_duplicate_pair {
    size_t first, second; /* first < second */
    double likeness;      /* 1: files of the same bytes; else the correlation of the two small grey
                           * pictures, less their coarse structure, laid over each other */
} vgg_duplicate_pair;

/* Pictures that hang together by pairs; belongs to the index until the callback returns. */
typedef struct vgg_duplicate_group {
    size_t struct_size;     /* set by the library */
    const size_t *pictures; /* in the order of their numbers, `count` of them */
    size_t count;
    const vgg_duplicate_pair *pairs; /* in the order of their numbers, `pair_count` of them */
    size_t pair_count;
} vgg_duplicate_group;

/* Return false to stop. */
typedef bool vgg_duplicate_callback(void *user, const vgg_duplicate_group *group);

typedef struct vgg_duplicate_options {
    size_t struct_size; /* set by vgg_duplicate_options_init */
    double likeness;    /* of pairs at least, 0 to 1; default VGG_DUPLICATE_LIKENESS */
    size_t neighbours;  /* of each picture, those whose rows are nearest, are compared with it;
                         * default 16, up to 1,000 */
    vgg_progress_callback *progress; /* counts pictures, twice; default NULL */
    void *progress_user;
} vgg_duplicate_options;

#define VGG_DUPLICATE_LIKENESS 0.9

VGG_API void vgg_duplicate_options_init(vgg_duplicate_options *options, size_t size);

/* Calls `group` for each group in the order of its first picture. options may be NULL.
 * VGG_ERROR_STOPPED when a callback wants an end. */
VGG_API vgg_status vgg_index_duplicates(vgg_index *index, const vgg_duplicate_options *options,
                                        vgg_duplicate_callback *group, void *user,
                                        vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
