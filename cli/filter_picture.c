#include "cli/filter_picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 16

/* The first convolution; false when there is none. */
static bool first_convolution(const vgg_network *network, vgg_layer_info *layer,
                              vgg_tensor_info *info) {
    for (size_t l = 0; l < vgg_network_layer_count(network); l++) {
        if (vgg_network_layer(network, l, layer, NULL) == VGG_OK &&
            layer->type == VGG_LAYER_CONVOLUTION)
            return vgg_network_tensor(network, layer->first_tensor, info, NULL) == VGG_OK &&
                   info->dimensions == 4;
    }
    return false;
}

/* A filter has no scale that means something, so that each gets its own. */
static void draw_filter(const float *weights, const vgg_tensor_info *info, bool bgr, size_t times,
                        vgg_image *image, size_t left, size_t top) {
    size_t channels = info->shape[1], width = times * info->shape[3];
    size_t height = times * info->shape[2], size = info->shape[2] * info->shape[3];
    float most = 1e-12f;
    for (size_t i = 0; i < channels * size; i++) {
        most = fmaxf(most, fabsf(weights[i]));
    }
    for (size_t i = 0; i < channels * width * height; i++) {
        size_t c = i % channels, x = i / channels % width, y = i / channels / width;
        size_t from = bgr ? channels - 1 - c : c;
        float weight = weights[from * size + y / times * info->shape[3] + x / times];
        image->pixels[((top + y) * image->width + left + x) * channels + c] =
            (uint8_t)lrintf(127.5f + 127.5f * weight / most);
    }
}

static vgg_status draw_all(const vgg_model *model, const vgg_tensor_info *info, size_t tensor,
                           size_t times, size_t gap, vgg_cli_filter_picture *filters,
                           vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(model);
    vgg_image *image = &filters->image;
    size_t wide = times * info->shape[3] + gap, high = times * info->shape[2] + gap;
    size_t columns = filters->count < COLUMNS ? filters->count : COLUMNS;
    size_t rows = (filters->count + columns - 1) / columns;
    *image = (vgg_image){
        .width = columns * wide - gap, .height = rows * high - gap, .channels = info->shape[1]};
    size_t bytes = image->width * image->height * image->channels;
    image->pixels = malloc(bytes);
    float *weights = calloc(info->count, sizeof *weights);
    vgg_status status = VGG_ERROR_MEMORY;
    if (image->pixels == NULL || weights == NULL)
        snprintf(error->message, sizeof error->message, "out of memory for a picture of filters");
    else
        status =
            vgg_network_copy_values(vgg_model_network(model), tensor, weights, info->count, error);
    if (status == VGG_OK)
        memset(image->pixels, 128, bytes); /* in dark and in light */
    for (size_t k = 0; status == VGG_OK && k < filters->count; k++) {
        draw_filter(weights + k * (info->count / info->shape[0]), info,
                    preprocess != NULL && preprocess->bgr, times, image, k % columns * wide,
                    k / columns * high);
    }
    free(weights);
    return status;
}

vgg_status vgg_cli_filters_draw(const vgg_model *model, size_t most, size_t times, size_t gap,
                                vgg_cli_filter_picture *filters, vgg_error *error) {
    vgg_layer_info layer = {.struct_size = sizeof layer};
    vgg_tensor_info info = {.struct_size = sizeof info};
    *filters = (vgg_cli_filter_picture){0};
    if (!first_convolution(vgg_model_network(model), &layer, &info) ||
        (info.shape[1] != 1 && info.shape[1] != 3)) {
        snprintf(error->message, sizeof error->message,
                 "the network has no first convolution of one or three channels, whose filters "
                 "could be drawn");
        return VGG_ERROR_UNSUPPORTED;
    }
    filters->count = info.shape[0] < most ? info.shape[0] : most;
    filters->height = info.shape[2];
    filters->width = info.shape[3];
    snprintf(filters->layer, sizeof filters->layer, "%s", layer.name);
    vgg_status status = draw_all(model, &info, layer.first_tensor, times, gap, filters, error);
    if (status != VGG_OK)
        vgg_image_free(&filters->image);
    return status;
}
