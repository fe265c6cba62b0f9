/* The list of layers itself, and reading a written architecture into it. */
#include "nn/structure.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/architecture.h"

/* ---- the list ---- */

bool vgg_structure_add(vgg_structure *structure, vgg_structure_layer layer) {
    if (structure->count == structure->capacity) {
        size_t capacity = structure->capacity == 0 ? 32 : 2 * structure->capacity;
        vgg_structure_layer *layers =
            vgg_realloc(structure->layers, capacity * sizeof *structure->layers);
        if (layers == NULL)
            return false;
        structure->layers = layers;
        structure->capacity = capacity;
    }
    layer.valid = layer.valid && layer.kernel == 3; /* padding changes nothing for 1x1 */
    layer.flat = layer.flat || layer.type == VGG_LAYER_LINEAR;
    structure->layers[structure->count++] = layer;
    return true;
}

void vgg_structure_free(vgg_structure *structure) {
    vgg_free(structure->layers);
    *structure = (vgg_structure){0};
}

static bool is_head_pool(vgg_layer_type type) {
    return type == VGG_LAYER_AVERAGE_POOL || type == VGG_LAYER_GLOBAL_AVERAGE_POOL ||
           type == VGG_LAYER_GLOBAL_MAX_POOL;
}

static bool is_anywhere(vgg_layer_type type) {
    return type == VGG_LAYER_BATCH_NORM || type == VGG_LAYER_RELU || type == VGG_LAYER_DROPOUT;
}

static bool sees_pictures(vgg_layer_type type) {
    return type == VGG_LAYER_CONVOLUTION || type == VGG_LAYER_MAX_POOL ||
           type == VGG_LAYER_AVERAGE_POOL_2X2 || type == VGG_LAYER_LOCAL_RESPONSE_NORM;
}

/* Whether a layer may stand behind the one before it, NULL for the first. */
static bool may_follow(const vgg_structure_layer *before, const vgg_structure_layer *layer) {
    if (layer->flat)
        return is_anywhere(layer->type) || layer->type == VGG_LAYER_LINEAR;
    bool ended = before != NULL && (before->flat || is_head_pool(before->type));
    return !ended &&
           (is_anywhere(layer->type) || sees_pictures(layer->type) || is_head_pool(layer->type));
}

static bool has_numbers(const vgg_structure_layer *layer, bool last) {
    size_t most = last ? VGG_MOST_CLASSES : VGG_MOST_CHANNELS;
    switch (layer->type) {
    case VGG_LAYER_CONVOLUTION:
        return layer->outputs > 0 && layer->outputs <= most &&
               (layer->kernel == 3 || layer->kernel == 1);
    case VGG_LAYER_LINEAR:
        return layer->outputs > 0 && layer->outputs <= most;
    case VGG_LAYER_DROPOUT:
        return layer->dropout >= 0 && layer->dropout < 1;
    default:
        return true;
    }
}

vgg_status vgg_structure_check(const vgg_structure *structure, vgg_error *error) {
    if (structure->count == 0 || structure->layers[structure->count - 1].type != VGG_LAYER_LINEAR)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the network does not end in a linear layer");
    if (structure->count > VGG_MOST_WORDS)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the network has %zu layers, expected up to %d",
                        structure->count, VGG_MOST_WORDS);
    for (size_t i = 0; i < structure->count; i++) {
        const vgg_structure_layer *layer = &structure->layers[i];
        if (!may_follow(i > 0 ? layer - 1 : NULL, layer))
            return vgg_fail(error, VGG_ERROR_ARGUMENT, "layer %zu, %s, cannot stand where it does",
                            i + 1, vgg_layer_type_name(layer->type));
        if (!has_numbers(layer, i + 1 == structure->count))
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "layer %zu, %s, has %zu outputs, a kernel of %zu and a dropout of %g",
                            i + 1, vgg_layer_type_name(layer->type), layer->outputs, layer->kernel,
                            layer->dropout);
    }
    return VGG_OK;
}

/* ---- words ---- */

