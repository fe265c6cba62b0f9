/* The series of pickles and raw storages that torch.save wrote before 1.6. */
#ifndef VGG_FORMATS_PTH_PTH_SERIES_H
#define VGG_FORMATS_PTH_PTH_SERIES_H

#include "formats/pth/pth.h"

typedef struct vgg_pth_placed_storage {
    vgg_pth_storage storage;
    const unsigned char *bytes; /* NULL until its place is known */
} vgg_pth_placed_storage;

/* Start with source, bytes, size and pickles. */
typedef struct vgg_pth_series {
    const vgg_tensor_source *source; /* for messages */
    const unsigned char *bytes;
    size_t size;
    size_t pickles; /* the bytes in which the pickles lie */
    size_t at;      /* the byte behind what was read */
    vgg_pickle state, keys;
    vgg_pth_placed_storage *storages; /* each key once, sorted */
    size_t count;
} vgg_pth_series;

/* Whether the pickle is the first of such a series. */
bool vgg_pth_series_begins(const vgg_pickle *pickle);

/* Reads all pickles and places all storages. The caller frees it whatever the outcome. */
vgg_status vgg_pth_series_read(vgg_pth_series *series, vgg_error *error);
void vgg_pth_series_free(vgg_pth_series *series);

/* A `find` of vgg_pth_storages, whose context is the series. */
vgg_status vgg_pth_series_find(void *context, const vgg_pth_storage *storage,
                               const unsigned char **bytes, vgg_error *error);

/* A series in a pickle whose object is one storage: pickle.dump writes a tensor's values so. */
vgg_status vgg_pth_series_storage(const vgg_tensor_source *source, const unsigned char *bytes,
                                  size_t size, vgg_pth_storage *storage,
                                  const unsigned char **values, vgg_error *error);

#endif
