/* The index that pictures are searched in. It is replaced as a whole, like versions of models. */
#ifndef VGG_SERVE_INDEX_H
#define VGG_SERVE_INDEX_H

#include <sys/stat.h>

#include "cli/serve/models.h"
#include "vgg/index.h"

/* An index that was opened. The thread that searches alone uses `opened`, but for names. */
typedef struct vgg_serve_index {
    vgg_index *opened;
    vgg_serve_model *model;     /* that it was made with, */
    vgg_serve_version *version; /* in this version, which it keeps */
    size_t pictures;
    size_t folder; /* letters of all names that say in which folder they lie together */
    size_t number; /* of the times that the index was opened, from 1 */
    atomic_size_t users;
} vgg_serve_index;

/* What an index in use was made of. */
typedef struct vgg_serve_index_origin {
    struct stat file;
    size_t versions; /* the number of the version of the model that the index is of; while the last
                      * try failed, the sum of those of all models, any of which may be its own */
} vgg_serve_index_origin;

typedef struct vgg_serve_catalogue {
    const char *path;     /* NULL: there is no index */
    pthread_mutex_t lock; /* of the pointer */
    vgg_serve_index *index;
    /* For the thread that opens: of what it was tried last, and what there was when it looked. */
    vgg_serve_index_origin tried, seen;
    bool failed; /* the last try */
} vgg_serve_catalogue;

/* Opens the index with the first of the models that it was made with. False when there is none, or
 * the file is no index, which is complained about. */
bool vgg_serve_catalogue_open(vgg_serve_catalogue *catalogue, vgg_serve_models *models);
/* Opens it anew where its file or its model is another than when that was tried last, or any model
 * while that failed; `all`: in any case. While that cannot be, which is complained about, the old
 * one stays. */
void vgg_serve_catalogue_renew(vgg_serve_catalogue *catalogue, vgg_serve_models *models, bool all);
void vgg_serve_catalogue_close(vgg_serve_catalogue *catalogue);

/* NULL: there is none. */
vgg_serve_index *vgg_serve_index_acquire(vgg_serve_catalogue *catalogue);
/* NULL is fine. */
void vgg_serve_index_release(vgg_serve_index *index);

/* The name of a picture below the folder that all lie in: where that is concerns nobody else. */
const char *vgg_serve_index_name(const vgg_serve_index *index, size_t picture);

#endif
