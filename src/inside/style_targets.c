/* What is wanted of the picture: which layers are looked at, and what they give for others. */
#include <string.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "inside/style.h"

/* ---- layers ---- */

static vgg_status take_layer(vgg_style *style, const char *name, vgg_error *error) {
    const vgg_network *network = vgg_model_network(style->model);
    if (style->layer_count == VGG_STYLE_LAYERS_MOST)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "more than %d layers of style",
                        VGG_STYLE_LAYERS_MOST - 1);
    size_t layer;
    vgg_layer_info info = {.struct_size = sizeof info};
    vgg_status status = vgg_network_find_layer(network, name, &layer, error);
    if (status == VGG_OK)
        status = vgg_network_layer(network, layer, &info, error);
    if (status == VGG_OK && info.dimensions != 3)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "%s gives rows of features, expected a layer of maps", name);
    if (status == VGG_OK)
        style->taps[style->layer_count++].layer = layer;
    return status;
}

/* Names with commas between them. */
static vgg_status take_layers(vgg_style *style, const char *names, vgg_error *error) {
    char name[VGG_LAYER_NAME];
    vgg_status status = VGG_OK;
    for (const char *at = names; status == VGG_OK; at++) {
        size_t length = strcspn(at, ",");
        size_t kept = vgg_size_min(length, sizeof name - 1);
        memcpy(name, at, kept);
        name[kept] = '\0';
        status = take_layer(style, name, error);
        at += length;
        if (*at == '\0')
            break;
    }
    return status;
}

vgg_status vgg_style_choose_layers(vgg_style *style, vgg_error *error) {
    style->taps = vgg_calloc(VGG_STYLE_LAYERS_MOST, sizeof *style->taps);
    if (style->taps == NULL)
        return vgg_fail_memory(error, "a style", VGG_STYLE_LAYERS_MOST * sizeof *style->taps);
    vgg_status status = take_layer(style, style->options.content_layer, error);
    return status == VGG_OK ? take_layers(style, style->options.style_layers, error) : status;
}

/* ---- pictures ---- */

vgg_plan_options vgg_style_planning(const vgg_style *style, size_t height, size_t width,
                                    bool gradients) {
    vgg_plan_options planning;
    vgg_plan_options_init(&planning, sizeof planning);
    planning.height = height;
    planning.width = width;
    planning.shared_threads = style->threads;
    planning.threads = style->options.threads;
    planning.exact = style->options.exact;
    planning.precision = style->options.precision;
    planning.device = style->options.device;
    planning.average_pools = style->options.average_pools;
    planning.gradients = planning.input_gradient = gradients;
    planning.taps = style->taps;
    planning.tap_count = style->layer_count;
    planning.ends_at_taps = true;
    return planning;
}

/* The input that an image resized to that size makes; the caller frees it. */
static vgg_status make_input(const vgg_style *style, const vgg_image *image, size_t height,
                             size_t width, float **input, vgg_error *error) {
    vgg_image resized = {0}, converted = {0};
    size_t pixels = height * width, count = style->channels * pixels;
    float *samples = vgg_aligned_alloc(2 * count * sizeof *samples);
    if (samples == NULL)
        return vgg_fail_memory(error, "a picture", 2 * count * sizeof *samples);
    vgg_status status =
        vgg_image_resize(image, width, height, VGG_FILTER_BILINEAR, &resized, error);
    if (status == VGG_OK)
        status = vgg_image_convert(&resized, style->channels, &converted, error);
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        samples[count + i] =
            (float)converted.pixels[i % pixels * style->channels + i / pixels] / 255;
    }
    vgg_image_free(&resized);
    vgg_image_free(&converted);
    if (status != VGG_OK) {
        vgg_free(samples);
        return status;
    }
    vgg_style_normalise(style, samples + count, pixels, samples);
    *input = samples;
    return VGG_OK;
}

/* The content picture is looked at by the plan that optimises. */
static vgg_status look_at_content(vgg_style *style, const vgg_image *image, vgg_error *error) {
    float *input;
    vgg_status status =
        make_input(style, image, style->options.height, style->options.width, &input, error);
    if (status != VGG_OK)
        return status;
    memset(style->rows, 0, style->layer_count * sizeof *style->rows);
    style->rows[0] = style->layers[0].target;
    status = vgg_plan_forward_taps(style->plan, input, 1, style->rows, NULL, error);
    vgg_free(input);
    return status;
}

size_t vgg_style_side(const vgg_style *style) {
    const vgg_style_options *options = &style->options;
    return options->style_side > 0 ? options->style_side
                                   : vgg_size_max(options->height, options->width);
}

