/* What the modules of a network that was pickled whole are: the layers of torch.nn by the names of
 * their classes, with the attributes that say what they compute. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "formats/norm_fold.h"
#include "formats/pth/pth_module.h"
#include "nn/definition.h"

/* A module that is looked at. */
typedef struct looking {
    vgg_tensor_source *source;
    const vgg_pickle *pickle;
    const char *name;
    const vgg_pickle_value *module, *attributes;
    vgg_listed_module found;
    char class[VGG_PICKLE_NAME_TEXT];
} looking;

static vgg_status fail_layer(const looking *l, const char *what, const char *expected,
                             vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: its module \"%.80s\" (%.80s) %s%s%s",
                    l->source->path, l->name, l->class, what,
                    expected[0] != '\0' ? ", expected " : "", expected);
}

/* ---- attributes ---- */

/* A whole number, or two of them, one for each direction. A module of an early version may lack the
 * attribute, and then has the value that is usual. */
static bool read_pair(const looking *l, const char *key, int64_t usual, int64_t pair[2]) {
    const vgg_pickle_value *value = vgg_pth_find(l->pickle, l->attributes, key), *parts[3];
    bool one = value != NULL && value->kind == VGG_PICKLE_INTEGER;
    pair[0] = pair[1] = one ? value->integer : usual;
    if (one || value == NULL)
        return true;
    size_t count = value->kind == VGG_PICKLE_TUPLE || value->kind == VGG_PICKLE_LIST
                       ? vgg_pickle_items(l->pickle, value, parts, 3)
                       : 0;
    if (count < 1 || count > 2 || parts[0]->kind != VGG_PICKLE_INTEGER ||
        parts[count - 1]->kind != VGG_PICKLE_INTEGER)
        return false;
    pair[0] = parts[0]->integer;
    pair[1] = parts[count - 1]->integer;
    return true;
}

static double read_number(const looking *l, const char *key, double usual) {
    const vgg_pickle_value *value = vgg_pth_find(l->pickle, l->attributes, key);
    if (value != NULL && value->kind == VGG_PICKLE_NUMBER)
        return value->number;
    return value != NULL && value->kind == VGG_PICKLE_INTEGER ? (double)value->integer : usual;
}

static bool is_true(const looking *l, const char *key) {
    const vgg_pickle_value *value = vgg_pth_find(l->pickle, l->attributes, key);
    return value != NULL && value->kind == VGG_PICKLE_BOOL && value->integer != 0;
}

static bool is_said(const looking *l, const char *key, const char *text) {
    const vgg_pickle_value *value = vgg_pth_find(l->pickle, l->attributes, key);
    return value != NULL && vgg_pickle_is_text(value, text);
}

/* The attribute must have this value in both directions. */
static vgg_status check_pair(const looking *l, const char *key, int64_t usual, int64_t expected,
                             vgg_error *error) {
    int64_t pair[2];
    char what[96], wanted[32];
    bool read = read_pair(l, key, usual, pair);
    if (read && pair[0] == expected && pair[1] == expected)
        return VGG_OK;
    snprintf(wanted, sizeof wanted, "%" PRId64, expected);
    if (read)
        snprintf(what, sizeof what, "has %s %" PRId64 "x%" PRId64, key, pair[0], pair[1]);
    else
        snprintf(what, sizeof what, "has a %s that is no number", key);
    return fail_layer(l, what, wanted, error);
}

/* ---- layers with tensors ---- */

static vgg_status read_convolution(looking *l, vgg_error *error) {
    int64_t kernel[2], padding[2];
    l->found.kind = VGG_LISTED_WEIGHTS;
    if (is_true(l, "transposed"))
        return fail_layer(l, "is transposed", "", error);
    vgg_status status = check_pair(l, "stride", 1, 1, error);
    if (status == VGG_OK)
        status = check_pair(l, "dilation", 1, 1, error);
    if (status == VGG_OK)
        status = check_pair(l, "groups", 1, 1, error);
    if (status != VGG_OK)
        return status;
    bool padded = is_said(l, "padding", "same");
    bool read = read_pair(l, "kernel_size", 0, kernel);
    bool known = padded || is_said(l, "padding", "valid") || read_pair(l, "padding", 0, padding);
    if (padded)
        padding[0] = padding[1] = (kernel[0] - 1) / 2;
    else if (is_said(l, "padding", "valid"))
        padding[0] = padding[1] = 0;
    bool small = read && kernel[0] == 3 && kernel[1] == 3;
    if (!read || !known || padding[0] != padding[1] || padding[0] < 0 ||
        padding[0] > (small ? 1 : 0))
        return fail_layer(l, "has a padding that no layer of a VGG network has",
                          small ? "1 or 0" : "0", error);
    const vgg_pickle_value *mode = vgg_pth_find(l->pickle, l->attributes, "padding_mode");
    if (padding[0] > 0 && mode != NULL && !vgg_pickle_is_text(mode, "zeros"))
        return fail_layer(l, "pads with something else than zeros", "", error);
    l->found.clue.edges_known = true;
    l->found.clue.layer.valid = padding[0] == 0;
    return VGG_OK;
}