/* A list of comma-separated words being read. */
typedef struct word_list {
    const char *arch; /* the whole, for messages */
    const char *at;
    size_t word; /* number of the current word, from 1 */
} word_list;

/* Longer than any word that means something. */
#define WORD 40

/* Copies the next word into `word`, without the spaces around it; false at the end of the list. */
static bool next_word(word_list *reader, char stop, char word[WORD]) {
    const char *at = reader->at;
    if (*at == '\0' || *at == stop)
        return false;
    size_t length = strcspn(at, stop == '\0' ? "," : ",/");
    reader->at = at + length + (at[length] == ',');
    reader->word++;
    while (length > 0 && isspace((unsigned char)*at)) {
        at++;
        length--;
    }
    while (length > 0 && isspace((unsigned char)at[length - 1])) {
        length--;
    }
    bool fits = length < WORD;
    memcpy(word, at, fits ? length : WORD - 1);
    word[fits ? length : WORD - 1] = '\0';
    if (!fits)
        memcpy(word + WORD - 4, "...", 3); /* no word ends like this */
    return true;
}

/* A whole number 1..VGG_MOST_CHANNELS at the beginning of a text, and where it ends; else 0. */
static size_t read_width(const char *text, const char **end) {
    char *behind;
    *end = text;
    if (!isdigit((unsigned char)*text))
        return 0;
    unsigned long value = strtoul(text, &behind, 10);
    *end = behind;
    return value <= VGG_MOST_CHANNELS ? value : 0;
}

/* What a written architecture is read for. */
typedef struct reading {
    const vgg_network_options *options;
    vgg_structure *structure;
    bool failed; /* memory ran out */
} reading;

static void add(reading *r, vgg_structure_layer layer) {
    r->failed = !vgg_structure_add(r->structure, layer) || r->failed;
}

static void add_type(reading *r, vgg_layer_type type, bool flat) {
    add(r, (vgg_structure_layer){.type = type, .flat = flat});
}

static void add_dropout(reading *r, double probability, bool flat) {
    add(r, (vgg_structure_layer){.type = VGG_LAYER_DROPOUT, .flat = flat, .dropout = probability});
}

/* The words of both sides: B, R, D0.5. */
static bool read_anywhere(reading *r, const char *word, bool flat) {
    double probability;
    bool norm = strcasecmp(word, "B") == 0;
    if (norm || strcasecmp(word, "R") == 0)
        add_type(r, norm ? VGG_LAYER_BATCH_NORM : VGG_LAYER_RELU, flat);
    else if ((*word == 'D' || *word == 'd') && vgg_probability_read(word + 1, &probability))
        add_dropout(r, probability, flat);
    else
        return false;
    return true;
}

static bool read_convolution(reading *r, const char *word) {
    bool bare = *word == 'c' || *word == 'C';
    word += bare;
    vgg_structure_layer layer = {.type = VGG_LAYER_CONVOLUTION,
                                 .kernel = 3,
                                 .valid = r->options->padding == VGG_PADDING_VALID};
    if (strncmp(word, "1x1:", 4) == 0) {
        layer.kernel = 1;
        word += 4;
    }
    layer.outputs = read_width(word, &word);
    if (*word == 'v' || *word == 's')
        layer.valid = *word++ == 'v';
    if (layer.outputs == 0 || *word != '\0')
        return false;
    add(r, layer);
    if (!bare && r->options->batch_norm)
        add_type(r, VGG_LAYER_BATCH_NORM, false);
    if (!bare)
        add_type(r, VGG_LAYER_RELU, false);
    return true;
}

static bool read_feature(reading *r, const char *word) {
    if (strcasecmp(word, "M") == 0)
        add_type(r, VGG_LAYER_MAX_POOL, false);
    else if (strcasecmp(word, "P") == 0)
        add_type(r, VGG_LAYER_AVERAGE_POOL_2X2, false);
    else if (strcasecmp(word, "L") == 0)
        add_type(r, VGG_LAYER_LOCAL_RESPONSE_NORM, false);
    else
        return read_anywhere(r, word, false) || read_convolution(r, word);
    return true;
}

