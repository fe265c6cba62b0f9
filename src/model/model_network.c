/* Which network a file holds: what the caller says goes before what the file says of itself, that
 * before what its graph shows, and that before what the names and shapes of its tensors show. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "model/model_load.h"
#include "nn/architecture.h"
#include "nn/network.h"

/* The side of the input of a network that has no classifier, where nothing says another: it takes
 * pictures of many sizes. */
#define FEATURES_SIDE 224

/* ---- one output ---- */

/* A row of zeros before the one that there is. */
static vgg_status add_zero_row(vgg_tensor_source *source, size_t tensor, vgg_error *error) {
    vgg_stored_tensor *stored = &source->tensors[tensor];
    size_t bytes = stored->count * stored->type->bytes;
    void *memory;
    vgg_status status =
        vgg_tensor_source_memory(source, 2 * bytes, "the rows of two classes", &memory, error);
    if (status != VGG_OK)
        return status;
    memset(memory, 0, bytes);
    memcpy((unsigned char *)memory + bytes, stored->bytes, bytes);
    stored->bytes = memory;
    stored->count *= 2;
    stored->shape[0] *= 2;
    return VGG_OK;
}

/* The sigmoid of one output is the softmax of two, of which one is always 0. */
static vgg_status make_two_classes(vgg_loading *l, vgg_error *error) {
    vgg_module *last = &l->modules.items[l->modules.count - 1];
    size_t weight = last->tensors[VGG_TENSOR_WEIGHT], bias = last->tensors[VGG_TENSOR_BIAS];
    if (last->type != VGG_LAYER_LINEAR || last->outputs != 1 || l->source.softmax ||
        bias == VGG_NO_TENSOR || l->source.tensors[bias].count != 1 ||
        !vgg_element_is_weight(l->source.tensors[weight].type->element) ||
        !vgg_element_is_weight(l->source.tensors[bias].type->element))
        return VGG_OK;
    vgg_status status = add_zero_row(&l->source, weight, error);
    if (status == VGG_OK)
        status = add_zero_row(&l->source, bias, error);
    if (status != VGG_OK)
        return status;
    last->outputs = 2;
    l->one_output = true;
    l->source.sigmoid = false;
    vgg_evidence *evidence =
        l->own_evidence.count > 0 ? &l->own_evidence : &l->source.graph.evidence;
    for (size_t i = evidence->count; i-- > 0;) {
        vgg_clue *clue = &evidence->clues[i];
        if (!clue->gap && !clue->flattens && clue->layer.type == VGG_LAYER_LINEAR) {
            clue->layer.outputs = 2;
            break;
        }
    }
    return VGG_OK;
}

/* ---- modules ---- */

/* How many convolutions the told architecture has. */
static size_t told_convolutions(const vgg_loading *l) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = l->options.arch;
    options.padding = VGG_PADDING_SAME;
    vgg_structure structure = {0};
    size_t count = 0;
    if (options.arch == NULL || vgg_structure_read(&options, &structure, NULL) != VGG_OK)
        count = VGG_ANY_MODULES;
    else
        for (size_t i = 0; i < structure.count; i++) {
            count += structure.layers[i].type == VGG_LAYER_CONVOLUTION;
        }
    vgg_structure_free(&structure);
    return count;
}

static const vgg_module *last_linear(const vgg_loading *l) {
    return l->modules.linears > 0
               ? vgg_modules_nth(&l->modules, VGG_LAYER_LINEAR, l->modules.linears - 1)
               : NULL;
}

static vgg_status fail_without_classifier(const vgg_loading *l, vgg_error *error) {
    vgg_text text = {0};
    for (size_t i = 0; i < l->modules.count; i++) {
        const vgg_module *module = &l->modules.items[i];
        if (module->type == VGG_LAYER_CONVOLUTION)
            vgg_text_add(&text, "%s%s%zu", text.length == 0 ? "" : ",",
                         module->kernel == 1 ? "1x1:" : "", module->outputs);
    }
    char *trunk = vgg_text_take(&text);
    if (trunk == NULL)
        return vgg_fail_memory(error, "a list of layers", l->modules.count);
    vgg_fail(error, VGG_ERROR_UNSUPPORTED,
             "%s: has no classifier: its layers with weights are convolutions (%.300s)%s and no "
             "linear layer, which a network that names classes ends in",
             l->path, trunk, l->modules.norms > 0 ? " with batch normalisations" : "");
    vgg_free(trunk);
    return VGG_ERROR_UNSUPPORTED;
}

/* The layers of the file under one of zeros, which nobody asks for anything. */
static vgg_status add_classifier(vgg_loading *l, vgg_error *error) {
    vgg_status status = vgg_modules_add_classifier(&l->source, &l->modules, error);
    if (status != VGG_OK)
        return status;
    const vgg_module *added = last_linear(l);
    vgg_evidence *graph = &l->source.graph.evidence;
    vgg_evidence *evidence = graph->count > 0 ? graph : &l->own_evidence;
    /* What stands behind the last convolution, only the graph knows. */
    if (graph->count == 0) {
        vgg_evidence_free(evidence);
        vgg_modules_evidence(&l->modules, &l->source.listed, evidence);
    } else {
        vgg_evidence_layer(
            evidence, (vgg_structure_layer){.type = VGG_LAYER_LINEAR, .outputs = added->outputs});
    }
    l->headless = true;
    return evidence->failed ? vgg_fail_memory(error, "the list of layers", l->modules.count)
                            : VGG_OK;
}

