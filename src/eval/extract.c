/* Extractors: making them. */
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "eval/extractor.h"
#include "eval/many.h"
#include "eval/protocol.h"
#include "eval/scales.h"
#include "nn/device_find.h"

#include <stdlib.h>

#define DEFAULT_BATCH 32
#define THUMBNAIL_MOST 256

static const char *const pools[] = {[VGG_FEATURE_POOL_NONE] = "none",
                                    [VGG_FEATURE_POOL_AVERAGE] = "avg",
                                    [VGG_FEATURE_POOL_MAX] = "max",
                                    [VGG_FEATURE_POOL_GEM] = "gem"};
#define POOLS (sizeof pools / sizeof *pools)

const char *vgg_feature_pool_name(vgg_feature_pool pool) {
    return (size_t)pool < POOLS ? pools[pool] : NULL;
}

vgg_feature_pool vgg_feature_pool_named(const char *name) {
    size_t found = vgg_text_find(name, pools, POOLS);
    return found < POOLS ? (vgg_feature_pool)found : VGG_FEATURE_POOL_NONE;
}

void vgg_extractor_options_init(vgg_extractor_options *options, size_t size) {
    const vgg_extractor_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

bool vgg_extractor_is_plain(const vgg_extractor *extractor) {
    return extractor->scale_count == 1 && extractor->options.thumbnail == 0;
}

size_t vgg_extractor_views(const vgg_extractor *extractor) {
    bool mirrored = extractor->options.protocol == VGG_PROTOCOL_FLIP;
    return extractor->scale_count * (mirrored ? 2 : 1);
}

size_t vgg_extractor_tuned_batch(const vgg_extractor *extractor) {
    const vgg_extractor_options *options = &extractor->options;
    if (options->tuned_batch > 0)
        return options->tuned_batch;
    return options->batch > 0 ? options->batch : DEFAULT_BATCH;
}

/* ---- scales ---- */

static void add_scale(vgg_extractor *extractor, size_t side) {
    vgg_extract_scale *scale = &extractor->scales[extractor->scale_count++];
    scale->preprocess = *vgg_model_preprocess(extractor->model);
    if (side > 0) {
        scale->preprocess.width = scale->preprocess.height = scale->preprocess.resize = side;
        scale->preprocess.fit = VGG_FIT_CROP;
    }
    const vgg_preprocess *p = &scale->preprocess;
    scale->input = p->channels * p->height * p->width;
    extractor->input += scale->input;
}

static vgg_status read_scales(vgg_extractor *extractor, vgg_error *error) {
    size_t sides[VGG_SCALES_MOST] = {0}, count = 1;
    const char *text = extractor->options.scales;
    extractor->resized = text != NULL;
    if (text != NULL && !vgg_scales_read(text, sides, &count))
        return vgg_scales_fail(text, error);
    for (size_t i = 0; i < count; i++) {
        add_scale(extractor, sides[i]);
    }
    extractor->input += extractor->options.thumbnail * extractor->options.thumbnail;
    return VGG_OK;
}

/* ---- plans ---- */

static vgg_plan_options planning(const vgg_extractor *extractor, const vgg_extract_scale *scale,
                                 size_t batch) {
    const vgg_extractor_options *options = &extractor->options;
    vgg_plan_options planning;
    vgg_plan_options_init(&planning, sizeof planning);
    planning.batch = batch;
    planning.tuned_batch = vgg_extractor_tuned_batch(extractor);
    planning.height = scale->preprocess.height;
    planning.width = scale->preprocess.width;
    planning.shared_threads = extractor->threads;
    planning.exact = options->exact;
    planning.precision = options->precision;
    planning.device = options->device;
    planning.average_pools = options->average_pools;
    planning.taps = options->taps;
    planning.tap_count = options->tap_count;
    planning.ends_at_taps = true;
    return planning;
}

/* Bytes of the plans and inputs for batches of so many pictures; that of outputs is less than what
 * the plans take for them. */
static vgg_status count_memory(const vgg_extractor *extractor, size_t batch, size_t *bytes,
                               vgg_error *error) {
    size_t sum, more, copies = VGG_MANY_WINDOW + !vgg_extractor_is_plain(extractor);
    size_t row = copies * sizeof(float);
    if (!vgg_size_mul(extractor->input, row, &sum) || !vgg_size_mul(sum, batch, &sum))
        return vgg_fail_memory(error, "an extractor", SIZE_MAX);
    for (size_t s = 0; s < extractor->scale_count; s++) {
        vgg_plan_options options = planning(extractor, &extractor->scales[s], batch);
        vgg_status status =
            vgg_plan_memory(vgg_model_network(extractor->model), &options, &more, error);
        if (status != VGG_OK)
            return status;
        if (!vgg_size_add(sum, more, &sum))
            return vgg_fail_memory(error, "an extractor", SIZE_MAX);
    }
    *bytes = sum;
    return VGG_OK;
}

/* Half as many pictures at once as long as they take more than half of the memory that is left. */
static vgg_status choose_batch(vgg_extractor *extractor, vgg_error *error) {
    size_t most = vgg_memory_available() / 2;
    bool given = extractor->options.batch > 0;
    extractor->batch = given ? extractor->options.batch : DEFAULT_BATCH;
    for (;;) {
        vgg_status status = count_memory(extractor, extractor->batch, &extractor->memory, error);
        if (status != VGG_OK || given || extractor->batch == 1 || extractor->memory <= most)
            return status;
        extractor->batch /= 2;
    }
}

static vgg_status make_plans(vgg_extractor *extractor, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t s = 0; status == VGG_OK && s < extractor->scale_count; s++) {
        vgg_extract_scale *scale = &extractor->scales[s];
        vgg_plan_options options = planning(extractor, scale, extractor->batch);
        status =
            vgg_plan_create(vgg_model_network(extractor->model), &options, &scale->plan, error);
    }
    return status;
}