static bool read_hidden(reading *r, const char *word) {
    if (read_anywhere(r, word, true))
        return true;
    bool bare = *word == 'f' || *word == 'F', paper = r->options->layout == VGG_LAYOUT_PAPER;
    size_t width = read_width(word + bare, &word);
    if (width == 0 || *word != '\0')
        return false;
    add(r, (vgg_structure_layer){.type = VGG_LAYER_LINEAR, .flat = true, .outputs = width});
    if (bare)
        return true;
    if (paper)
        add_dropout(r, r->options->dropout, true);
    add_type(r, VGG_LAYER_RELU, true);
    if (!paper)
        add_dropout(r, r->options->dropout, true);
    return true;
}

static vgg_status read_features(reading *r, word_list *reader, vgg_error *error) {
    char word[WORD];
    for (size_t count = 0; next_word(reader, '/', word); count++) {
        if (count == VGG_MOST_WORDS)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "architecture with more than %d words before the slash",
                            VGG_MOST_WORDS);
        bool read = read_feature(r, word);
        if (!read && strpbrk(word, " \t") != NULL)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "architecture \"%s\": word %zu is \"%s\"; words are separated by "
                            "commas, as in 32,32,M,64,64,M/256",
                            reader->arch, reader->word, word);
        if (!read)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "architecture \"%s\": word %zu is \"%s\", expected a number of "
                            "channels up to %d, 1x1:N, M, P, L, B, R or D with a probability; or "
                            "one of A, A-LRN, B, C, D and E for the whole",
                            reader->arch, reader->word, word, VGG_MOST_CHANNELS);
    }
    return VGG_OK;
}

static vgg_status read_head(reading *r, word_list *reader, vgg_error *error) {
    char word[WORD];
    for (size_t count = 0; next_word(reader, '\0', word); count++) {
        if (count == VGG_MOST_WORDS)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "architecture with more than %d hidden linear layers", VGG_MOST_WORDS);
        if (!read_hidden(r, word))
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "architecture \"%s\": word %zu is \"%s\", expected the width of a "
                            "hidden linear layer up to %d, or B, R or D with a probability",
                            reader->arch, reader->word, word, VGG_MOST_CHANNELS);
    }
    return VGG_OK;
}

static void add_head_pool(reading *r) {
    static const vgg_layer_type pools[] = {
        [VGG_LAYOUT_TORCHVISION] = VGG_LAYER_AVERAGE_POOL,
        [VGG_LAYOUT_GLOBAL] = VGG_LAYER_GLOBAL_AVERAGE_POOL,
        [VGG_LAYOUT_GLOBAL_MAX] = VGG_LAYER_GLOBAL_MAX_POOL,
    };
    if (r->options->layout != VGG_LAYOUT_PAPER)
        add_type(r, pools[r->options->layout], false);
}

vgg_status vgg_structure_read(const vgg_network_options *options, vgg_structure *structure,
                              vgg_error *error) {
    *structure = (vgg_structure){0};
    if (*options->arch == '\0')
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the architecture is empty; expected one of A, A-LRN, B, C, D and E, or "
                        "one such as \"32,32,M,64,64,M/256\"");
    reading r = {.options = options, .structure = structure};
    const vgg_architecture *row = vgg_arch_find(options->arch);
    word_list words = {.arch = options->arch,
                       .at = row != NULL ? row->convolutions : options->arch};
    vgg_status status = read_features(&r, &words, error);
    if (status != VGG_OK)
        return status;
    add_head_pool(&r);
    words.at = row != NULL ? VGG_ARCH_HIDDEN : words.at + (*words.at == '/');
    status = read_head(&r, &words, error);
    add(&r,
        (vgg_structure_layer){.type = VGG_LAYER_LINEAR, .flat = true, .outputs = options->classes});
    if (status == VGG_OK && r.failed)
        status = vgg_fail_memory(error, "an architecture",
                                 (structure->count + 1) * sizeof *structure->layers);
    return status;
}
