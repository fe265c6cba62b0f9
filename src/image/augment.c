#include <math.h>

#include "base/error.h"
#include "base/options.h"
#include "image/views.h"

/* Streams of random numbers that nobody reaches who shuffles with (seed, epoch) and counts from 0:
 * of an epoch, and of all. */
#define VIEW_COUNTER (UINT64_MAX - 1)
#define LASTING_COUNTER (UINT64_MAX - 4)

/* ---- options ---- */

void vgg_augment_init(vgg_augment *augment, size_t size) {
    const vgg_augment defaults = {.struct_size = size, .crop = true, .flip = true};
    vgg_options_init(augment, size, &defaults, sizeof defaults);
}

static vgg_status check_number(const char *what, double value, double most, vgg_error *error) {
    if (value >= 0 && value <= most)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "views: %s is %g, expected 0 to %g", what, value,
                    most);
}

static vgg_status check(const vgg_augment *view, const vgg_preprocess *preprocess,
                        vgg_error *error) {
    const struct {
        const char *name;
        double value, most;
    } numbers[] = {
        {"area", view->area, 1},     {"scale", view->scale, 16}, {"rotate", view->rotate, 180},
        {"colour", view->colour, 1}, {"pca", view->pca, 10},     {"erase", view->erase, 1},
    };
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < sizeof numbers / sizeof *numbers; i++) {
        status = check_number(numbers[i].name, numbers[i].value, numbers[i].most, error);
    }
    if (status == VGG_OK &&
        (view->translate >= preprocess->width || view->translate >= preprocess->height) &&
        view->translate > 0)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "views: translate is %zu, expected less than the sides of %zu x %zu",
                          view->translate, preprocess->width, preprocess->height);
    return status;
}

/* Reads the caller's view and preprocessing into our own, and checks them. */
static vgg_status read_view(const vgg_augment *augment, const vgg_preprocess *given,
                            vgg_augment *view, vgg_preprocess *preprocess, vgg_error *error) {
    vgg_augment_init(view, sizeof *view);
    vgg_status status = vgg_preprocess_read(preprocess, given, error);
    if (status == VGG_OK)
        status = vgg_options_read(view, sizeof *view, augment, "vgg_augment", error);
    return status == VGG_OK ? check(view, preprocess, error) : status;
}

vgg_status vgg_augment_check(const vgg_augment *augment, const vgg_preprocess *preprocess,
                             vgg_error *error) {
    vgg_augment view;
    vgg_preprocess own;
    return read_view(augment, preprocess, &view, &own, error);
}

/* ---- the cut-out ---- */

/* A random offset of the cut-out along one side. Where the picture leaves no choice, the cut-out
 * moves around the middle within a black margin of 1/8. */
static ptrdiff_t random_offset(const vgg_preprocess *preprocess, size_t side, size_t cut,
                               const vgg_view_draw *draw, uint64_t what) {
    if (side > cut)
        return (ptrdiff_t)vgg_view_below(draw, what, side - cut + 1);
    size_t margin = cut / 8;
    return vgg_preprocess_offset(preprocess, side, cut) - (ptrdiff_t)margin +
           (ptrdiff_t)vgg_view_below(draw, what, 2 * margin + 1);
}

/* The paper's scale jitter: another short side to resize to. */
static void jitter_scale(const vgg_augment *view, const vgg_view_draw *draw, const vgg_image *image,
                         vgg_preprocess *preprocess) {
    bool free_size = preprocess->fit == VGG_FIT_CROP || preprocess->fit == VGG_FIT_SQUASH;
    if (view->scale <= 1 || !free_size)
        return;
    size_t side = preprocess->resize;
    if (side == 0)
        side = image->width < image->height ? image->width : image->height;
    double most = fmin(floor((double)side * view->scale), VGG_IMAGE_MAX_SIDE);
    preprocess->resize =
        side + vgg_view_below(draw, VGG_DRAW_SCALE, (size_t)fmax(most - (double)side, 0) + 1);
}

