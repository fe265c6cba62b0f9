#include "base/error.h"
#include "base/random.h"
#include "image/picture.h"
#include "vgg/image.h"

/* What each draw of a view is for; part of what a seed means, so never renumbered. */
enum { DRAW_X = 0, DRAW_Y = 1, DRAW_FLIP = 2 };

/* A random offset of the cut-out along one side. Where the picture leaves no choice, the cut-out
 * moves around the middle within a black margin of 1/8. */
static ptrdiff_t random_offset(size_t side, size_t cut, uint64_t key, uint64_t index,
                               uint64_t draw) {
    if (side > cut)
        return (ptrdiff_t)vgg_random_below(side - cut + 1, key, index, draw);
    size_t margin = cut / 8;
    return vgg_centre_offset(side, cut) - (ptrdiff_t)margin +
           (ptrdiff_t)vgg_random_below(2 * margin + 1, key, index, draw);
}

vgg_status vgg_preprocess_augmented(const vgg_preprocess *preprocess, const vgg_augment *augment,
                                    const vgg_image *image, uint64_t seed, uint64_t epoch,
                                    uint64_t index, float *input, vgg_error *error) {
    size_t width, height;
    vgg_status status = vgg_preprocess_size(preprocess, image, &width, &height, error);
    if (status != VGG_OK)
        return status;
    /* A counter that nobody reaches who shuffles with (seed, epoch) and counts from 0. */
    uint64_t key = vgg_random_u64(seed, epoch, UINT64_MAX - 1);
    ptrdiff_t x = vgg_centre_offset(width, preprocess->width);
    ptrdiff_t y = vgg_centre_offset(height, preprocess->height);
    if (augment->crop) {
        x = random_offset(width, preprocess->width, key, index, DRAW_X);
        y = random_offset(height, preprocess->height, key, index, DRAW_Y);
    }
    vgg_image cut;
    status = vgg_preprocess_cut(preprocess, image, x, y, &cut, error);
    if (status != VGG_OK)
        return status;
    if (augment->flip && vgg_random_below(2, key, index, DRAW_FLIP) == 1)
        vgg_image_flip(&cut);
    status = vgg_preprocess_normalise(preprocess, &cut, input, error);
    vgg_image_free(&cut);
    return status;
}
