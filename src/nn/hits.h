/* What is counted of pictures that have one class each. */
#ifndef VGG_NN_HITS_H
#define VGG_NN_HITS_H

#include <stddef.h>

/* Sums over `images` pictures; `skipped` ones could not be read and are in none of them. */
typedef struct vgg_hits {
    size_t images, skipped, top1, top5;
    double loss;
} vgg_hits;

/* Adds a picture of class `truth` and its row of logits. The loss is summed picture by picture, so
 * that it does not depend on the batch. */
void vgg_hits_add(vgg_hits *hits, const float *logits, size_t classes, size_t truth);

#endif