static vgg_status cut_out(const vgg_preprocess *given, const vgg_augment *view,
                          const vgg_view_draw *draw, const vgg_image *image, vgg_image *cut,
                          vgg_error *error) {
    vgg_preprocess preprocess = *given;
    size_t width, height;
    jitter_scale(view, draw, image, &preprocess);
    vgg_status status = vgg_preprocess_size(&preprocess, image, &width, &height, error);
    if (status != VGG_OK)
        return status;
    ptrdiff_t x = vgg_preprocess_offset(&preprocess, width, preprocess.width);
    ptrdiff_t y = vgg_preprocess_offset(&preprocess, height, preprocess.height);
    if (view->crop) {
        x = random_offset(&preprocess, width, preprocess.width, draw, VGG_DRAW_X);
        y = random_offset(&preprocess, height, preprocess.height, draw, VGG_DRAW_Y);
    }
    return vgg_preprocess_cut(&preprocess, image, x, y, cut, error);
}

/* Proportions of a random resized crop, and their limits for the middle of a picture where no
 * random part fits. */
#define AREA_RATIO (3.0 / 4)

static vgg_part middle_part(size_t width, size_t height) {
    double ratio = (double)width / (double)height;
    vgg_part part = {.width = width, .height = height};
    if (ratio < AREA_RATIO)
        part.height = (size_t)rint((double)width / AREA_RATIO);
    else if (ratio > 1 / AREA_RATIO)
        part.width = (size_t)rint((double)height / AREA_RATIO);
    part.x = (width - part.width) / 2;
    part.y = (height - part.height) / 2;
    return part;
}

/* torchvision's RandomResizedCrop. */
static vgg_status cut_area(const vgg_preprocess *preprocess, const vgg_augment *view,
                           const vgg_view_draw *draw, const vgg_image *image, vgg_image *cut,
                           vgg_error *error) {
    vgg_part part;
    vgg_image inner, converted;
    vgg_status status = vgg_image_check(image, error);
    if (status != VGG_OK)
        return status;
    if (!vgg_view_rectangle(draw, VGG_DRAW_AREA_TRIES, image->width, image->height, view->area, 1,
                            AREA_RATIO, &part))
        part = middle_part(image->width, image->height);
    status = vgg_image_crop(image, (ptrdiff_t)part.x, (ptrdiff_t)part.y, part.width, part.height,
                            &inner, error);
    if (status != VGG_OK)
        return status;
    status = vgg_image_convert(&inner, preprocess->channels, &converted, error);
    vgg_image_free(&inner);
    if (status != VGG_OK)
        return status;
    status = vgg_image_resize(&converted, preprocess->width, preprocess->height, preprocess->filter,
                              cut, error);
    vgg_image_free(&converted);
    return status;
}

/* ---- what is done to it ---- */

/* At random, or on every other epoch after a first that is random. */
static bool mirrored(const vgg_augment *view, const vgg_view_draw *draw, uint64_t seed,
                     uint64_t epoch) {
    if (!view->flip)
        return false;
    if (!view->alternate)
        return vgg_view_below(draw, VGG_DRAW_FLIP, 2) == 1;
    const vgg_view_draw lasting = {vgg_random_u64(seed, 0, LASTING_COUNTER), draw->index};
    return (vgg_view_below(&lasting, VGG_DRAW_FLIP, 2) + epoch) % 2 == 1;
}

bool vgg_augment_mirrors(const vgg_augment *augment, uint64_t seed, uint64_t epoch,
                         uint64_t index) {
    const vgg_view_draw draw = {vgg_random_u64(seed, epoch, VIEW_COUNTER), index};
    vgg_augment view;
    vgg_augment_init(&view, sizeof view);
    return vgg_options_read(&view, sizeof view, augment, "vgg_augment", NULL) == VGG_OK &&
           mirrored(&view, &draw, seed, epoch);
}

static vgg_status move_pixels(const vgg_augment *view, const vgg_view_draw *draw, vgg_image *cut,
                              vgg_error *error) {
    vgg_status status = VGG_OK;
    size_t choices = 2 * view->translate + 1;
    if (view->translate > 0)
        status = vgg_view_shift(
            cut,
            (ptrdiff_t)vgg_view_below(draw, VGG_DRAW_SHIFT_X, choices) - (ptrdiff_t)view->translate,
            (ptrdiff_t)vgg_view_below(draw, VGG_DRAW_SHIFT_Y, choices) - (ptrdiff_t)view->translate,
            error);
    if (status == VGG_OK && view->rotate > 0)
        status = vgg_view_rotate(
            cut, vgg_view_uniform(draw, VGG_DRAW_ROTATION, -view->rotate, view->rotate), error);
    return status;
}

