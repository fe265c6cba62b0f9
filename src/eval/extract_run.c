/* Extracting: from pictures to features. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/extractor.h"
#include "eval/many.h"
#include "eval/protocol.h"

/* What the generalised mean leaves out, and its exponent. */
#define GEM_LEAST 1e-6
#define GEM_POWER 3

/* ---- pooling ---- */

/* A unit is a channel of a picture. */
typedef struct pool_task {
    vgg_feature_pool pool;
    size_t pixels;
    const float *from;
    float *to;
} pool_task;

static double average_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i];
    }
    return sum / (double)count;
}

/* What is not a number stays, for vgg_extractor_find_row to find it. */
static double most_of(const float *values, size_t count) {
    double most = (double)values[0];
    for (size_t i = 1; i < count; i++) {
        most = (double)values[i] > most || isnan(values[i]) ? (double)values[i] : most;
    }
    return most;
}

/* Likewise, for which fmax is no use: of the two it takes the number. */
static double generalised_mean_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double value = (double)values[i] < GEM_LEAST ? GEM_LEAST : (double)values[i];
        sum += value * value * value;
    }
    return pow(sum / (double)count, 1.0 / GEM_POWER);
}

static void pool_channels(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const pool_task *task = context;
    for (size_t unit = begin; unit < end; unit++) {
        const float *values = task->from + unit * task->pixels;
        double pooled = task->pool == VGG_FEATURE_POOL_MAX ? most_of(values, task->pixels)
                        : task->pool == VGG_FEATURE_POOL_GEM
                            ? generalised_mean_of(values, task->pixels)
                            : average_of(values, task->pixels);
        task->to[unit] = (float)pooled;
    }
}

/* Divides each row by its length. */
static void normalise(float *rows, size_t count, size_t values) {
    for (size_t n = 0; n < count; n++) {
        float *row = rows + n * values;
        double sum = 0;
        for (size_t i = 0; i < values; i++) {
            sum += (double)row[i] * (double)row[i];
        }
        for (size_t i = 0; sum > 0 && i < values; i++) {
            row[i] = (float)((double)row[i] / sqrt(sum));
        }
    }
}

/* ---- views ---- */

/* The features of one view of a batch, of which `raw` has what the plan gave. */
static void finish_view(const vgg_extractor *extractor, const vgg_extract_scale *scale, size_t tap,
                        size_t count, float *features) {
    const vgg_tap_info *info = &extractor->infos[tap];
    vgg_tap_info found = {.struct_size = sizeof found};
    vgg_plan_tap(scale->plan, tap, &found, NULL);
    const float *raw = extractor->raw[tap];
    if (found.dimensions == 3 && info->dimensions == 1) {
        pool_task task = {extractor->options.pool, found.shape[1] * found.shape[2], raw, features};
        vgg_threads_run(extractor->threads, count * found.shape[0], pool_channels, &task);
    } else if (features != raw) {
        memcpy(features, raw, count * info->values * sizeof *features);
    }
    if (extractor->options.normalise)
        normalise(features, count, info->values);
}

/* Adds the features of a view to those before, or begins with them. */
static void take_view(vgg_extractor *extractor, const vgg_extract_scale *scale, size_t view,
                      size_t count) {
    for (size_t t = 0; t < extractor->options.tap_count; t++) {
        float *features = view == 0 ? extractor->values[t] : extractor->view;
        finish_view(extractor, scale, t, count, features);
        for (size_t i = 0; view > 0 && i < count * extractor->infos[t].values; i++) {
            extractor->values[t][i] += features[i];
        }
    }
}

/* From sums over views to averages. */
static void finish_views(vgg_extractor *extractor, size_t count) {
    size_t views = vgg_extractor_views(extractor);
    for (size_t t = 0; views > 1 && t < extractor->options.tap_count; t++) {
        size_t values = extractor->infos[t].values;
        for (size_t i = 0; i < count * values; i++) {
            extractor->values[t][i] /= (float)views;
        }
        if (extractor->options.normalise)
            normalise(extractor->values[t], count, values);
    }
}

/* Puts the inputs of a batch at one scale side by side. */
static float *stage(vgg_extractor *extractor, size_t scale, float *inputs, size_t count) {
    if (vgg_extractor_is_plain(extractor))
        return inputs;
    size_t before = 0, input = extractor->scales[scale].input;
    for (size_t s = 0; s < scale; s++) {
        before += extractor->scales[s].input;
    }
    for (size_t n = 0; n < count; n++) {
        memcpy(extractor->staged + n * input, inputs + n * extractor->input + before,
               input * sizeof *inputs);
    }
    return extractor->staged;
}

vgg_status vgg_extractor_compute(vgg_extractor *extractor, float *inputs, size_t count,
                                 vgg_error *error) {
    vgg_status status = VGG_OK;
    extractor->batch_inputs = inputs;
    size_t view = 0, mirrors = extractor->options.protocol == VGG_PROTOCOL_FLIP ? 2 : 1;
    for (size_t s = 0; s < extractor->scale_count; s++) {
        vgg_extract_scale *scale = &extractor->scales[s];
        float *staged = stage(extractor, s, inputs, count);
        for (size_t m = 0; m < mirrors; m++) {
            size_t width = scale->preprocess.width;
            if (m > 0)
                vgg_protocol_mirror(staged, staged, count * scale->input / width, width);
            status = vgg_plan_forward_taps(scale->plan, staged, count, extractor->raw, NULL, error);
            if (status != VGG_OK)
                return status;
            take_view(extractor, scale, view++, count);
        }
    }
    finish_views(extractor, count);
    return VGG_OK;
}