static vgg_status read_weights(looking *l, vgg_error *error) {
    (void)error;
    l->found.kind = VGG_LISTED_WEIGHTS;
    return VGG_OK;
}

/* The number of the module's tensor of that name; the count of all when there is none. */
static size_t find_tensor(const looking *l, const char *field) {
    size_t i = 0, length = strlen(l->name);
    for (; i < l->source->tensor_count; i++) {
        const char *name = l->source->tensors[i].name;
        if (length == 0 ? strcmp(name, field) == 0
                        : strncmp(name, l->name, length) == 0 && name[length] == '.' &&
                              strcmp(name + length + 1, field) == 0)
            break;
    }
    return i;
}

/* Its own epsilon goes into its figures. */
static vgg_status read_batch_norm(looking *l, vgg_error *error) {
    static const char *const fields[] = {"weight", "bias", "running_mean", "running_var"};
    const vgg_norm_rule rule = {.scale = 1,
                                .inside = read_number(l, "eps", VGG_BATCH_NORM_EPSILON)};
    vgg_stored_tensor figures[4];
    size_t numbers[4], all = l->source->tensor_count;
    l->found.kind = VGG_LISTED_WEIGHTS;
    if (rule.inside == VGG_BATCH_NORM_EPSILON)
        return VGG_OK;
    for (size_t i = 0; i < 4; i++) {
        numbers[i] = find_tensor(l, fields[i]);
        if (numbers[i] == all || l->source->tensors[numbers[i]].dimensions != 1 ||
            !vgg_element_is_weight(l->source->tensors[numbers[i]].type->element) ||
            l->source->tensors[numbers[i]].count != l->source->tensors[numbers[0]].count)
            return fail_layer(l, "has an epsilon of its own, and lacks one of its four tensors", "",
                              error);
        figures[i] = l->source->tensors[numbers[i]];
    }
    vgg_status status = vgg_norm_fold(l->source, l->name, &rule, figures, error);
    for (size_t i = 0; status == VGG_OK && i < 4; i++) {
        l->source->tensors[numbers[i]] = figures[i];
    }
    return status;
}

/* ---- layers without ---- */

static void take_layer(looking *l, vgg_layer_type type) {
    l->found.kind = VGG_LISTED_LAYER;
    l->found.clue.layer.type = type;
}

static vgg_status read_relu(looking *l, vgg_error *error) {
    (void)error;
    take_layer(l, VGG_LAYER_RELU);
    return VGG_OK;
}

static vgg_status read_nothing(looking *l, vgg_error *error) {
    (void)error;
    l->found.kind = VGG_LISTED_NOTHING;
    return VGG_OK;
}

static vgg_status read_dropout(looking *l, vgg_error *error) {
    double probability = read_number(l, "p", 0.5);
    if (!(probability > 0 && probability < 1))
        return read_nothing(l, error);
    take_layer(l, VGG_LAYER_DROPOUT);
    l->found.clue.layer.dropout = probability;
    return VGG_OK;
}

static vgg_status read_flatten(looking *l, vgg_error *error) {
    if (read_number(l, "start_dim", 1) != 1 || read_number(l, "end_dim", -1) != -1)
        return fail_layer(l, "does not flatten all of a picture", "", error);
    l->found.kind = VGG_LISTED_LAYER;
    l->found.clue.flattens = true;
    return VGG_OK;
}

