/* Optimisations of a picture: making them, and moving on. */
#include "inside/style.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "inside/floats.h"

#define HISTORY_MOST 1000
/* PyTorch's: where the gradient, a move or what it changes is no larger, it goes no further. */
#define LEAST_GRADIENT 1e-7
#define LEAST_CHANGE 1e-9
/* Of noise: what its samples are around, and how far. */
#define NOISE_MEAN 0.5
#define NOISE_DEVIATION 0.1

void vgg_style_options_init(vgg_style_options *options, size_t size) {
    const vgg_style_options defaults = {
        .struct_size = size,
        .content_layer = "relu4_2",
        .style_layers = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",
        .content_weight = 5,
        .style_weight = 100,
        .variation_weight = 1e-3,
        .history = 100,
    };
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- options ---- */

static vgg_status check_options(const vgg_style_options *o, vgg_error *error) {
    const double weights[] = {o->content_weight, o->style_weight, o->variation_weight};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        if (!(weights[i] >= 0 && weights[i] <= 1e12))
            return vgg_fail(error, VGG_ERROR_ARGUMENT, "a weight of %g, expected 0 to 1e12",
                            weights[i]);
    }
    if (o->history == 0 || o->history > HISTORY_MOST)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a history of %zu, expected 1 to %d", o->history,
                        HISTORY_MOST);
    if (o->start > VGG_STYLE_START_IMAGE)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "start %d, expected 0 to %d", (int)o->start,
                        VGG_STYLE_START_IMAGE);
    if ((o->start == VGG_STYLE_START_IMAGE) != (o->start_image != NULL))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a picture to start from %s",
                        o->start_image != NULL ? "that start does not name" : "is missing");
    if (o->height > VGG_IMAGE_MAX_SIDE || o->width > VGG_IMAGE_MAX_SIDE ||
        o->style_side > VGG_IMAGE_MAX_SIDE)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a side of %zu pixels, expected up to %d",
                        vgg_size_max(vgg_size_max(o->height, o->width), o->style_side),
                        VGG_IMAGE_MAX_SIDE);
    return VGG_OK;
}

static vgg_status check_sources(const vgg_style_source *sources, size_t count, vgg_error *error) {
    if (count == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "no picture of style, expected at least one");
    for (size_t i = 0; i < count; i++) {
        if (sources[i].image == NULL || !(sources[i].weight > 0 && sources[i].weight <= 1e12))
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "picture of style %zu with a weight of %g, expected above 0", i,
                            sources[i].weight);
    }
    return VGG_OK;
}

/* The model's figures, and what makes what layers give that of samples of 0 to 255. */
static vgg_status choose_preprocess(vgg_style *style, vgg_error *error) {
    const vgg_network_options *network = vgg_network_describe(vgg_model_network(style->model));
    const vgg_preprocess *own = vgg_model_preprocess(style->model);
    vgg_preprocess *p = &style->preprocess;
    vgg_status status = VGG_OK;
    style->channels = network->channels;
    p->struct_size = sizeof *p;
    if (own != NULL)
        *p = *own;
    else
        status = vgg_preprocess_preset("torchvision", network->channels, network->height,
                                       network->width, p, error);
    style->unit = 0;
    for (size_t c = 0; status == VGG_OK && c < style->channels; c++) {
        style->unit += fabs(p->deviation[c] / p->scale) / (double)style->channels;
    }
    return status;
}

/* What is known before any memory is taken. */
static vgg_status read_options(vgg_style *style, const vgg_style_options *given, vgg_error *error) {
    vgg_style_options *options = &style->options;
    vgg_style_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_style_options", error);
    if (status == VGG_OK)
        status = check_options(options, error);
    if (status == VGG_OK)
        status = choose_preprocess(style, error);
    if (status == VGG_OK)
        status = vgg_style_choose_layers(style, error);
    return status;
}

/* ---- memory ---- */