/* torchvision's ColorJitter without hue: three factors, in one of their six orders. */
static void jitter_colours(const vgg_augment *view, const vgg_view_draw *draw, vgg_image *cut) {
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static void (*const changes[3])(vgg_image *image, double factor) = {
        vgg_view_brightness, vgg_view_contrast, vgg_view_saturation};
    const uint8_t *order = orders[vgg_view_below(draw, VGG_DRAW_ORDER, 6)];
    for (size_t i = 0; i < 3; i++) {
        changes[order[i]](cut, vgg_view_uniform(draw, VGG_DRAW_BRIGHTNESS + (uint64_t)order[i],
                                                1 - view->colour, 1 + view->colour));
    }
}

static void shift_colours(const vgg_augment *view, const vgg_view_draw *draw, vgg_image *cut) {
    double amounts[3];
    for (uint64_t k = 0; k < 3; k++) {
        amounts[k] = view->pca * vgg_random_normal(draw->key, draw->index, VGG_DRAW_PCA / 2 + k);
    }
    vgg_view_shift_colours(cut, amounts);
}

/* torchvision's RandomErasing: the share of the picture, and the proportions. */
#define ERASE_LEAST 0.02
#define ERASE_MOST 0.33
#define ERASE_RATIO 0.3

/* What is erased becomes 0, which is the mean colour of a preprocessing that has one. */
static void erase(const vgg_preprocess *preprocess, const vgg_augment *view,
                  const vgg_view_draw *draw, float *input) {
    size_t width = preprocess->width, height = preprocess->height;
    vgg_part part;
    if (vgg_view_uniform(draw, VGG_DRAW_ERASE, 0, 1) >= view->erase ||
        !vgg_view_rectangle(draw, VGG_DRAW_ERASE_TRIES, width, height, ERASE_LEAST, ERASE_MOST,
                            ERASE_RATIO, &part))
        return;
    for (size_t row = 0; row < preprocess->channels * part.height; row++) {
        size_t channel = row / part.height, y = part.y + row % part.height;
        float *at = input + (channel * height + y) * width + part.x;
        for (size_t x = 0; x < part.width; x++) {
            at[x] = 0;
        }
    }
}

static vgg_status change(const vgg_augment *view, const vgg_view_draw *draw, vgg_image *cut,
                         vgg_error *error) {
    vgg_status status = move_pixels(view, draw, cut, error);
    if (status == VGG_OK && view->policy)
        status = vgg_view_policy(cut, draw, error);
    if (status == VGG_OK && view->colour > 0)
        jitter_colours(view, draw, cut);
    if (status == VGG_OK && view->pca > 0)
        shift_colours(view, draw, cut);
    return status;
}

vgg_status vgg_preprocess_augmented(const vgg_preprocess *given, const vgg_augment *augment,
                                    const vgg_image *image, uint64_t seed, uint64_t epoch,
                                    uint64_t index, float *input, vgg_error *error) {
    vgg_preprocess preprocess;
    vgg_augment view;
    vgg_status status = read_view(augment, given, &view, &preprocess, error);
    if (status != VGG_OK)
        return status;
    const vgg_view_draw draw = {vgg_random_u64(seed, epoch, VIEW_COUNTER), index};
    vgg_image cut;
    status = view.area > 0 ? cut_area(&preprocess, &view, &draw, image, &cut, error)
                           : cut_out(&preprocess, &view, &draw, image, &cut, error);
    if (status != VGG_OK)
        return status;
    if (mirrored(&view, &draw, seed, epoch))
        vgg_image_flip(&cut);
    status = change(&view, &draw, &cut, error);
    if (status == VGG_OK)
        status = vgg_preprocess_fill(&preprocess, &cut, input, error);
    if (status == VGG_OK && view.erase > 0)
        erase(&preprocess, &view, &draw, input);
    vgg_image_free(&cut);
    return status;
}
