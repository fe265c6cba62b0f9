/* Presets by name, and figures that are said in place of theirs. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "image/picture.h"
#include "vgg/image.h"

typedef struct preset {
    const char *name;
    bool bgr;
    double scale, mean[3], deviation[3];
    bool whole; /* the short side becomes that of the cut-out, and nothing is cut off a square */
    vgg_filter filter;
} preset;

/* torchvision: the Normalize of its model zoo. caffe and paper: the mean pixel of ImageNet that the
 * authors of VGG subtract, in the order that Caffe's OpenCV decoding gives and in plain order.
 * cifar10: kuangliu/pytorch-cifar, and chenyaofo/pytorch-cifar-models, which cifar100 is of, too;
 * the deviations of CIFAR-10 are means over pictures, and not those of all pixels. mnist:
 * pytorch/examples. clip: openai/CLIP, clip.py. */
static const preset presets[] = {
    {"torchvision", false, 1.0 / 255, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}, false, 0},
    {"caffe", true, 1, {103.939, 116.779, 123.68}, {1, 1, 1}, false, 0},
    {"paper", false, 1, {123.68, 116.779, 103.939}, {1, 1, 1}, false, 0},
    {"unit", false, 1.0 / 255, {0, 0, 0}, {1, 1, 1}, false, 0},
    {"signed", false, 1.0 / 255, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, false, 0},
    {"cifar10", false, 1.0 / 255, {0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}, true, 0},
    {"cifar100", false, 1.0 / 255, {0.5070, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2761}, true, 0},
    {"mnist", false, 1.0 / 255, {0.1307, 0.1307, 0.1307}, {0.3081, 0.3081, 0.3081}, true, 0},
    {"clip",
     false,
     1.0 / 255,
     {0.48145466, 0.4578275, 0.40821073},
     {0.26862954, 0.26130258, 0.27577711},
     true,
     VGG_FILTER_BICUBIC},
};
enum { PRESETS = sizeof presets / sizeof presets[0] };

const char *vgg_preprocess_preset_name(size_t number) {
    return number < PRESETS ? presets[number].name : NULL;
}

static vgg_status fail_unknown(const char *name, vgg_error *error) {
    vgg_text text = {0};
    for (size_t i = 0; i < PRESETS; i++) {
        vgg_text_add(&text, "%s%s",
                     i == 0             ? ""
                     : i + 1 == PRESETS ? " and "
                                        : ", ",
                     presets[i].name);
    }
    char *list = vgg_text_take(&text);
    if (list == NULL)
        return vgg_fail_memory(error, "the names of the presets", PRESETS);
    vgg_fail(error, VGG_ERROR_NOT_FOUND, "there is no preprocessing \"%.80s\"; the presets are %s",
             name, list);
    vgg_free(list);
    return VGG_ERROR_NOT_FOUND;
}

/* The short side that a picture has before the cut-out: 256 for 224, as in the paper. */
static size_t usual_resize(size_t height, size_t width) {
    size_t side = vgg_size_min(vgg_size_min(height, width), VGG_IMAGE_MAX_SIDE);
    return (side * 256 + 112) / 224;
}

vgg_status vgg_preprocess_preset(const char *name, size_t channels, size_t height, size_t width,
                                 vgg_preprocess *preprocess, vgg_error *error) {
    size_t found = 0;
    while (found < PRESETS && strcmp(presets[found].name, name) != 0) {
        found++;
    }
    if (found == PRESETS)
        return fail_unknown(name, error);
    const preset *from = &presets[found];
    vgg_preprocess result = {.struct_size = sizeof result,
                             .channels = channels,
                             .width = width,
                             .height = height,
                             .filter = from->filter,
                             .bgr = from->bgr && channels == 3,
                             .scale = from->scale};
    memcpy(result.name, from->name, strlen(from->name) + 1);
    result.resize = from->whole ? vgg_size_min(height, width) : usual_resize(height, width);
    for (size_t c = 0; c < 3; c++) {
        const double *m = from->mean, *d = from->deviation;
        bool grey = channels == 1 && !(m[0] == m[1] && m[1] == m[2]);
        result.mean[c] = grey ? (m[0] + m[1] + m[2]) / 3 : m[c];
        grey = channels == 1 && !(d[0] == d[1] && d[1] == d[2]);
        result.deviation[c] = grey ? (d[0] + d[1] + d[2]) / 3 : d[c];
    }
    vgg_status status = vgg_preprocess_check_figures(&result, error);
    if (status != VGG_OK)
        return status;
    return vgg_result_write(preprocess, &result, sizeof result, "vgg_preprocess", error);
}

/* ---- changes ---- */

void vgg_preprocess_changes_init(vgg_preprocess_changes *changes, size_t size) {
    const vgg_preprocess_changes defaults = {.struct_size = size};
    vgg_options_init(changes, size, &defaults, sizeof defaults);
}

