/* Networks that were pickled whole, as torch.save(model) does: objects whose attributes _parameters
 * and _buffers are their tensors and _modules their parts. Together they are the state dict that
 * the network would give. Nothing is run: a class is a name. */
#ifndef VGG_FORMATS_PTH_PTH_MODULE_H
#define VGG_FORMATS_PTH_PTH_MODULE_H

#include "formats/pth/pth.h"

#define VGG_PTH_MODULE_NAME 200

/* Whether the value is a network or a part of one. */
bool vgg_pth_is_module(const vgg_pickle *pickle, const vgg_pickle_value *value);

/* The value under a key of a dict; NULL when there is none. */
const vgg_pickle_value *vgg_pth_find(const vgg_pickle *pickle, const vgg_pickle_value *dict,
                                     const char *key);

/* What is done at each tensor and at each module without parts, in the order of the state dict. One
 * that is NULL is left out; VGG_OK goes on. */
typedef struct vgg_pth_visitor {
    void *context;
    /* name: "features.3.weight" */
    vgg_status (*tensor)(void *context, const char *name, const vgg_pickle_value *tensor,
                         vgg_error *error);
    /* name: "features.3"; follows: it takes what the module before it gives. */
    vgg_status (*module)(void *context, const char *name, const vgg_pickle_value *module,
                         bool follows, vgg_error *error);
} vgg_pth_visitor;

vgg_status vgg_pth_visit_module(const vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *module, const vgg_pth_visitor *visitor,
                                vgg_error *error);

/* Fills in what the network lists of its modules, when its tensors are there, and makes those of
 * batch normalisations such as PyTorch's usual epsilon has. A module that computes what no network
 * here does is VGG_ERROR_UNSUPPORTED, unless the caller says the architecture. */
vgg_status vgg_pth_list_modules(vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *module, vgg_error *error);

#endif