static vgg_status read_pool(looking *l, vgg_error *error) {
    vgg_status status = check_pair(l, "kernel_size", 2, 2, error);
    const vgg_pickle_value *stride = vgg_pth_find(l->pickle, l->attributes, "stride");
    if (status == VGG_OK && stride != NULL && stride->kind != VGG_PICKLE_NONE)
        status = check_pair(l, "stride", 2, 2, error);
    if (status == VGG_OK)
        status = check_pair(l, "padding", 0, 0, error);
    if (status == VGG_OK)
        status = check_pair(l, "dilation", 1, 1, error);
    if (status == VGG_OK && is_true(l, "ceil_mode"))
        status = fail_layer(l, "rounds sizes up (ceil_mode)", "", error);
    const vgg_pickle_value *divisor = vgg_pth_find(l->pickle, l->attributes, "divisor_override");
    if (status == VGG_OK && divisor != NULL && divisor->kind != VGG_PICKLE_NONE)
        status = fail_layer(l, "has a divisor of its own", "", error);
    bool average = strstr(l->class, ".AvgPool2d") != NULL;
    take_layer(l, average ? VGG_LAYER_AVERAGE_POOL_2X2 : VGG_LAYER_MAX_POOL);
    return status;
}

/* torch.nn.AdaptiveAvgPool2d and AdaptiveMaxPool2d. */
static vgg_status read_adaptive(looking *l, vgg_error *error) {
    int64_t size[2];
    bool average = strstr(l->class, ".AdaptiveAvgPool2d") != NULL;
    bool read = read_pair(l, "output_size", 0, size) && size[0] == size[1];
    if (!read || !(size[0] == 1 || (average && size[0] == 7)))
        return fail_layer(l, "gives another size", average ? "1x1 or 7x7" : "1x1", error);
    take_layer(l, !average       ? VGG_LAYER_GLOBAL_MAX_POOL
                  : size[0] == 7 ? VGG_LAYER_AVERAGE_POOL
                                 : VGG_LAYER_GLOBAL_AVERAGE_POOL);
    return VGG_OK;
}

static vgg_status read_response_norm(looking *l, vgg_error *error) {
    double alpha = read_number(l, "alpha", 1e-4) / VGG_LRN_SIZE;
    if (read_number(l, "size", 0) != VGG_LRN_SIZE || read_number(l, "k", 1) != VGG_LRN_K ||
        read_number(l, "beta", 0.75) != VGG_LRN_BETA ||
        !(fabs(alpha - VGG_LRN_ALPHA) < 1e-6 * VGG_LRN_ALPHA))
        return fail_layer(l, "has other constants than the paper's", "", error);
    take_layer(l, VGG_LAYER_LOCAL_RESPONSE_NORM);
    return VGG_OK;
}

/* What makes probabilities of logits stands at the end, or computes something else. */
static vgg_status read_softmax(looking *l, vgg_error *error) {
    (void)error;
    l->found.kind = VGG_LISTED_NOTHING;
    l->source->softmax = true;
    return VGG_OK;
}

static vgg_status read_sigmoid(looking *l, vgg_error *error) {
    (void)error;
    l->found.kind = VGG_LISTED_NOTHING;
    l->source->sigmoid = true;
    return VGG_OK;
}

static const struct {
    const char *class;
    vgg_status (*read)(looking *l, vgg_error *error);
} classes[] = {
    {"Conv2d", read_convolution},
    {"Linear", read_weights},
    {"BatchNorm2d", read_batch_norm},
    {"BatchNorm1d", read_batch_norm},
    {"ReLU", read_relu},
    {"MaxPool2d", read_pool},
    {"AvgPool2d", read_pool},
    {"AdaptiveAvgPool2d", read_adaptive},
    {"AdaptiveMaxPool2d", read_adaptive},
    {"LocalResponseNorm", read_response_norm},
    {"Dropout", read_dropout},
    {"Dropout1d", read_nothing},
    {"Dropout2d", read_nothing},
    {"AlphaDropout", read_nothing},
    {"FeatureAlphaDropout", read_nothing},
    {"Identity", read_nothing},
    {"Flatten", read_flatten},
    {"Softmax", read_softmax},
    {"LogSoftmax", read_softmax},
    {"Sigmoid", read_sigmoid},
};

/* ---- one module ---- */

