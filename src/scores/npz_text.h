/* Texts in NumPy's arrays: code points of four bytes each, as vgg_npy_put_text writes them, or
 * bytes.
 */
#ifndef VGG_SCORES_NPZ_TEXT_H
#define VGG_SCORES_NPZ_TEXT_H

#include "base/text.h"
#include "formats/containers/npy_head.h"
#include "formats/numpy/numpy.h"

/* Texts one after another, each with a zero behind it. Start with {0}. */
typedef struct vgg_npz_texts {
    vgg_text data;
    size_t *at; /* where each begins */
    size_t count;
} vgg_npz_texts;

void vgg_npz_texts_free(vgg_npz_texts *texts);

/* The elements of an array of texts or of whole numbers, as texts. */
vgg_status vgg_npz_texts_read(const char *path, const char *name, const vgg_npy *npy,
                              vgg_npz_texts *texts, vgg_error *error);

static inline const char *vgg_npz_texts_get(const vgg_npz_texts *texts, size_t i) {
    return texts->data.data + texts->at[i];
}

#endif
