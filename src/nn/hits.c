#include "nn/hits.h"

#include "nn/rank.h"
#include "vgg/loss.h"

void vgg_hits_add(vgg_hits *hits, const float *logits, size_t classes, size_t truth) {
    size_t rank = vgg_rank(logits, classes, truth);
    hits->images++;
    hits->top1 += rank < 1;
    hits->top5 += rank < 5;
    hits->loss += vgg_cross_entropy(logits, &truth, 1, classes, NULL);
}
