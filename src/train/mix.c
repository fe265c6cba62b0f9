/* Mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019). Picture i of n is mixed with picture
 * n - 1 - i, with a share that is drawn for its item, as timm does it for each element. */
#include "train/mix.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"

/* A stream that the orders and views of an epoch do not use. */
#define MIX_COUNTER (UINT64_MAX - 5)

/* What each draw is for; part of what a seed means, so never renumbered. */
enum { DRAW_KIND = 0, DRAW_COLUMN = 1, DRAW_ROW = 2, DRAW_SHARE = 16 };

/* Attempts at a share; at least one in two goes well. */
#define SHARE_TRIES 64

/* A number of the distribution Beta(alpha, alpha), alpha of at most 1, by Jöhnk's method: of two
 * powers whose sum is at most 1 the share of the first. For a small alpha both may be smaller than
 * any number, and their ratio is then that of their logarithms. */
static double draw_share(double alpha, uint64_t key, uint64_t item) {
    for (uint64_t i = 0; i < SHARE_TRIES; i++) {
        double first = vgg_random_unit(key, item, DRAW_SHARE + 2 * i);
        double second = vgg_random_unit(key, item, DRAW_SHARE + 2 * i + 1);
        double u = pow(first, 1 / alpha), v = pow(second, 1 / alpha);
        if (u + v > 0 && u + v <= 1)
            return u / (u + v);
        if (u + v == 0 && first > 0 && second > 0)
            return 1 / (1 + exp((log(second) - log(first)) / alpha));
    }
    return 0.5;
}

/* The rows or columns of a cut of `cut` of `side` around a place: those from *begin to *end - 1. */
static void cut_side(size_t place, size_t cut, size_t side, size_t *begin, size_t *end) {
    *begin = place > cut / 2 ? place - cut / 2 : 0;
    *end = vgg_size_min(place + cut / 2, side);
}

/* Puts a rectangle of `other` into the picture, of 1 - share of its area as far as it lies within;
 * returns the share that is left. */
static float cut(const vgg_mix_task *task, uint64_t key, uint64_t item, double share,
                 const float *other, float *to) {
    size_t top, bottom, left, right;
    double side = sqrt(1 - share);
    cut_side((size_t)vgg_random_below(task->height, key, item, DRAW_ROW),
             (size_t)((double)task->height * side), task->height, &top, &bottom);
    cut_side((size_t)vgg_random_below(task->width, key, item, DRAW_COLUMN),
             (size_t)((double)task->width * side), task->width, &left, &right);
    for (size_t c = 0; c < task->channels; c++) {
        for (size_t y = top; y < bottom; y++) {
            size_t at = (c * task->height + y) * task->width + left;
            memcpy(to + at, other + at, (right - left) * sizeof *to);
        }
    }
    size_t area = (bottom - top) * (right - left);
    return (float)(1 - (double)area / (double)(task->height * task->width));
}

static void mix_picture(const vgg_mix_task *task, size_t n) {
    size_t floats = task->channels * task->height * task->width;
    size_t partner = task->batch->count - 1 - n, item = task->batch->items[n];
    const float *own = task->batch->inputs + n * floats;
    const float *other = task->batch->inputs + partner * floats;
    float *to = task->inputs + n * floats;
    uint64_t key = vgg_random_u64(task->seed, task->epoch, MIX_COUNTER);
    bool cuts =
        task->cutmix > 0 && (task->mixup == 0 || vgg_random_below(2, key, item, DRAW_KIND) == 1);
    double share = draw_share(cuts ? task->cutmix : task->mixup, key, item);
    task->others[n] = task->batch->classes[partner];
    if (cuts) {
        memcpy(to, own, floats * sizeof *to);
        task->shares[n] = cut(task, key, item, share, other, to);
        return;
    }
    float keep = (float)share, take = (float)(1 - share);
    for (size_t i = 0; i < floats; i++) {
        to[i] = keep * own[i] + take * other[i];
    }
    task->shares[n] = keep;
}

void vgg_mix_pictures(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t n = begin; n < end; n++) {
        mix_picture(context, n);
    }
}

vgg_status vgg_train_mix(const vgg_train_options *given, uint64_t epoch, const vgg_batch *batch,
                         const vgg_preprocess *shape, float *inputs, size_t *others, float *shares,
                         vgg_error *error) {
    vgg_train_options options;
    vgg_train_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_train_options", error);
    if (status != VGG_OK)
        return status;
    if (options.mixup == 0 && options.cutmix == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "nothing to mix: mixup and cutmix are 0");
    vgg_mix_task task = {.mixup = options.mixup,
                         .cutmix = options.cutmix,
                         .seed = options.seed,
                         .epoch = epoch,
                         .channels = shape->channels,
                         .height = shape->height,
                         .width = shape->width,
                         .batch = batch,
                         .inputs = inputs,
                         .others = others,
                         .shares = shares};
    vgg_mix_pictures(&task, 0, batch->count, 0);
    return VGG_OK;
}
