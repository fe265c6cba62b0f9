/* Writing a structure as the words of an architecture and the options beside it. */
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "nn/architecture.h"
#include "nn/structure.h"

/* ---- probabilities ---- */

#define MOST_DIGITS 19

/* digits / 10^count. A long double holds both exactly. */
static double fraction(uint64_t digits, int count) {
    long double scale = 1;
    for (int i = 0; i < count; i++) {
        scale *= 10;
    }
    return (double)((long double)digits / scale);
}

bool vgg_probability_read(const char *text, double *probability) {
    bool zero = *text == '0';
    text += zero;
    bool point = *text == '.';
    text += point;
    uint64_t digits = 0;
    int count = 0;
    for (; isdigit((unsigned char)text[count]) && count < MOST_DIGITS; count++) {
        digits = 10 * digits + (uint64_t)(text[count] - '0');
    }
    if (text[count] != '\0' || (point ? count == 0 : count > 0 || !zero))
        return false;
    *probability = fraction(digits, count);
    return *probability < 1;
}

static bool is_same(double a, double b) {
    return !(a < b) && !(a > b);
}

const char *vgg_probability_write(double probability, char text[VGG_PROBABILITY_TEXT]) {
    long double scale = 1;
    for (int count = 1; count <= MOST_DIGITS; count++) {
        scale *= 10;
        uint64_t digits = (uint64_t)roundl((long double)probability * scale);
        if (count < MOST_DIGITS && !is_same(fraction(digits, count), probability))
            continue;
        snprintf(text, VGG_PROBABILITY_TEXT, "0.%0*llu", count, (unsigned long long)digits);
        break;
    }
    return text;
}

/* ---- what stands behind a layer ---- */

/* The type of the layer at an index; of what lies beyond the end a linear one, which ends every
 * pattern. */
static vgg_layer_type type_at(const vgg_structure *s, size_t i) {
    return i < s->count ? s->layers[i].type : VGG_LAYER_LINEAR;
}

/* How many layers a word that is a number stands for when it is written for the layer at `i`; 1
 * when what stands behind it is something else. */
static size_t convolution_span(const vgg_structure *s, size_t i, bool batch_norm) {
    size_t relu = i + (batch_norm ? 2 : 1);
    if (batch_norm && type_at(s, i + 1) != VGG_LAYER_BATCH_NORM)
        return 1;
    return type_at(s, relu) == VGG_LAYER_RELU && !s->layers[relu].flat ? relu + 1 - i : 1;
}

/* Where the dropout stands that a number would write behind the linear layer at `i`; 0: nowhere. */
static size_t dropout_behind(const vgg_structure *s, size_t i, vgg_layout layout) {
    size_t dropout = i + (layout == VGG_LAYOUT_PAPER ? 1 : 2);
    size_t relu = i + (layout == VGG_LAYOUT_PAPER ? 2 : 1);
    bool fits = type_at(s, dropout) == VGG_LAYER_DROPOUT && type_at(s, relu) == VGG_LAYER_RELU;
    return fits ? dropout : 0;
}

/* ---- the options beside the words ---- */

static vgg_layout layout_of(const vgg_structure *s) {
    for (size_t i = 0; i < s->count; i++) {
        switch (s->layers[i].type) {
        case VGG_LAYER_AVERAGE_POOL:
            return VGG_LAYOUT_TORCHVISION;
        case VGG_LAYER_GLOBAL_AVERAGE_POOL:
            return VGG_LAYOUT_GLOBAL;
        case VGG_LAYER_GLOBAL_MAX_POOL:
            return VGG_LAYOUT_GLOBAL_MAX;
        default:
            break;
        }
    }
    return VGG_LAYOUT_PAPER;
}

/* The options with which most words are numbers. */
static void choose_options(const vgg_structure *s, vgg_network_options *options) {
    size_t normed = 0, bare = 0, valid = 0, same = 0, dropout = 0;
    options->layout = layout_of(s);
    for (size_t i = 0; i < s->count; i++) {
        const vgg_structure_layer *layer = &s->layers[i];
        if (layer->type == VGG_LAYER_CONVOLUTION) {
            normed += convolution_span(s, i, true) > 1;
            bare += convolution_span(s, i, false) > 1;
            valid += layer->valid;
            same += !layer->valid && layer->kernel == 3;
        } else if (layer->type == VGG_LAYER_LINEAR && dropout == 0) {
            dropout = dropout_behind(s, i, options->layout);
        }
    }
    options->batch_norm = normed > bare;
    options->padding = valid > same ? VGG_PADDING_VALID : VGG_PADDING_SAME;
    if (dropout > 0)
        options->dropout = s->layers[dropout].dropout;
    options->classes = s->layers[s->count - 1].outputs;
}