/* ---- room ---- */

static float *floats(const vgg_extractor *extractor, size_t values) {
    size_t count;
    if (!vgg_size_mul(values, extractor->batch, &count) ||
        !vgg_size_mul(count, sizeof(float), &count))
        return NULL;
    return vgg_aligned_alloc(count);
}

/* The features of a tap, and room for them. */
static bool make_room(vgg_extractor *extractor, size_t tap, size_t *widest) {
    vgg_tap_info *info = &extractor->infos[tap];
    size_t most = 0;
    for (size_t s = extractor->scale_count; s-- > 0;) {
        *info = (vgg_tap_info){.struct_size = sizeof *info};
        vgg_plan_tap(extractor->scales[s].plan, tap, info, NULL);
        most = vgg_size_max(most, info->values);
    }
    bool pooled = info->dimensions == 3 && extractor->options.pool != VGG_FEATURE_POOL_NONE;
    if (pooled) {
        info->dimensions = 1;
        info->values = info->shape[0];
        info->shape[1] = info->shape[2] = 0;
    }
    *widest = vgg_size_max(*widest, info->values);
    extractor->raw[tap] = floats(extractor, most);
    bool more = pooled || vgg_extractor_views(extractor) > 1;
    extractor->values[tap] = more ? floats(extractor, info->values) : extractor->raw[tap];
    return extractor->raw[tap] != NULL && extractor->values[tap] != NULL;
}

static vgg_status make_rooms(vgg_extractor *extractor, vgg_error *error) {
    size_t count = extractor->options.tap_count, widest = 0, input = 0;
    bool fine = true;
    for (size_t t = 0; fine && t < count; t++) {
        fine = make_room(extractor, t, &widest);
    }
    for (size_t s = 0; s < extractor->scale_count; s++) {
        input = vgg_size_max(input, extractor->scales[s].input);
    }
    if (fine && vgg_extractor_views(extractor) > 1) {
        extractor->view = floats(extractor, widest);
        fine = extractor->view != NULL;
    }
    if (fine && !vgg_extractor_is_plain(extractor)) {
        extractor->staged = floats(extractor, input);
        fine = extractor->staged != NULL;
    }
    size_t side = extractor->options.thumbnail;
    if (fine && side > 0) {
        extractor->thumbnail = vgg_malloc(side * side);
        fine = extractor->thumbnail != NULL;
    }
    return fine ? VGG_OK : vgg_fail_memory(error, "an extractor", extractor->memory);
}

/* ---- making ---- */