/* The size of a style picture whose long side is that. */
static void fit_style(const vgg_style *style, const vgg_image *image, size_t *height,
                      size_t *width) {
    size_t side = vgg_style_side(style);
    size_t most = vgg_size_max(image->height, image->width);
    *height = vgg_size_max((image->height * side + most / 2) / most, 1);
    *width = vgg_size_max((image->width * side + most / 2) / most, 1);
}

/* Adds the Gram matrices of a style picture, whose plan it is, times a share. */
static vgg_status add_grams(vgg_style *style, vgg_plan *plan, const float *input, double share,
                            vgg_error *error) {
    vgg_status status = VGG_OK;
    bool failed = false;
    memset(style->rows, 0, style->layer_count * sizeof *style->rows);
    for (size_t i = 1; status == VGG_OK && i < style->layer_count; i++) {
        vgg_tap_info tap = {.struct_size = sizeof tap};
        status = vgg_plan_tap(plan, i, &tap, error);
        style->rows[i] = status == VGG_OK ? vgg_aligned_alloc(tap.values * sizeof(float)) : NULL;
        failed = failed || style->rows[i] == NULL;
    }
    if (status == VGG_OK && failed)
        status = vgg_fail_memory(error, "what layers give for a style picture", 1);
    if (status == VGG_OK)
        status = vgg_plan_forward_taps(plan, input, 1, style->rows, NULL, error);
    for (size_t i = 1; status == VGG_OK && i < style->layer_count; i++) {
        vgg_tap_info tap = {.struct_size = sizeof tap};
        status = vgg_plan_tap(plan, i, &tap, error);
        vgg_style_layer *layer = &style->layers[i];
        vgg_gram_task task = vgg_style_gram_task(style, layer);
        task.places = tap.shape[1] * tap.shape[2];
        vgg_gram(&task, style->rows[i], style->gram);
        for (size_t j = 0; j < layer->channels * layer->channels; j++) {
            layer->target[j] += (float)(share * (double)style->gram[j] / (double)tap.values);
        }
    }
    for (size_t i = 1; i < style->layer_count; i++) {
        vgg_free(style->rows[i]);
    }
    return status;
}

static vgg_status look_at_style(vgg_style *style, const vgg_image *image, double share,
                                vgg_error *error) {
    size_t height, width;
    float *input = NULL;
    vgg_plan *plan = NULL;
    fit_style(style, image, &height, &width);
    vgg_plan_options planning = vgg_style_planning(style, height, width, false);
    vgg_status status = vgg_plan_create(vgg_model_network(style->model), &planning, &plan, error);
    if (status == VGG_OK)
        status = make_input(style, image, height, width, &input, error);
    if (status == VGG_OK)
        status = add_grams(style, plan, input, share, error);
    vgg_free(input);
    vgg_plan_free(plan);
    return status;
}

/* ---- all of them ---- */

/* Of all that the loss depends on. */
static uint64_t sum_up(const vgg_style *style) {
    const vgg_style_options *o = &style->options;
    const double figures[] = {o->content_weight, o->style_weight,          o->variation_weight,
                              style->unit,       o->average_pools ? 1 : 0, o->exact ? 1 : 0};
    const size_t sizes[] = {o->height, o->width, style->layer_count};
    const int numbers[] = {(int)o->precision, (int)o->device};
    bool usual = o->precision == VGG_PRECISION_F32 && o->device == VGG_DEVICE_CPU;
    vgg_checksum sum;
    vgg_checksum_begin(&sum);
    vgg_checksum_add(&sum, figures, sizeof figures);
    vgg_checksum_add(&sum, sizes, sizeof sizes);
    if (!usual)
        vgg_checksum_add(&sum, numbers, sizeof numbers);
    for (size_t i = 0; i < style->layer_count; i++) {
        const vgg_style_layer *layer = &style->layers[i];
        size_t count = i == 0 ? layer->values : layer->channels * layer->channels;
        vgg_checksum_add(&sum, layer->target, count * sizeof *layer->target);
    }
    return vgg_checksum_end(&sum);
}

vgg_status vgg_style_make_targets(vgg_style *style, const vgg_image *content,
                                  const vgg_style_source *sources, size_t count, vgg_error *error) {
    double weights = 0;
    vgg_status status = look_at_content(style, content, error);
    for (size_t i = 0; i < count; i++) {
        weights += sources[i].weight;
    }
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = look_at_style(style, sources[i].image, sources[i].weight / weights, error);
    }
    style->targets = sum_up(style);
    return status;
}
