/* Reading Darknet weights (github.com/pjreddie/darknet, src/parser.c): three numbers of a version,
 * the number of pictures seen in training, and then the values of all layers, float32, without any
 * names or shapes. For which network they are is what the caller says or the number of values
 * shows. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/format.h"
#include "formats/norm_fold.h"
#include "formats/sniff.h"
#include "nn/network.h"

/* What Darknet adds to the square root of the variance. */
#define DARKNET_EPSILON 1e-6

enum { TABLE_CLASSES = 1000 };

/* A network that the file may be of. */
typedef struct fit {
    const char *arch;
    bool batch_norm;
    size_t fixed, each; /* values without the last layer's, and its values for each class */
    size_t classes;     /* 0: does not fit */
} fit;

static vgg_status read_header(const vgg_tensor_source *source, size_t *header, size_t *count,
                              vgg_error *error) {
    const unsigned char *map = source->storage.map;
    size_t size = source->storage.size;
    bool wide = 10 * vgg_darknet_number(map) + vgg_darknet_number(map + 4) >= 2;
    *header = VGG_DARKNET_VERSION_BYTES + (wide ? 8 : 4);
    if (size <= *header)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is truncated at byte %zu, expected values behind the %zu bytes of a "
                        "Darknet file's header",
                        source->path, size, *header);
    *count = (size - *header) / sizeof(float);
    if ((size - *header) % sizeof(float) != 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has %zu bytes behind the %zu of a Darknet file's header, expected "
                        "values of 4 bytes each: it is truncated, or of another kind",
                        source->path, size - *header, *header);
    return VGG_OK;
}

/* ---- which network ---- */

/* Darknet flattens what the last pool gives; its pools keep what VGG's do for even sizes. */
static vgg_status make_network(const vgg_tensor_source *source, const fit *of, size_t classes,
                               vgg_network **network, vgg_error *error) {
    const vgg_hints *told = source->told;
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = of->arch;
    options.batch_norm = of->batch_norm;
    options.classes = classes;
    options.layout = VGG_LAYOUT_PAPER;
    if (told != NULL && told->layout != VGG_LAYOUT_UNSAID)
        options.layout = told->layout;
    if (told != NULL && told->height > 0 && told->width > 0) {
        options.height = told->height;
        options.width = told->width;
    }
    vgg_status status = vgg_network_create(&options, network, error);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", source->path);
    return status;
}

/* How many classes the network has when the file's values are its own. */
static vgg_status find_classes(const vgg_tensor_source *source, fit *of, size_t count,
                               vgg_error *error) {
    vgg_network *network;
    vgg_status status = make_network(source, of, 1, &network, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; i < network->tensor_count; i++) {
        of->fixed += network->tensors[i].info.count;
    }
    /* What is normalised has no bias of its own in the file. */
    for (size_t i = 0; of->batch_norm && i < network->layer_count; i++) {
        if (network->layers[i].type == VGG_LAYER_CONVOLUTION)
            of->fixed -= network->layers[i].output.channels;
    }
    /* With one class the last two tensors are a row of the weight and a bias. */
    of->each = network->tensors[network->tensor_count - 2].info.count + 1;
    of->fixed -= of->each;
    if (count > of->fixed && (count - of->fixed) % of->each == 0)
        of->classes = (count - of->fixed) / of->each;
    vgg_network_free(network);
    return VGG_OK;
}

/* The architecture was told. */
static vgg_status fit_told(const vgg_tensor_source *source, size_t count, fit *found,
                           vgg_error *error) {
    const vgg_hints *told = source->told;
    fit fits[2] = {{.arch = told->arch, .batch_norm = false},
                   {.arch = told->arch, .batch_norm = true}};
    vgg_status status = find_classes(source, &fits[0], count, error);
    if (status == VGG_OK)
        status = find_classes(source, &fits[1], count, error);
    if (status != VGG_OK)
        return status;
    if (told->batch_norm != VGG_ANSWER_UNSAID)
        fits[told->batch_norm == VGG_ANSWER_NO].classes = 0;
    if (fits[0].classes > 0 && fits[1].classes > 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has %zu values, which are those of %.100s with %zu classes or, with "
                        "batch normalisation, %zu: say whether it has batch normalisation",
                        source->path, count, told->arch, fits[0].classes, fits[1].classes);
    *found = fits[0].classes > 0 ? fits[0] : fits[1];
    if (found->classes > 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: has %zu values, expected %zu (%zu with batch normalisation) and %zu for "
                    "each class, for architecture %.100s and the input's size",
                    source->path, count, fits[0].fixed, fits[1].fixed, fits[0].each, told->arch);
}

/* The first row of the table that has as many values. A-LRN, which has those of A, comes behind
 * it. */