static vgg_status take_options(vgg_extractor *extractor, const vgg_extractor_options *given,
                               vgg_error *error) {
    vgg_extractor_options *options = &extractor->options;
    vgg_extractor_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_extractor_options", error);
    if (status == VGG_OK)
        status = vgg_protocol_check(options->protocol, error);
    if (status == VGG_OK && options->protocol > VGG_PROTOCOL_FLIP)
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "features are of the protocol center or flip; found %s",
                          vgg_protocol_name(options->protocol));
    if (status == VGG_OK)
        status = vgg_device_settle(&options->device, error);
    if (status != VGG_OK)
        return status;
    if (options->tap_count == 0 || options->taps == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "features of no layer, expected at least one");
    if (vgg_feature_pool_name(options->pool) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "pool %d, expected 0 to %zu", (int)options->pool,
                        POOLS - 1);
    if (options->thumbnail > THUMBNAIL_MOST)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "thumbnails of %zu pixels, expected up to %d",
                        options->thumbnail, THUMBNAIL_MOST);
    if (options->pool == VGG_FEATURE_POOL_NONE &&
        (options->scales != NULL || options->protocol != VGG_PROTOCOL_CENTER))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "several views of a picture are averaged, which needs a pool: avg, max or "
                        "gem");
    size_t count = options->tap_count;
    extractor->taps = vgg_calloc(count, sizeof *extractor->taps);
    extractor->infos = vgg_calloc(count, sizeof *extractor->infos);
    extractor->raw = vgg_calloc(count, sizeof *extractor->raw);
    extractor->values = vgg_calloc(count, sizeof *extractor->values);
    extractor->rows = vgg_calloc(count, sizeof *extractor->rows);
    if (extractor->taps == NULL || extractor->infos == NULL || extractor->raw == NULL ||
        extractor->values == NULL || extractor->rows == NULL)
        return vgg_fail_memory(error, "an extractor", count * sizeof *extractor->infos);
    for (size_t t = 0; t < count; t++) {
        extractor->taps[t] = options->taps[t];
    }
    options->taps = extractor->taps;
    return VGG_OK;
}

static vgg_status set_up(vgg_extractor *extractor, const vgg_extractor_options *given,
                         vgg_error *error) {
    vgg_status status = take_options(extractor, given, error);
    if (status == VGG_OK)
        status = read_scales(extractor, error);
    if (status == VGG_OK)
        status = vgg_threads_obtain(extractor->options.shared_threads, extractor->options.threads,
                                    &extractor->threads, &extractor->own_threads, error);
    if (status == VGG_OK)
        status = choose_batch(extractor, error);
    if (status == VGG_OK)
        status = make_plans(extractor, error);
    if (status == VGG_OK)
        status = make_rooms(extractor, error);
    return status;
}

vgg_status vgg_extractor_create(const vgg_model *model, const vgg_extractor_options *options,
                                vgg_extractor **out, vgg_error *error) {
    if (vgg_model_preprocess(model) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the model does not say how its input is preprocessed; name a preset "
                        "(torchvision, caffe, paper, unit or signed) when loading it");
    vgg_extractor *extractor = vgg_calloc(1, sizeof *extractor);
    if (extractor == NULL)
        return vgg_fail_memory(error, "an extractor", sizeof *extractor);
    extractor->model = model;
    vgg_status status = set_up(extractor, options, error);
    if (status != VGG_OK) {
        vgg_extractor_free(extractor);
        return status;
    }
    extractor->options.scales = NULL; /* the caller's */
    *out = extractor;
    return VGG_OK;
}

void vgg_extractor_free(vgg_extractor *extractor) {
    if (extractor == NULL)
        return;
    for (size_t s = 0; s < extractor->scale_count; s++) {
        vgg_plan_free(extractor->scales[s].plan);
    }
    /* Of an extractor that found no memory one of them may be without the other. */
    bool rooms = extractor->values != NULL && extractor->raw != NULL;
    for (size_t t = 0; rooms && t < extractor->options.tap_count; t++) {
        if (extractor->values[t] != extractor->raw[t])
            vgg_free(extractor->values[t]);
        vgg_free(extractor->raw[t]);
    }
    vgg_threads_free(extractor->own_threads);
    vgg_free(extractor->taps);
    vgg_free(extractor->infos);
    vgg_free(extractor->raw);
    vgg_free(extractor->values);
    vgg_free(extractor->rows);
    vgg_free(extractor->view);
    vgg_free(extractor->staged);
    vgg_free(extractor->thumbnail);
    vgg_free(extractor->inputs);
    vgg_free(extractor);
}

size_t vgg_extractor_batch(const vgg_extractor *extractor) {
    return extractor->batch;
}

size_t vgg_extractor_memory(const vgg_extractor *extractor) {
    return extractor->memory;
}

size_t vgg_extractor_taps(const vgg_extractor *extractor) {
    return extractor->options.tap_count;
}

vgg_status vgg_extractor_tap(const vgg_extractor *extractor, size_t tap, vgg_tap_info *info,
                             vgg_error *error) {
    if (tap >= extractor->options.tap_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "tap %zu of an extractor with %zu", tap,
                        extractor->options.tap_count);
    return vgg_result_write(info, &extractor->infos[tap], sizeof *info, "vgg_tap_info", error);
}