/* Floats of what layers give for a picture of that size: `content` and `style` times the content
 * layer's and those of style, and the Gram matrices. */
static vgg_status count_values(const vgg_style *style, double pixels, double content, double others,
                               double *floats, vgg_error *error) {
    const vgg_network *network = vgg_model_network(style->model);
    const vgg_network_options *usual = vgg_network_describe(network);
    double share = pixels / ((double)usual->height * (double)usual->width);
    *floats = 0;
    for (size_t i = 0; i < style->layer_count; i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_status status = vgg_network_layer(network, style->taps[i].layer, &info, error);
        if (status != VGG_OK)
            return status;
        double channels = (double)info.output[0];
        double values = channels * (double)info.output[1] * (double)info.output[2] * share;
        *floats += (i == 0 ? content : others) * values + channels * channels;
    }
    return VGG_OK;
}

/* Bytes of a plan for pictures of that size, with so many more floats. */
static vgg_status count_plan(const vgg_style *style, size_t height, size_t width, bool gradients,
                             double floats, double *bytes, vgg_error *error) {
    vgg_plan_options planning = vgg_style_planning(style, height, width, gradients);
    size_t plan = 0;
    vgg_status status = vgg_plan_memory(vgg_model_network(style->model), &planning, &plan, error);
    *bytes += (double)plan + floats * (double)sizeof(float);
    return status;
}

static vgg_status count_memory(const vgg_style *style, size_t *bytes, vgg_error *error) {
    const vgg_style_options *o = &style->options;
    size_t side = vgg_style_side(style);
    double pixels = (double)o->height * (double)o->width;
    double samples = (double)style->channels * pixels, floats = 0, sum = 0;
    vgg_status status = count_values(style, pixels, 3, 2, &floats, error);
    if (status == VGG_OK)
        status = count_plan(style, o->height, o->width, true, floats + 5 * samples, &sum, error);
    /* A style picture, square at most, is looked at when all that is there already. */
    if (status == VGG_OK)
        status = count_values(style, (double)side * (double)side, 0, 1, &floats, error);
    floats += 2 * (double)style->channels * (double)side * (double)side;
    if (status == VGG_OK)
        status = count_plan(style, side, side, false, floats, &sum, error);
    if (status != VGG_OK)
        return status;
    sum += samples * (double)sizeof(float) * 2 * (1 + (double)o->history);
    if (!(sum < (double)SIZE_MAX))
        return vgg_fail_memory(error, "a style", SIZE_MAX);
    *bytes = (size_t)sum;
    return VGG_OK;
}

vgg_status vgg_style_memory(const vgg_model *model, const vgg_style_options *options, size_t *bytes,
                            vgg_error *error) {
    vgg_style style = {.model = model};
    vgg_status status = read_options(&style, options, error);
    if (status == VGG_OK && (style.options.height == 0 || style.options.width == 0))
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "a picture without a size, expected one");
    if (status == VGG_OK)
        status = count_memory(&style, bytes, error);
    vgg_free(style.taps);
    return status;
}

static vgg_status make_layer(vgg_style *style, size_t number, vgg_error *error) {
    vgg_style_layer *layer = &style->layers[number];
    vgg_tap_info tap = {.struct_size = sizeof tap};
    vgg_status status = vgg_plan_tap(style->plan, number, &tap, error);
    if (status != VGG_OK)
        return status;
    layer->channels = tap.shape[0];
    layer->places = tap.shape[1] * tap.shape[2];
    layer->values = tap.values;
    bool failed = false;
    size_t target = number == 0 ? layer->values : layer->channels * layer->channels;
    layer->given = vgg_take_floats(layer->values, &failed);
    layer->gradient = vgg_take_floats(layer->values, &failed);
    layer->target = vgg_take_floats(target, &failed);
    return failed ? vgg_fail_memory(error, "what a layer gives", 3 * tap.values * sizeof(float))
                  : VGG_OK;
}

