/* What modules show of the network that they are of: their layers, and how many modules without
 * tensors the numbers in their names leave room for. */
#include <string.h>

#include "model/module_names.h"
#include "model/modules.h"

const vgg_module *vgg_modules_nth(const vgg_modules *modules, vgg_layer_type type, size_t rank) {
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->items[i].type == type && rank-- == 0)
            return &modules->items[i];
    }
    return NULL;
}

static bool same_parent(const vgg_module *a, const vgg_module *b) {
    return a->parent_length == b->parent_length && memcmp(a->name, b->name, a->parent_length) == 0;
}

static bool same_block(const vgg_module *a, const vgg_module *b) {
    size_t length = vgg_name_block(a->name, a->name_length);
    return length == vgg_name_block(b->name, b->name_length) &&
           memcmp(a->name, b->name, length) == 0;
}

/* Whether the names of convolutions make blocks: several, of which one has more than one. */
static bool has_blocks(const vgg_modules *modules) {
    size_t blocks = 0, convolutions = 0;
    const vgg_module *before = NULL;
    for (size_t i = 0; i < modules->count; i++) {
        const vgg_module *module = &modules->items[i];
        if (module->type != VGG_LAYER_CONVOLUTION)
            continue;
        blocks += before == NULL || !same_block(before, module);
        convolutions++;
        before = module;
    }
    return blocks > 1 && blocks < convolutions;
}

static void add_gap(const vgg_module *a, const vgg_module *b, bool blocks, vgg_evidence *evidence) {
    bool counted = same_parent(a, b) && a->index != VGG_ANY_MODULES &&
                   b->index != VGG_ANY_MODULES && b->index > a->index;
    vgg_evidence_gap(evidence, counted ? b->index - a->index - 1 : VGG_ANY_MODULES,
                     !blocks || !same_block(a, b));
}

/* ---- what the file lists beside its tensors ---- */

static void add_listed_layers(const vgg_listed *listed, size_t first, size_t end,
                              vgg_evidence *evidence) {
    for (size_t i = first; i < end; i++) {
        if (listed->items[i].kind == VGG_LISTED_LAYER)
            vgg_evidence_add(evidence, listed->items[i].clue);
    }
}

/* What is listed between two modules with weights, where nothing else with weights is: the layers
 * that certainly follow the first or precede the second, and a gap for what is not known. */
static bool add_listed(const vgg_listed *listed, const vgg_module *a, const vgg_module *b,
                       bool blocks, vgg_evidence *evidence) {
    size_t first = vgg_listed_find(listed, a->name, a->name_length) + 1;
    size_t end = vgg_listed_find(listed, b->name, b->name_length);
    bool between = first <= end && end < listed->count;
    for (size_t i = first; between && i < end; i++) {
        between = listed->items[i].kind != VGG_LISTED_WEIGHTS;
    }
    if (!between)
        return false;
    size_t open = first, again = end;
    while (open <= end && listed->items[open].follows) {
        open++;
    }
    if (open > end) {
        add_listed_layers(listed, first, end, evidence);
        return true;
    }
    while (again > open && listed->items[again].follows) {
        again--;
    }
    add_listed_layers(listed, first, open, evidence);
    vgg_evidence_gap(evidence, VGG_ANY_MODULES, !blocks || !same_block(a, b));
    add_listed_layers(listed, again, end, evidence);
    return true;
}

/* Whether the list begins with the module, or with what does nothing before it. */
static bool begins_list(const vgg_listed *listed, const vgg_module *module) {
    size_t place = vgg_listed_find(listed, module->name, module->name_length);
    bool begins = place < listed->count;
    for (size_t i = 0; begins && i < place; i++) {
        begins = listed->items[i].kind == VGG_LISTED_NOTHING && listed->items[i + 1].follows;
    }
    return begins;
}

/* ---- all together ---- */

static void add_module(const vgg_listed *listed, const vgg_module *module, vgg_evidence *evidence) {
    size_t place = vgg_listed_find(listed, module->name, module->name_length);
    const vgg_clue *known = place < listed->count ? &listed->items[place].clue : NULL;
    if (module->type == VGG_LAYER_CONVOLUTION)
        vgg_evidence_convolution(evidence, module->outputs, module->kernel,
                                 known != NULL && known->layer.valid,
                                 known != NULL && known->edges_known);
    else
        vgg_evidence_layer(evidence,
                           (vgg_structure_layer){.type = module->type, .outputs = module->outputs});
}

void vgg_modules_evidence(const vgg_modules *modules, const vgg_listed *listed,
                          vgg_evidence *evidence) {
    bool blocks = has_blocks(modules);
    evidence->blocks = blocks;
    for (size_t i = 0; i < modules->count; i++) {
        const vgg_module *module = &modules->items[i];
        size_t before = i == 0 && module->index != VGG_ANY_MODULES ? module->index : 0;
        if (before > 0 && !begins_list(listed, module))
            vgg_evidence_gap(evidence, before, false);
        if (i > 0 && !add_listed(listed, module - 1, module, blocks, evidence))
            add_gap(module - 1, module, blocks, evidence);
        add_module(listed, module, evidence);
    }
    bool gaps = false;
    for (size_t i = 0; i < evidence->count; i++) {
        gaps = gaps || evidence->clues[i].gap;
    }
    evidence->whole = evidence->dropouts_known = listed->count > 0 && !gaps;
}

/* Whether the last word of the name of what the module is a part of is this. */
static bool is_part_of(const vgg_module *module, const char *word) {
    size_t length = strlen(word), at = module->parent_length;
    return at >= length && memcmp(module->name + at - length, word, length) == 0 &&
           (at == length || module->name[at - length - 1] == '.');
}

bool vgg_modules_named_as_torchvision(const vgg_modules *modules) {
    bool named = modules->count > 0;
    for (size_t i = 0; i < modules->count; i++) {
        const vgg_module *module = &modules->items[i];
        named = named && (is_part_of(module, "features") || is_part_of(module, "classifier") ||
                          is_part_of(module, "pre_logits") || is_part_of(module, "head"));
    }
    return named;
}