static vgg_status read_modules(vgg_loading *l, vgg_error *error) {
    bool described = l->description.present;
    vgg_status status;
    if (l->source.graph.evidence.count > 0)
        status = vgg_modules_of_evidence(&l->source, &l->modules, error);
    else
        status = vgg_modules_read(&l->source, told_convolutions(l), described, &l->modules, error);
    if (status != VGG_OK)
        return status;
    if (l->source.graph.evidence.count == 0 && !described)
        vgg_modules_evidence(&l->modules, &l->source.listed, &l->own_evidence);
    if (l->own_evidence.failed)
        return vgg_fail_memory(error, "the list of layers", l->modules.count);
    if (last_linear(l) == NULL)
        return l->options.without_classifier && !described ? add_classifier(l, error)
                                                           : fail_without_classifier(l, error);
    return described ? VGG_OK : make_two_classes(l, error);
}

/* ---- checks ---- */

/* What the caller says of batch normalisation only helps with files that do not show it. */
static vgg_status check_batch_norm(const vgg_loading *l, bool found, vgg_error *error) {
    vgg_answer told = l->options.batch_norm;
    if (told == VGG_ANSWER_UNSAID || (told == VGG_ANSWER_YES) == found)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "%s: is a network with%s batch normalisation, expected one with%s, as was "
                    "asked for",
                    l->path, found ? "" : "out", found ? "out" : "");
}

/* The classes that the caller expects are those that the file has. */
static vgg_status check_classes(const vgg_loading *l, vgg_error *error) {
    const vgg_module *last = last_linear(l);
    if (l->options.classes == 0 || l->options.classes == last->outputs)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "%s: has %zu classes, by its tensor \"%.80s\", expected %zu", l->path,
                    last->outputs, l->source.tensors[last->tensors[VGG_TENSOR_WEIGHT]].name,
                    l->options.classes);
}

/* ---- the network ---- */

/* A file that says what it holds. */
static vgg_status create_described(vgg_loading *l, vgg_error *error) {
    const vgg_model_options *told = &l->options;
    const vgg_description *file = &l->description;
    vgg_network_options *n = &l->network_options;
    vgg_network_options_init(n, sizeof *n);
    l->origin = VGG_ORIGIN_FILE;
    n->arch = file->arch;
    n->layout = file->layout;
    n->batch_norm = file->batch_norm;
    n->channels = file->channels;
    n->height = file->height;
    n->width = file->width;
    n->dropout = file->dropout;
    n->padding = file->padding;
    n->classes = file->labels.count > 0 ? file->labels.count : last_linear(l)->outputs;
    if (told->arch != NULL) {
        n->arch = told->arch;
        l->origin = VGG_ORIGIN_TOLD;
    }
    if (told->layout != VGG_LAYOUT_UNSAID)
        n->layout = told->layout;
    if (told->padding != VGG_PADDING_UNSAID)
        n->padding = told->padding;
    if (told->height > 0)
        n->height = told->height;
    if (told->width > 0)
        n->width = told->width;
    return vgg_network_create(n, &l->network, error);
}

/* A file without a classifier shows neither the input's size nor what happens at the edges, and
 * behind its last convolution it has a ReLU at least. */
static vgg_status choose_headless(vgg_loading *l, vgg_candidates_query query, vgg_error *error) {
    const vgg_architecture *row = query.arch != NULL ? vgg_arch_find(query.arch) : NULL;
    vgg_evidence *evidence = &l->own_evidence;
    query.headless = true;
    query.layout = VGG_LAYOUT_GLOBAL;
    query.arch = row != NULL ? row->convolutions : query.arch;
    l->chosen.size_assumed = query.height == 0 || query.width == 0;
    if (l->chosen.size_assumed)
        query.height = query.width = FEATURES_SIDE;
    if (query.padding == VGG_PADDING_UNSAID)
        query.padding = VGG_PADDING_SAME;
    bool assumed = l->chosen.size_assumed;
    vgg_status status = vgg_candidates_choose(&query, &l->chosen, error);
    if (status == VGG_ERROR_UNSUPPORTED && evidence->count > 1 && query.arch == NULL &&
        evidence->clues[evidence->count - 2].gap) {
        evidence->clues[evidence->count - 2].modules = 2; /* one flattens */
        status = vgg_candidates_choose(&query, &l->chosen, error);
    }
    l->chosen.size_assumed = assumed;
    return status;
}

