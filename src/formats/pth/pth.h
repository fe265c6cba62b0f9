/* What the readers of PyTorch's files share: the zip archives of torch.save since 1.6 (pth.c) and
 * the older kind (pth_legacy.c) hold the same pickle, and the values of its tensors in storages. */
#ifndef VGG_FORMATS_PTH_PTH_H
#define VGG_FORMATS_PTH_PTH_H

#include "formats/containers/pickle.h"
#include "formats/format.h"

#define VGG_PTH_TENSORS_MAX 100000

/* A storage as a pickle refers to it. */
typedef struct vgg_pth_storage {
    const vgg_element_type *type;
    const char *key; /* not terminated */
    size_t key_length;
    size_t count;       /* of values */
    size_t first, view; /* the values of it that are meant: all, save for views of old files */
} vgg_pth_storage;

/* A whole number from 0. */
bool vgg_pth_read_size(const vgg_pickle_value *value, size_t *size);
/* The name of a type of values. */
bool vgg_pth_is_type(const vgg_pickle_value *value);

vgg_status vgg_pth_storage_read(const vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *value, vgg_pth_storage *storage,
                                vgg_error *error);

/* Where the values of storages that a pickle refers to lie. */
typedef struct vgg_pth_storages {
    void *context;
    /* Gives the storage's count * type->bytes bytes. */
    vgg_status (*find)(void *context, const vgg_pth_storage *storage, const unsigned char **bytes,
                       vgg_error *error);
} vgg_pth_storages;

/* Gives the tensor, which has its name, what a TENSOR of the pickle describes. */
vgg_status vgg_pth_take_tensor(vgg_tensor_source *source, const vgg_pickle *pickle,
                               const vgg_pickle_value *value, const vgg_pth_storages *storages,
                               vgg_stored_tensor *tensor, vgg_error *error);

/* The dimensions of a tensor or array, 0 for one of few values, such as a mean that is 3x1x1; false
 * for another value. */
bool vgg_pth_is_tensor(const vgg_pickle *pickle, const vgg_pickle_value *value, size_t *dimensions);

/* Fill in the source's tensors: the `tensors` of a dict, or of a network that was pickled whole. */
vgg_status vgg_pth_take_dict(vgg_tensor_source *source, const vgg_pickle *pickle,
                             const vgg_pickle_value *dict, size_t tensors,
                             const vgg_pth_storages *storages, vgg_error *error);
vgg_status vgg_pth_take_module(vgg_tensor_source *source, const vgg_pickle *pickle,
                               const vgg_pickle_value *module, size_t tensors,
                               const vgg_pth_storages *storages, vgg_error *error);

/* Fills in what stands beside the state dict. */
vgg_status vgg_pth_take_beside(vgg_tensor_source *source, const vgg_pickle *pickle,
                               const vgg_pickle_value *state, const vgg_pth_storages *storages,
                               vgg_error *error);

/* storages: NULL for a pickle that refers to none. Finds the state dict in the pickle and fills in
 * the source's tensors and what stands beside. */
vgg_status vgg_pth_take_tensors(vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pth_storages *storages, vgg_error *error);

/* The file is a pickle, or a series of pickles and raw storages. */
vgg_status vgg_pth_load_legacy(vgg_tensor_source *source, vgg_error *error);

/* Our own metadata, which PyTorch does not look at. */
#define VGG_PTH_METADATA "extra/vgg.json"

/* Writes a zip archive as torch.save does: storages stored as they are at multiples of 64 bytes. */
vgg_status vgg_pth_save(const vgg_saving *saving, vgg_error *error);

#endif
