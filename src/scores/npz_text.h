/* Texts in NumPy's arrays: code points of four bytes each, or bytes. Bytes that are no UTF-8 stand
 * as the surrogates that Python's "surrogateescape" makes of them, so that names of files come back
 * as they were. */
#ifndef VGG_SCORES_NPZ_TEXT_H
#define VGG_SCORES_NPZ_TEXT_H

#include "base/text.h"
#include "formats/numpy/numpy.h"

/* The next code point of a text that has not ended; *text is behind it then. */
uint32_t vgg_npz_point(const char **text);

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
