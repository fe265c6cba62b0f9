/* Where the right class stands among the answers of a network. */
#ifndef VGG_NN_RANK_H
#define VGG_NN_RANK_H

#include <stddef.h>

/* How many classes come before the right one in a row of logits, equal ones in the order of their
 * numbers: 0 when the network is right. */
static inline size_t vgg_rank(const float *logits, size_t classes, size_t right) {
    size_t before = 0;
    for (size_t c = 0; c < classes; c++) {
        before += logits[c] > logits[right] || (c < right && logits[c] >= logits[right]);
    }
    return before;
}

#endif