static vgg_status make_room(vgg_style *style, vgg_error *error) {
    size_t channels = 0;
    bool failed = false;
    vgg_status status = VGG_OK;
    style->layers = vgg_calloc(style->layer_count, sizeof *style->layers);
    style->rows = vgg_calloc(style->layer_count, sizeof *style->rows);
    if (style->layers == NULL || style->rows == NULL)
        return vgg_fail_memory(error, "a style", style->layer_count * sizeof *style->layers);
    for (size_t i = 0; status == VGG_OK && i < style->layer_count; i++) {
        status = make_layer(style, i, error);
        channels = vgg_size_max(channels, style->layers[i].channels);
    }
    if (status != VGG_OK)
        return status;
    style->picture = vgg_take_floats(style->samples, &failed);
    style->gradient = vgg_take_floats(style->samples, &failed);
    style->input = vgg_take_floats(style->samples, &failed);
    style->kept = vgg_take_floats(style->samples, &failed);
    style->gram = vgg_take_floats(channels * channels, &failed);
    style->zeros = vgg_take_floats(channels, &failed);
    if (failed)
        return vgg_fail_memory(error, "a picture", 4 * style->samples * sizeof(float));
    return vgg_lbfgs_create(&style->lbfgs, style->threads, style->samples, style->options.history,
                            error);
}

/* ---- the beginning ---- */

static vgg_status start(vgg_style *style, const vgg_image *content, vgg_error *error) {
    const vgg_style_options *o = &style->options;
    if (o->start == VGG_STYLE_START_NOISE) {
        for (size_t i = 0; i < style->samples; i++) {
            style->picture[i] =
                (float)(NOISE_MEAN + NOISE_DEVIATION * vgg_random_normal(o->seed, 0, i));
        }
        return VGG_OK;
    }
    vgg_image resized = {0}, converted = {0};
    vgg_status status =
        vgg_image_resize(o->start == VGG_STYLE_START_IMAGE ? o->start_image : content, o->width,
                         o->height, VGG_FILTER_BILINEAR, &resized, error);
    if (status == VGG_OK)
        status = vgg_image_convert(&resized, style->channels, &converted, error);
    for (size_t i = 0; status == VGG_OK && i < style->samples; i++) {
        style->picture[i] =
            (float)converted.pixels[i % style->pixels * style->channels + i / style->pixels] / 255;
    }
    vgg_image_free(&resized);
    vgg_image_free(&converted);
    return status;
}

vgg_status vgg_style_check_loss(const vgg_style *style, vgg_error *error) {
    const vgg_style_state *state = &style->state;
    bool loss = isfinite(state->loss) != 0;
    if (loss && isfinite(vgg_lbfgs_largest(&style->lbfgs, style->gradient)))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_NUMERIC, "the %s is not finite in iteration %zu: %s",
                    loss ? "loss's gradient" : "loss", state->iteration,
                    state->iteration == 0 ? "the model's weights may be damaged"
                                          : "the optimisation diverged");
}

static vgg_status make(vgg_style *style, const vgg_image *content, const vgg_style_source *sources,
                       size_t count, vgg_error *error) {
    vgg_style_options *o = &style->options;
    vgg_plan_options planning = vgg_style_planning(style, o->height, o->width, true);
    vgg_status status = vgg_kernels_get(&style->kernels, error);
    if (status == VGG_OK)
        status = vgg_plan_create(vgg_model_network(style->model), &planning, &style->plan, error);
    style->pixels = o->height * o->width;
    style->samples = style->channels * style->pixels;
    if (status == VGG_OK)
        status = make_room(style, error);
    if (status == VGG_OK)
        status = vgg_style_make_targets(style, content, sources, count, error);
    if (status == VGG_OK)
        status = start(style, content, error);
    o->content_layer = o->style_layers = NULL;
    o->start_image = NULL;
    if (status == VGG_OK)
        status = vgg_style_evaluate(style, error);
    return status == VGG_OK ? vgg_style_check_loss(style, error) : status;
}