/* Writes the samples of a small grey picture, 0 to 255. */
static vgg_status make_thumbnail(const vgg_image *image, size_t side, float *samples,
                                 vgg_error *error) {
    vgg_image grey = {0}, small = {0};
    vgg_status status = vgg_image_convert(image, 1, &grey, error);
    if (status == VGG_OK)
        status = vgg_image_resize(&grey, side, side, VGG_FILTER_BILINEAR, &small, error);
    for (size_t i = 0; status == VGG_OK && i < side * side; i++) {
        samples[i] = (float)small.pixels[i];
    }
    vgg_image_free(&grey);
    vgg_image_free(&small);
    return status;
}

/* Makes the floats of a picture, at all scales. */
static vgg_status prepare_scales(const vgg_extractor *extractor, const vgg_image *image,
                                 float *input, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t s = 0; status == VGG_OK && s < extractor->scale_count; s++) {
        status = vgg_preprocess_image(&extractor->scales[s].preprocess, image, input, error);
        input += extractor->scales[s].input;
    }
    if (status == VGG_OK && extractor->options.thumbnail > 0)
        status = make_thumbnail(image, extractor->options.thumbnail, input, error);
    return status;
}

vgg_status vgg_extractor_reserve(vgg_extractor *extractor, size_t pictures, vgg_error *error) {
    if (pictures <= extractor->capacity)
        return VGG_OK;
    vgg_free(extractor->inputs);
    extractor->capacity = 0;
    size_t bytes = pictures * extractor->input * sizeof(float); /* counted at the making */
    extractor->inputs = vgg_aligned_alloc(bytes);
    if (extractor->inputs == NULL)
        return vgg_fail_memory(error, "the inputs of an extractor", bytes);
    extractor->capacity = pictures;
    return VGG_OK;
}

/* Weights that are NaN or infinite, or so large that they overflow, leave no features. */
vgg_status vgg_extractor_find_row(vgg_extractor *extractor, size_t row, vgg_error *error) {
    for (size_t t = 0; t < extractor->options.tap_count; t++) {
        size_t values = extractor->infos[t].values;
        extractor->rows[t] = extractor->values[t] + row * values;
        for (size_t i = 0; i < values; i++) {
            if (!isfinite(extractor->rows[t][i]))
                return vgg_fail(error, VGG_ERROR_NUMERIC,
                                "a feature is not a finite number; the model's weights may be "
                                "damaged");
        }
    }
    return VGG_OK;
}

vgg_status vgg_extract_image(vgg_extractor *extractor, const vgg_image *image, float *const *values,
                             vgg_error *error) {
    vgg_status status = vgg_extractor_reserve(extractor, 1, error);
    if (status == VGG_OK)
        status = prepare_scales(extractor, image, extractor->inputs, error);
    if (status == VGG_OK)
        status = vgg_extractor_compute(extractor, extractor->inputs, 1, error);
    if (status == VGG_OK)
        status = vgg_extractor_find_row(extractor, 0, error);
    for (size_t t = 0; status == VGG_OK && t < extractor->options.tap_count; t++) {
        memcpy(values[t], extractor->rows[t], extractor->infos[t].values * sizeof(float));
    }
    return status;
}

/* ---- many ---- */

typedef struct extracting {
    vgg_extractor *extractor;
    vgg_extract_callback *result;
    void *user;
} extracting;

static vgg_status prepare(void *context, const vgg_image *image, float *input, vgg_error *error) {
    const extracting *e = context;
    return prepare_scales(e->extractor, image, input, error);
}

static vgg_status reserve(void *context, size_t pictures, float **inputs, vgg_error *error) {
    const extracting *e = context;
    vgg_status status = vgg_extractor_reserve(e->extractor, pictures, error);
    *inputs = e->extractor->inputs;
    return status;
}

static vgg_status compute(void *context, float *inputs, size_t count, vgg_error *error) {
    const extracting *e = context;
    return vgg_extractor_compute(e->extractor, inputs, count, error);
}

/* That of a picture of the batch. */
static const unsigned char *find_thumbnail(vgg_extractor *extractor, size_t row) {
    size_t samples = extractor->options.thumbnail * extractor->options.thumbnail;
    const float *from = extractor->batch_inputs + (row + 1) * extractor->input - samples;
    for (size_t i = 0; i < samples; i++) {
        extractor->thumbnail[i] = (unsigned char)from[i];
    }
    return extractor->thumbnail;
}

static bool hand_out(void *context, const vgg_many_picture *picture, size_t row) {
    const extracting *e = context;
    vgg_extract_result result = {.struct_size = sizeof result,
                                 .number = picture->number,
                                 .name = picture->name,
                                 .user = picture->user,
                                 .error = picture->error,
                                 .warning = picture->warning};
    vgg_error why;
    if (result.error == NULL && vgg_extractor_find_row(e->extractor, row, &why) != VGG_OK)
        result.error = &why;
    if (result.error == NULL) {
        result.values = e->extractor->rows;
        result.thumbnail = find_thumbnail(e->extractor, row);
    }
    return e->result(e->user, &result);
}

vgg_status vgg_extract_many(vgg_extractor *extractor, vgg_next_picture *next,
                            vgg_extract_callback *result, void *user, vgg_error *error) {
    extracting all = {extractor, result, user};
    const vgg_many_work work = {.threads = extractor->threads,
                                .batch = extractor->batch,
                                .input = extractor->input,
                                .context = &all,
                                .prepare = prepare,
                                .reserve = reserve,
                                .compute = compute,
                                .hand_out = hand_out};
    return vgg_many_run(&work, next, user, error);
}