/* One that shows it. */
static vgg_status create_shown(vgg_loading *l, vgg_error *error) {
    const vgg_model_options *told = &l->options;
    const vgg_graph_facts *graph = &l->source.graph;
    const vgg_module *first = vgg_modules_nth(&l->modules, VGG_LAYER_CONVOLUTION, 0);
    const vgg_module *linear = vgg_modules_nth(&l->modules, VGG_LAYER_LINEAR, 0);
    const vgg_candidates_query query = {
        .path = l->path,
        .evidence = graph->evidence.count > 0 ? &graph->evidence : &l->own_evidence,
        .channels = first->inputs,
        .features = linear->inputs,
        .classes = last_linear(l)->outputs,
        .norms = l->modules.norms,
        .arch = told->arch,
        .layout = told->layout,
        .padding = told->padding,
        .height = told->height > 0    ? told->height
                  : graph->height > 0 ? graph->height
                                      : l->beside.height,
        .width = told->width > 0    ? told->width
                 : graph->width > 0 ? graph->width
                                    : l->beside.width,
        .size_from = told->height == 0 && graph->height == 0 && l->beside.height > 0
                         ? l->beside.size_from
                         : NULL,
        .named_as_torchvision = vgg_modules_named_as_torchvision(&l->modules),
    };
    l->origin = told->arch != NULL                                   ? VGG_ORIGIN_TOLD
                : graph->evidence.count > 0 || l->own_evidence.whole ? graph->origin
                                                                     : VGG_ORIGIN_SHAPES;
    if (first->inputs != 1 && first->inputs != 3)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is not a VGG network for pictures: its first convolution \"%.80s\" "
                        "takes %zu channels, expected 1 or 3",
                        l->path, l->source.tensors[first->tensors[VGG_TENSOR_WEIGHT]].name,
                        first->inputs);
    vgg_status status = l->headless ? choose_headless(l, query, error)
                                    : vgg_candidates_choose(&query, &l->chosen, error);
    if (status != VGG_OK)
        return status;
    if (told->height == 0 && told->width == 0 && graph->size_assumed)
        l->chosen.size_assumed = true;
    return vgg_network_create_from(&l->chosen.structure, query.channels, l->chosen.height,
                                   l->chosen.width, &l->network, error);
}

/* Tensors that stand beside the network are not missed in it. */
static void pass_over(vgg_loading *l) {
    for (size_t i = 0; i < l->names.count; i++) {
        if (l->modules.passed_over[i])
            l->names.items[i].used = true;
    }
}

static vgg_output choose_output(const vgg_loading *l) {
    if (l->options.output != VGG_OUTPUT_UNSAID)
        return l->options.output;
    if (l->description.present)
        return l->description.output;
    return l->source.sigmoid ? VGG_OUTPUT_SIGMOID : VGG_OUTPUT_SOFTMAX;
}

/* What the folder of a file of weights alone says, as programs put it beside them. */
static vgg_status read_configs(vgg_loading *l, vgg_error *error) {
    const vgg_format *format = l->source.format;
    bool folder = (l->input.kind == VGG_BYTES_FILE || l->input.kind == VGG_BYTES_COPY) &&
                  (format == &vgg_format_pth || format == &vgg_format_safetensors);
    size_t classes = last_linear(l)->outputs;
    if (!folder)
        return VGG_OK;
    return vgg_beside_read_configs(&l->source, l->path, l->one_output ? 1 : classes, classes,
                                   &l->beside, error);
}

static vgg_status create(vgg_loading *l, vgg_error *error) {
    bool described = l->description.present;
    l->output = choose_output(l);
    vgg_status status = check_classes(l, error);
    if (status == VGG_OK && !described)
        status = read_configs(l, error);
    if (status == VGG_OK)
        status = check_batch_norm(l, described ? l->description.batch_norm : l->modules.norms > 0,
                                  error);
    if (status != VGG_OK)
        return status;
    vgg_error own;
    status = described ? create_described(l, &own) : create_shown(l, &own);
    if (status != VGG_OK) {
        bool named = strncmp(own.message, l->path, strlen(l->path)) == 0;
        return named ? vgg_fail(error, status, "%s", own.message)
                     : vgg_fail(error, status, "%s: %s", l->path, own.message);
    }
    l->network_options = *vgg_network_describe(l->network);
    l->network->headless = l->headless;
    if (!described || l->source.graph.evidence.count > 0)
        vgg_names_by_order(&l->names, &l->modules, l->network);
    pass_over(l);
    return vgg_loading_facts(l, error);
}

vgg_status vgg_loading_network(vgg_loading *l, vgg_error *error) {
    vgg_error reason = {0};
    vgg_status status =
        l->source.refusal.status != VGG_OK
            ? vgg_fail(&reason, l->source.refusal.status, "%s", l->source.refusal.message)
            : read_modules(l, &reason);
    /* The source has all its tensors now, of whichever network. */
    vgg_status named = vgg_names_read(&l->source, &l->names, error);
    if (named != VGG_OK)
        return named;
    return status == VGG_OK ? create(l, error) : vgg_fail(error, status, "%s", reason.message);
}