vgg_status vgg_style_create(const vgg_model *model, const vgg_image *content,
                            const vgg_style_source *sources, size_t source_count,
                            const vgg_style_options *options, vgg_style **out, vgg_error *error) {
    vgg_style *style = vgg_calloc(1, sizeof *style);
    if (style == NULL)
        return vgg_fail_memory(error, "a style", sizeof *style);
    style->model = model;
    vgg_status status = read_options(style, options, error);
    vgg_style_options *o = &style->options;
    if (status == VGG_OK && (o->height == 0 || o->width == 0)) {
        o->height = content->height;
        o->width = content->width;
    }
    if (status == VGG_OK)
        status = check_sources(sources, source_count, error);
    if (status == VGG_OK)
        status = vgg_threads_obtain(o->shared_threads, o->threads, &style->threads,
                                    &style->own_threads, error);
    if (status == VGG_OK)
        status = make(style, content, sources, source_count, error);
    if (status == VGG_OK)
        *out = style;
    else
        vgg_style_free(style);
    return status;
}

void vgg_style_free(vgg_style *style) {
    if (style == NULL)
        return;
    vgg_plan_free(style->plan);
    vgg_lbfgs_free(&style->lbfgs);
    vgg_threads_free(style->own_threads);
    for (size_t i = 0; style->layers != NULL && i < style->layer_count; i++) {
        vgg_free(style->layers[i].given);
        vgg_free(style->layers[i].gradient);
        vgg_free(style->layers[i].target);
    }
    vgg_free(style->layers);
    vgg_free(style->taps);
    vgg_free(style->rows);
    vgg_free(style->picture);
    vgg_free(style->gradient);
    vgg_free(style->input);
    vgg_free(style->kept);
    vgg_free(style->gram);
    vgg_free(style->zeros);
    vgg_free(style);
}

/* ---- going on ---- */

vgg_status vgg_style_now(const vgg_style *style, vgg_style_state *state, vgg_error *error) {
    return vgg_result_write(state, &style->state, sizeof style->state, "vgg_style_state", error);
}

vgg_status vgg_style_iterate(vgg_style *style, vgg_error *error) {
    vgg_style_state *state = &style->state, before = *state;
    if (state->finished)
        return VGG_OK;
    memcpy(style->kept, style->picture, style->samples * sizeof *style->kept);
    if (vgg_lbfgs_largest(&style->lbfgs, style->gradient) <= LEAST_GRADIENT ||
        !vgg_lbfgs_move(&style->lbfgs, style->picture, style->gradient)) {
        state->finished = true;
        return VGG_OK;
    }
    state->iteration++;
    vgg_status status = vgg_style_evaluate(style, error);
    if (status == VGG_OK)
        status = vgg_style_check_loss(style, error);
    if (status != VGG_OK) {
        memcpy(style->picture, style->kept, style->samples * sizeof *style->kept);
        *state = before;
        state->finished = true;
        return status;
    }
    state->finished = vgg_lbfgs_largest(&style->lbfgs, style->lbfgs.move) <= LEAST_CHANGE ||
                      fabs(state->loss - before.loss) < LEAST_CHANGE;
    return VGG_OK;
}

vgg_status vgg_style_picture(const vgg_style *style, vgg_image *image, vgg_error *error) {
    vgg_image made = {.width = style->options.width,
                      .height = style->options.height,
                      .channels = style->channels,
                      .pixels = vgg_malloc(style->samples)};
    if (made.pixels == NULL)
        return vgg_fail_memory(error, "a picture", style->samples);
    for (size_t i = 0; i < style->samples; i++) {
        float sample = 255 * fminf(fmaxf(style->picture[i], 0), 1);
        made.pixels[i % style->pixels * style->channels + i / style->pixels] =
            (uint8_t)lrintf(sample);
    }
    *image = made;
    return VGG_OK;
}