/* ---- words ---- */

/* Returns how many layers the word stands for. */
static size_t write_convolution(const vgg_structure *s, size_t i,
                                const vgg_network_options *options, vgg_text *text) {
    const vgg_structure_layer *layer = &s->layers[i];
    size_t span = convolution_span(s, i, options->batch_norm);
    bool differs = layer->kernel == 3 && layer->valid != (options->padding == VGG_PADDING_VALID);
    vgg_text_add(text, "%s%s%zu%s", span == 1 ? "c" : "", layer->kernel == 1 ? "1x1:" : "",
                 layer->outputs,
                 !differs       ? ""
                 : layer->valid ? "v"
                                : "s");
    return span;
}

static size_t write_linear(const vgg_structure *s, size_t i, const vgg_network_options *options,
                           vgg_text *text) {
    size_t dropout = dropout_behind(s, i, options->layout);
    bool number = dropout > 0 && is_same(s->layers[dropout].dropout, options->dropout);
    vgg_text_add(text, "%s%zu", number ? "" : "f", s->layers[i].outputs);
    return number ? 3 : 1;
}

static size_t write_word(const vgg_structure *s, size_t i, const vgg_network_options *options,
                         vgg_text *text) {
    char probability[VGG_PROBABILITY_TEXT];
    switch (s->layers[i].type) {
    case VGG_LAYER_CONVOLUTION:
        return write_convolution(s, i, options, text);
    case VGG_LAYER_LINEAR:
        return write_linear(s, i, options, text);
    case VGG_LAYER_DROPOUT:
        vgg_text_add(text, "D%s", vgg_probability_write(s->layers[i].dropout, probability));
        break;
    case VGG_LAYER_BATCH_NORM:
        vgg_text_add(text, "B");
        break;
    case VGG_LAYER_RELU:
        vgg_text_add(text, "R");
        break;
    case VGG_LAYER_MAX_POOL:
        vgg_text_add(text, "M");
        break;
    case VGG_LAYER_AVERAGE_POOL_2X2:
        vgg_text_add(text, "P");
        break;
    case VGG_LAYER_LOCAL_RESPONSE_NORM:
        vgg_text_add(text, "L");
        break;
    case VGG_LAYER_AVERAGE_POOL:
    case VGG_LAYER_GLOBAL_AVERAGE_POOL:
    case VGG_LAYER_GLOBAL_MAX_POOL:
        break; /* the layout says it */
    }
    return 1;
}

static bool is_word(const vgg_structure_layer *layer) {
    return layer->type != VGG_LAYER_AVERAGE_POOL && layer->type != VGG_LAYER_GLOBAL_AVERAGE_POOL &&
           layer->type != VGG_LAYER_GLOBAL_MAX_POOL;
}

/* The words of the layers that are flat, or of those that are not, without the last layer. */
static void write_words(const vgg_structure *s, bool flat, const vgg_network_options *options,
                        vgg_text *text) {
    const char *comma = "";
    for (size_t i = 0; i + 1 < s->count;) {
        if (s->layers[i].flat != flat || !is_word(&s->layers[i])) {
            i++;
            continue;
        }
        vgg_text_add(text, "%s", comma);
        i += write_word(s, i, options, text);
        comma = ",";
    }
}

vgg_status vgg_structure_write(const vgg_structure *s, vgg_network_options *options,
                               vgg_error *error) {
    vgg_text before = {0}, behind = {0};
    choose_options(s, options);
    options->arch = NULL;
    vgg_text_add(&before, "%s", "");
    write_words(s, false, options, &before);
    vgg_text_add(&behind, "/");
    write_words(s, true, options, &behind);
    char *features = vgg_text_take(&before), *head = vgg_text_take(&behind);
    if (features != NULL && head != NULL) {
        /* A slash alone says nothing, except that "B" is a word and no name of the table. */
        bool empty = head[1] == '\0' && *features != '\0' && vgg_arch_find(features) == NULL;
        options->arch = vgg_arch_join(features, empty ? "" : head);
    }
    vgg_free(features);
    vgg_free(head);
    return options->arch != NULL ? VGG_OK : vgg_fail_memory(error, "an architecture", 8 * s->count);
}

/* ---- versions ---- */

bool vgg_arch_is_plain(const char *arch) {
    if (vgg_arch_find(arch) != NULL)
        return true;
    for (; *arch != '\0'; arch++) {
        if (strncmp(arch, "1x1:", 4) == 0)
            arch += 3;
        else if (!isdigit((unsigned char)*arch) && !isspace((unsigned char)*arch) &&
                 strchr(",/MmLl", *arch) == NULL)
            return false;
    }
    return true;
}