static vgg_status fit_table(const vgg_tensor_source *source, size_t count, fit *found,
                            vgg_error *error) {
    const vgg_architecture *row;
    vgg_answer told = source->told != NULL ? source->told->batch_norm : VGG_ANSWER_UNSAID;
    for (size_t i = 0; (row = vgg_architecture_at(i)) != NULL; i++) {
        for (int norm = 0; norm < 2; norm++) {
            if (told != VGG_ANSWER_UNSAID && (told == VGG_ANSWER_YES) != (norm == 1))
                continue;
            *found = (fit){.arch = row->name, .batch_norm = norm == 1};
            vgg_status status = find_classes(source, found, count, error);
            if (status != VGG_OK || found->classes == TABLE_CLASSES)
                return status;
        }
    }
    return vgg_fail(
        error, VGG_ERROR_UNSUPPORTED,
        "%s: has %zu values and does not say of which network; they are those of none "
        "of A, B, C, D and E with %d classes: give the architecture, unless the file is "
        "truncated",
        source->path, count, TABLE_CLASSES);
}

/* ---- its tensors ---- */

typedef struct placing {
    vgg_tensor_source *source;
    const vgg_network *network;
    const unsigned char *at; /* the next value */
} placing;

static vgg_stored_tensor *describe(placing *p, size_t tensor) {
    const vgg_tensor_info *info = &p->network->tensors[tensor].info;
    vgg_stored_tensor *stored = &p->source->tensors[tensor];
    stored->type = vgg_element_type_named("F32");
    stored->dimensions = info->dimensions;
    stored->count = info->count;
    memcpy(stored->shape, info->shape, info->dimensions * sizeof *info->shape);
    return stored;
}

static void take(placing *p, size_t tensor) {
    vgg_stored_tensor *stored = describe(p, tensor);
    stored->bytes = p->at;
    p->at += stored->count * sizeof(float);
}

/* A convolution that is normalised has its bias behind the normalisation. */
static vgg_status take_normalised(placing *p, const vgg_layer *layer, const vgg_layer *norm,
                                  vgg_error *error) {
    static const vgg_norm_rule rule = {1, 0, DARKNET_EPSILON};
    take(p, norm->first_tensor + VGG_TENSOR_BIAS);
    take(p, norm->first_tensor + VGG_TENSOR_WEIGHT);
    take(p, norm->first_tensor + VGG_TENSOR_MEAN);
    take(p, norm->first_tensor + VGG_TENSOR_VARIANCE);
    take(p, layer->first_tensor + VGG_TENSOR_WEIGHT);
    vgg_stored_tensor zeros, *bias = describe(p, layer->first_tensor + VGG_TENSOR_BIAS);
    vgg_status status =
        vgg_tensor_source_vector(p->source, bias->count, 0, "a bias of zeros", &zeros, error);
    if (status != VGG_OK)
        return status;
    bias->bytes = zeros.bytes;
    return vgg_norm_fold(p->source, norm->name, &rule, &p->source->tensors[norm->first_tensor],
                         error);
}

static vgg_status place_values(placing *p, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < p->network->layer_count; i++) {
        const vgg_layer *layer = &p->network->layers[i];
        if (layer->type != VGG_LAYER_CONVOLUTION && layer->type != VGG_LAYER_LINEAR)
            continue;
        if (layer->type == VGG_LAYER_CONVOLUTION && p->network->options.batch_norm) {
            status = take_normalised(p, layer, layer + 1, error);
            continue;
        }
        take(p, layer->first_tensor + VGG_TENSOR_BIAS);
        take(p, layer->first_tensor + VGG_TENSOR_WEIGHT);
    }
    for (size_t i = 0; status == VGG_OK && i < p->network->tensor_count; i++) {
        p->source->tensors[i].name = vgg_text_copy(p->network->tensors[i].info.name);
        if (p->source->tensors[i].name == NULL)
            status = vgg_fail_memory(error, "a tensor's name", VGG_TENSOR_NAME);
    }
    return status;
}

static vgg_status take_evidence(vgg_tensor_source *source, const vgg_network *network,
                                vgg_error *error) {
    vgg_structure structure;
    vgg_status status = vgg_structure_read(&network->options, &structure, error);
    if (status == VGG_OK)
        vgg_evidence_structure(&source->graph.evidence, &structure);
    vgg_structure_free(&structure);
    if (status == VGG_OK && source->graph.evidence.failed)
        status = vgg_fail_memory(error, "the list of layers", network->layer_count);
    return status;
}

static vgg_status load(vgg_tensor_source *source, vgg_error *error) {
    size_t header = 0, count = 0;
    fit found = {0};
    vgg_network *network = NULL;
    vgg_status status = read_header(source, &header, &count, error);
    if (status == VGG_OK)
        status = source->told != NULL && source->told->arch != NULL
                     ? fit_told(source, count, &found, error)
                     : fit_table(source, count, &found, error);
    if (status == VGG_OK)
        status = make_network(source, &found, found.classes, &network, error);
    if (status != VGG_OK)
        return status;
    source->preset = "unit";
    source->graph.origin = VGG_ORIGIN_SIZE;
    source->graph.height = network->options.height;
    source->graph.width = network->options.width;
    status = take_evidence(source, network, error);
    placing p = {source, network, source->storage.map + header};
    if (status == VGG_OK)
        status = vgg_tensor_source_reserve(source, network->tensor_count, error);
    if (status == VGG_OK)
        status = place_values(&p, error);
    vgg_network_free(network);
    return status;
}

const vgg_format vgg_format_darknet = {
    .name = "darknet",
    .endings = ".weights",
    .sniff = vgg_darknet_sniff,
    .load = load,
};
