/* The loss of a picture and its gradient. */

#include "inside/style.h"

/* The plane of the picture that a channel of the input is of. */
static size_t plane_of(const vgg_style *style, size_t channel) {
    return style->preprocess.bgr ? style->channels - 1 - channel : channel;
}

void vgg_style_normalise(const vgg_style *style, const float *samples, size_t pixels,
                         float *input) {
    const vgg_preprocess *p = &style->preprocess;
    for (size_t c = 0; c < style->channels; c++) {
        const float *from = samples + plane_of(style, c) * pixels;
        double scale = 255 * p->scale / p->deviation[c], shift = p->mean[c] / p->deviation[c];
        for (size_t i = 0; i < pixels; i++) {
            input[c * pixels + i] = (float)((double)from[i] * scale - shift);
        }
    }
}

vgg_gram_task vgg_style_gram_task(const vgg_style *style, const vgg_style_layer *layer) {
    return (vgg_gram_task){.threads = style->threads,
                           .kernels = style->kernels,
                           .zeros = style->zeros,
                           .channels = layer->channels,
                           .places = layer->places};
}

/* ---- layers ---- */

/* weight * the mean of (F - P)^2 */
static double compare_content(const vgg_style *style, vgg_style_layer *layer) {
    double weight = style->options.content_weight * style->unit * style->unit;
    double share = weight / (double)layer->values, sum = 0;
    for (size_t i = 0; i < layer->values; i++) {
        double difference = (double)layer->given[i] - (double)layer->target[i];
        sum += difference * difference;
        layer->gradient[i] = (float)(2 * share * difference);
    }
    return share * sum;
}

/* weight * the mean of (G - A)^2 */
static double compare_style(vgg_style *style, vgg_style_layer *layer) {
    size_t matrix = layer->channels * layer->channels;
    double unit = style->unit * style->unit, scale = 1 / (double)layer->values;
    double share = style->options.style_weight * unit * unit / (double)matrix, sum = 0;
    vgg_gram_task task = vgg_style_gram_task(style, layer);
    vgg_gram(&task, layer->given, style->gram);
    for (size_t i = 0; i < matrix; i++) {
        double difference = (double)style->gram[i] * scale - (double)layer->target[i];
        sum += difference * difference;
        style->gram[i] = (float)(4 * share * scale * difference);
    }
    vgg_gram_gradient(&task, style->gram, layer->given, layer->gradient);
    return share * sum;
}

/* ---- neighbours ---- */

/* Half the sum of squared differences of samples `step` apart, `count` of them, where the second
 * one lies in the same picture; its gradient times the weight is added. */
static double vary(const float *plane, float *gradient, size_t rows, size_t columns, size_t width,
                   size_t step, float weight) {
    double sum = 0;
    for (size_t y = 0; y < rows; y++) {
        const float *row = plane + y * width;
        float *slope = gradient + y * width;
        for (size_t x = 0; x < columns; x++) {
            float difference = row[x + step] - row[x];
            sum += 0.5 * (double)difference * (double)difference;
            slope[x + step] += weight * difference;
            slope[x] -= weight * difference;
        }
    }
    return sum;
}

static double add_variation(vgg_style *style) {
    size_t height = style->options.height, width = style->options.width;
    double sum = 0, weight = 255 * 255 * style->options.variation_weight;
    for (size_t c = 0; weight > 0 && c < style->channels; c++) {
        const float *plane = style->picture + c * style->pixels;
        float *gradient = style->gradient + c * style->pixels;
        sum += vary(plane, gradient, height, width - 1, width, 1, (float)weight);
        sum += vary(plane, gradient, height - 1, width, width, width, (float)weight);
    }
    return weight * sum;
}

/* ---- all of it ---- */

/* From the gradients of the layers to that of the samples. */
static vgg_status carry_back(vgg_style *style, vgg_error *error) {
    for (size_t i = 0; i < style->layer_count; i++) {
        style->rows[i] = style->layers[i].gradient;
    }
    vgg_status status = vgg_plan_backward_taps(style->plan, NULL, (const float *const *)style->rows,
                                               NULL, style->input, error);
    for (size_t c = 0; status == VGG_OK && c < style->channels; c++) {
        float scale = (float)(255 * style->preprocess.scale / style->preprocess.deviation[c]);
        float *to = style->gradient + plane_of(style, c) * style->pixels;
        for (size_t i = 0; i < style->pixels; i++) {
            to[i] = scale * style->input[c * style->pixels + i];
        }
    }
    return status;
}

vgg_status vgg_style_evaluate(vgg_style *style, vgg_error *error) {
    vgg_style_state *state = &style->state;
    vgg_style_normalise(style, style->picture, style->pixels, style->input);
    for (size_t i = 0; i < style->layer_count; i++) {
        style->rows[i] = style->layers[i].given;
    }
    vgg_status status =
        vgg_plan_forward_taps(style->plan, style->input, 1, style->rows, NULL, error);
    if (status != VGG_OK)
        return status;
    state->content = compare_content(style, &style->layers[0]);
    state->style = 0;
    for (size_t i = 1; i < style->layer_count; i++) {
        state->style += compare_style(style, &style->layers[i]);
    }
    status = carry_back(style, error);
    state->variation = add_variation(style);
    state->loss = state->content + state->style + state->variation;
    return status;
}
