#include "base/options.h"
#include "base/random.h"
#include "image/picture.h"
#include "vgg/image.h"

/* What each draw of a view is for; part of what a seed means, so never renumbered. */
enum { DRAW_X = 0, DRAW_Y = 1, DRAW_FLIP = 2 };

/* A random offset of the cut-out along one side. Where the picture leaves no choice, the cut-out
 * moves around the middle within a black margin of 1/8. */
static ptrdiff_t random_offset(const vgg_preprocess *preprocess, size_t side, size_t cut,
                               uint64_t key, uint64_t index, uint64_t draw) {
    if (side > cut)
        return (ptrdiff_t)vgg_random_below(side - cut + 1, key, index, draw);
    size_t margin = cut / 8;
    return vgg_preprocess_offset(preprocess, side, cut) - (ptrdiff_t)margin +
           (ptrdiff_t)vgg_random_below(2 * margin + 1, key, index, draw);
}

void vgg_augment_init(vgg_augment *augment, size_t size) {
    const vgg_augment defaults = {.struct_size = size, .crop = true, .flip = true};
    vgg_options_init(augment, size, &defaults, sizeof defaults);
}

vgg_status vgg_preprocess_augmented(const vgg_preprocess *given, const vgg_augment *augment,
                                    const vgg_image *image, uint64_t seed, uint64_t epoch,
                                    uint64_t index, float *input, vgg_error *error) {
    vgg_preprocess preprocess;
    vgg_augment view;
    size_t width, height;
    vgg_augment_init(&view, sizeof view);
    vgg_status status = vgg_preprocess_read(&preprocess, given, error);
    if (status == VGG_OK)
        status = vgg_options_read(&view, sizeof view, augment, "vgg_augment", error);
    if (status == VGG_OK)
        status = vgg_preprocess_size(&preprocess, image, &width, &height, error);
    if (status != VGG_OK)
        return status;
    /* A counter that nobody reaches who shuffles with (seed, epoch) and counts from 0. */
    uint64_t key = vgg_random_u64(seed, epoch, UINT64_MAX - 1);
    ptrdiff_t x = vgg_preprocess_offset(&preprocess, width, preprocess.width);
    ptrdiff_t y = vgg_preprocess_offset(&preprocess, height, preprocess.height);
    if (view.crop) {
        x = random_offset(&preprocess, width, preprocess.width, key, index, DRAW_X);
        y = random_offset(&preprocess, height, preprocess.height, key, index, DRAW_Y);
    }
    vgg_image cut;
    status = vgg_preprocess_cut(&preprocess, image, x, y, &cut, error);
    if (status != VGG_OK)
        return status;
    if (view.flip && vgg_random_below(2, key, index, DRAW_FLIP) == 1)
        vgg_image_flip(&cut);
    status = vgg_preprocess_fill(&preprocess, &cut, input, error);
    vgg_image_free(&cut);
    return status;
}
