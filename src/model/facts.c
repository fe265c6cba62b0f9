/* What is known of the network of a file, line by line, and how it is known. */

#include "base/error.h"
#include "base/memory.h"
#include "model/bind.h"
#include "model/model_load.h"

/* Of names beside the network. */
#define NAMES_SHOWN 3

static void add_fact(vgg_loading *l, const char *what, vgg_origin origin, vgg_text *value) {
    l->facts[l->fact_count++] =
        (vgg_fact){.what = what, .value = vgg_text_take(value), .origin = origin};
}

static void add_text(vgg_loading *l, const char *what, vgg_origin origin, const char *value) {
    vgg_text text = {0};
    vgg_text_add(&text, "%s", value);
    add_fact(l, what, origin, &text);
}

/* Whether the evidence says it: the head, or the padding of all convolutions. */
static bool shows_head(const vgg_evidence *evidence) {
    for (size_t i = 0; i < evidence->count; i++) {
        const vgg_clue *clue = &evidence->clues[i];
        vgg_layer_type type = clue->layer.type;
        if (!clue->gap &&
            (clue->flattens || type == VGG_LAYER_AVERAGE_POOL ||
             type == VGG_LAYER_GLOBAL_AVERAGE_POOL || type == VGG_LAYER_GLOBAL_MAX_POOL))
            return true;
    }
    return false;
}

static bool shows_edges(const vgg_evidence *evidence) {
    for (size_t i = 0; i < evidence->count; i++) {
        const vgg_clue *clue = &evidence->clues[i];
        if (!clue->gap && !clue->flattens && clue->layer.type == VGG_LAYER_CONVOLUTION &&
            !clue->edges_known)
            return false;
    }
    return evidence->count > 0;
}

static vgg_origin origin_of(const vgg_loading *l, bool told, bool shown) {
    if (told)
        return VGG_ORIGIN_TOLD;
    if (l->description.present)
        return VGG_ORIGIN_FILE;
    return shown ? l->source.graph.origin : VGG_ORIGIN_SHAPES;
}

static void add_layers(vgg_loading *l) {
    const vgg_network_options *n = &l->network_options;
    const vgg_evidence *graph =
        l->source.listed.count > 0 ? &l->own_evidence : &l->source.graph.evidence;
    bool told = l->options.arch != NULL;
    add_text(l, "architecture", l->origin, n->arch);
    if (l->headless)
        add_text(l, "classifier", VGG_ORIGIN_SHAPES, "none");
    else
        add_text(l, "layout",
                 origin_of(l, l->options.layout != VGG_LAYOUT_UNSAID, shows_head(graph)),
                 vgg_layout_name(n->layout));
    vgg_origin padding =
        origin_of(l, l->options.padding != VGG_PADDING_UNSAID || told, shows_edges(graph));
    if (padding == VGG_ORIGIN_SHAPES && (l->chosen.row_assumed || l->headless))
        padding = VGG_ORIGIN_ASSUMED;
    add_text(l, "padding", padding, vgg_padding_name(n->padding));
    if (l->chosen.row_assumed)
        add_text(l, "places of pools", VGG_ORIGIN_ASSUMED, "those of an architecture of the paper");
    if (l->chosen.pools_assumed)
        add_text(l, "kind of pools", VGG_ORIGIN_ASSUMED, "max-pools");
    if (l->chosen.relus_assumed)
        add_text(l, "activations", VGG_ORIGIN_ASSUMED, "ReLUs");
}

static void add_input(vgg_loading *l) {
    const vgg_network_options *n = &l->network_options;
    bool told = l->options.height > 0 || l->options.width > 0;
    bool beside = l->source.graph.height == 0 && l->beside.height > 0;
    vgg_origin origin = origin_of(l, told, l->source.graph.height > 0);
    vgg_text text = {0};
    vgg_text_add(&text, "%zux%zux%zu", n->channels, n->height, n->width);
    if (!told && l->chosen.size_assumed)
        origin = VGG_ORIGIN_ASSUMED;
    else if (!told && !l->description.present && beside)
        origin = VGG_ORIGIN_BESIDE;
    add_fact(l, "input", origin, &text);
}

static void add_left_out(vgg_loading *l) {
    vgg_text text = {0};
    size_t count = 0;
    for (size_t i = 0; !l->description.present && i < l->source.tensor_count; i++) {
        const char *name = l->source.tensors[i].name;
        if (!l->modules.passed_over[i] || vgg_bind_passes_over(name))
            continue;
        if (count++ < NAMES_SHOWN)
            vgg_text_add(&text, "%s\"%.80s\"", count == 1 ? "" : ", ", name);
    }
    if (count > NAMES_SHOWN)
        vgg_text_add(&text, " and %zu more", count - NAMES_SHOWN);
    if (count > 0)
        add_fact(l, "not of the network", VGG_ORIGIN_ASSUMED, &text);
    else
        vgg_text_free(&text);
}

vgg_status vgg_loading_facts(vgg_loading *l, vgg_error *error) {
    add_layers(l);
    add_input(l);
    if (l->one_output)
        add_text(l, "outputs",
                 l->source.graph.origin == VGG_ORIGIN_GRAPH ? VGG_ORIGIN_GRAPH : VGG_ORIGIN_ASSUMED,
                 "one, whose sigmoid is the probability of class 1 of 2");
    if (l->modules.ordered_by_words && !l->description.present)
        add_text(l, "order of layers", VGG_ORIGIN_ASSUMED, "that of their names");
    add_left_out(l);
    for (size_t i = 0; i < l->fact_count; i++) {
        if (l->facts[i].value == NULL)
            return vgg_fail_memory(error, "what is known of the network", l->fact_count);
    }
    return VGG_OK;
}

vgg_status vgg_loading_assumed(const vgg_loading *l, char **line, vgg_error *error) {
    vgg_text text = {0};
    for (size_t i = 0; i < l->fact_count; i++) {
        const vgg_fact *fact = &l->facts[i];
        if (fact->origin == VGG_ORIGIN_ASSUMED)
            vgg_text_add(&text, "%s%s: %s", text.length == 0 ? "does not say all; assumed " : ", ",
                         fact->what, fact->value);
    }
    bool any = text.length > 0 || text.failed;
    *line = any ? vgg_text_take(&text) : NULL;
    return any && *line == NULL ? vgg_fail_memory(error, "what was assumed", 1) : VGG_OK;
}