static bool begins_with(const char *text, const char *beginning) {
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool is_told(const looking *l) {
    return l->source->told != NULL && l->source->told->arch != NULL;
}

/* Of a class that is not torch's: one with tensors is a layer by these, and one without may compute
 * anything. */
static vgg_status read_other(looking *l, vgg_error *error) {
    const vgg_pickle_value *parameters = vgg_pth_find(l->pickle, l->attributes, "_parameters");
    if (vgg_pth_find(l->pickle, l->attributes, "kernel_size") != NULL &&
        vgg_pth_find(l->pickle, l->attributes, "in_channels") != NULL)
        return read_convolution(l, error);
    if (parameters->items.first != VGG_PICKLE_END)
        return read_weights(l, error);
    return fail_layer(l,
                      "is of a class that may compute anything; if it is none that a VGG network "
                      "lacks, say the architecture (--arch)",
                      "", error);
}

static vgg_status read_module(looking *l, vgg_error *error) {
    if (!begins_with(l->class, "torch.nn."))
        return read_other(l, error);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(strrchr(l->class, '.') + 1, classes[i].class) == 0)
            return classes[i].read(l, error);
    }
    if (begins_with(l->class, "torch.nn.modules.loss."))
        return read_nothing(l, error);
    return fail_layer(l, "is no layer of a VGG network", "", error);
}

static bool ends_network(const looking *l) {
    return strstr(l->class, "Softmax") != NULL || strstr(l->class, ".Sigmoid") != NULL;
}

typedef struct listing {
    vgg_tensor_source *source;
    const vgg_pickle *pickle;
    char end[VGG_PTH_MODULE_NAME]; /* the softmax or sigmoid that was passed; "" for none */
} listing;

static vgg_status list_module(void *context, const char *name, const vgg_pickle_value *module,
                              bool follows, vgg_error *error) {
    listing *at = context;
    looking l = {.source = at->source,
                 .pickle = at->pickle,
                 .name = name,
                 .module = module,
                 .attributes = vgg_pickle_attributes(at->pickle, module)};
    snprintf(l.class, sizeof l.class, "?");
    if (module->name != VGG_PICKLE_NO_NAME)
        vgg_pickle_name_text(&at->pickle->names[module->name], l.class);
    vgg_error reason = {0};
    vgg_status status = read_module(&l, &reason);
    /* A told architecture rules over modules without tensors. */
    if (status == VGG_ERROR_UNSUPPORTED && is_told(&l) && l.found.kind != VGG_LISTED_WEIGHTS) {
        l.found.kind = VGG_LISTED_NOTHING;
        status = VGG_OK;
    }
    if (status != VGG_OK)
        return vgg_fail(error, status, "%s", reason.message);
    if (ends_network(&l))
        snprintf(at->end, sizeof at->end, "%s", name);
    bool computes = l.found.kind == VGG_LISTED_WEIGHTS ||
                    (l.found.kind == VGG_LISTED_LAYER && l.found.clue.layer.type == VGG_LAYER_RELU);
    if (at->end[0] != '\0' && computes && !is_told(&l))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its module \"%.80s\" makes probabilities, and \"%.80s\" stands behind "
                        "it, expected it at the end",
                        at->source->path, at->end, name);
    l.found.follows = follows;
    return vgg_listed_add(&at->source->listed, name, l.found)
               ? VGG_OK
               : vgg_fail_memory(error, "a list of modules", strlen(name));
}

/* Of layers in a row none may stand behind the last with weights. */
static vgg_status check_end(const vgg_tensor_source *source, vgg_error *error) {
    const vgg_listed *listed = &source->listed;
    bool told = source->told != NULL && source->told->arch != NULL;
    size_t last = listed->count;
    for (size_t i = 0; i < listed->count; i++) {
        if (listed->items[i].kind == VGG_LISTED_WEIGHTS)
            last = i;
    }
    for (size_t i = last + 1; i < listed->count && listed->items[i].follows; i++) {
        const vgg_listed_module *item = &listed->items[i];
        if (item->kind == VGG_LISTED_LAYER && !item->clue.flattens &&
            item->clue.layer.type != VGG_LAYER_DROPOUT && !told)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: its module \"%.80s\" stands behind its last layer with weights, "
                            "\"%.80s\", which a VGG network ends in",
                            source->path, item->name, listed->items[last].name);
    }
    return VGG_OK;
}

vgg_status vgg_pth_list_modules(vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *module, vgg_error *error) {
    listing at = {.source = source, .pickle = pickle};
    vgg_status status = vgg_pth_visit_module(
        source, pickle, module, &(vgg_pth_visitor){.context = &at, .module = list_module}, error);
    source->graph.origin = VGG_ORIGIN_GRAPH;
    return status == VGG_OK ? check_end(source, error) : status;
}