#define ALL_PARTS (2u * VGG_PREPROCESS_FILTER - 1)

static void turn_around(double values[3]) {
    double first = values[0];
    values[0] = values[2];
    values[2] = first;
}

/* Figures of red, green and blue in the order of the input; one stands for all. */
static vgg_status take_figures(const vgg_preprocess *preprocess, const char *what,
                               const double given[3], size_t count, double values[3],
                               vgg_error *error) {
    if (count != 1 && count != preprocess->channels)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "preprocessing: found %zu figures for the %s, expected 1%s", count, what,
                        preprocess->channels == 3 ? " or 3, one for each channel" : "");
    for (size_t c = 0; c < 3; c++) {
        values[c] = given[count == 1 ? 0 : c];
    }
    if (preprocess->bgr)
        turn_around(values);
    return VGG_OK;
}

/* A mean beyond all samples was meant for samples on another scale. */
static vgg_status check_mean(const vgg_preprocess *preprocess, vgg_error *error) {
    double end = 255 * preprocess->scale, least = fmin(0, end), most = fmax(0, end);
    for (size_t c = 0; c < preprocess->channels; c++) {
        double mean = preprocess->mean[c];
        if (mean < least || mean > most)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "preprocessing: a mean of %g lies beyond the samples, which are %g to "
                            "%g after they are multiplied by %.6g; say what they are to be "
                            "multiplied by (1: they stay 0 to 255)",
                            mean, least, most, preprocess->scale);
    }
    return VGG_OK;
}

static vgg_status change_figures(vgg_preprocess *p, const vgg_preprocess_changes *changes,
                                 vgg_error *error) {
    unsigned parts = changes->parts;
    if (parts & VGG_PREPROCESS_ORDER && p->channels == 3 && p->bgr != changes->bgr) {
        p->bgr = changes->bgr;
        turn_around(p->mean);
        turn_around(p->deviation);
    }
    vgg_status status = VGG_OK;
    if (parts & VGG_PREPROCESS_SCALE)
        p->scale = changes->scale;
    if (parts & VGG_PREPROCESS_MEAN)
        status = take_figures(p, "mean", changes->mean, changes->mean_count, p->mean, error);
    if (status == VGG_OK && parts & VGG_PREPROCESS_DEVIATION)
        status = take_figures(p, "deviation", changes->deviation, changes->deviation_count,
                              p->deviation, error);
    if (status == VGG_OK && parts & VGG_PREPROCESS_MEAN && !(parts & VGG_PREPROCESS_SCALE))
        status = check_mean(p, error);
    return status;
}

static bool same_figures(const vgg_preprocess *a, const vgg_preprocess *b) {
    bool same = a->scale == b->scale && a->bgr == b->bgr;
    for (size_t c = 0; c < a->channels; c++) {
        same = same && a->mean[c] == b->mean[c] && a->deviation[c] == b->deviation[c];
    }
    return same;
}

static void change_fit(vgg_preprocess *p, const vgg_preprocess_changes *changes) {
    unsigned parts = changes->parts;
    if (parts & (VGG_PREPROCESS_FIT | VGG_PREPROCESS_RESIZE))
        p->side_count = 0;
    if (parts & VGG_PREPROCESS_FIT && p->fit != changes->fit) {
        p->fit = changes->fit;
        p->resize = p->fit == VGG_FIT_CROP ? usual_resize(p->height, p->width) : 0;
    }
    if (parts & VGG_PREPROCESS_RESIZE)
        p->resize = changes->resize;
    if (parts & VGG_PREPROCESS_FILTER)
        p->filter = changes->filter;
}

vgg_status vgg_preprocess_change(vgg_preprocess *preprocess, const vgg_preprocess_changes *given,
                                 vgg_error *error) {
    vgg_preprocess own;
    vgg_preprocess_changes changes;
    vgg_preprocess_changes_init(&changes, sizeof changes);
    vgg_status status = vgg_preprocess_read(&own, preprocess, error);
    if (status == VGG_OK)
        status = vgg_options_read(&changes, sizeof changes, given, "vgg_preprocess_changes", error);
    if (status != VGG_OK)
        return status;
    if (changes.parts > ALL_PARTS)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "preprocessing: the parts to change are %#x, expected a sum of up to %#x",
                        changes.parts, ALL_PARTS);
    const vgg_preprocess before = own;
    status = change_figures(&own, &changes, error);
    if (status != VGG_OK)
        return status;
    if (!same_figures(&before, &own))
        strcpy(own.name, "custom");
    change_fit(&own, &changes);
    status = vgg_preprocess_check_figures(&own, error);
    if (status != VGG_OK)
        return status;
    return vgg_result_write(preprocess, &own, sizeof own, "vgg_preprocess", error);
}
