/* Choosing among the networks that fit, and asking where that cannot be done. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "model/candidates.h"

/* What the first linear layer of a VGG of the paper takes, for an input of 224x224. */
#define PAPER_FEATURES ((size_t)512 * 7 * 7)
#define PAPER_CHANNELS 512
#define PAPER_SIDE 224

/* Candidates that a message shows. */
#define MOST_SHOWN 5

/* ---- what is told ---- */

static size_t count_type(const vgg_structure *s, vgg_layer_type type) {
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++) {
        count += s->layers[i].type == type;
    }
    return count;
}

/* The layer with weights of that rank among the clues; NULL beyond the last. */
static const vgg_structure_layer *nth_clue(const vgg_evidence *evidence, size_t rank) {
    for (size_t i = 0; i < evidence->count; i++) {
        const vgg_clue *clue = &evidence->clues[i];
        bool weights =
            clue->layer.type == VGG_LAYER_CONVOLUTION || clue->layer.type == VGG_LAYER_LINEAR;
        if (!clue->gap && !clue->flattens && weights && rank-- == 0)
            return &clue->layer;
    }
    return NULL;
}

/* Whether the told architecture has the layers with weights that the file shows. */
static bool has_layers(const vgg_candidates_query *query, const vgg_structure *told) {
    size_t rank = 0;
    for (size_t i = 0; i < told->count; i++) {
        const vgg_structure_layer *layer = &told->layers[i];
        if (layer->type != VGG_LAYER_CONVOLUTION && layer->type != VGG_LAYER_LINEAR)
            continue;
        const vgg_structure_layer *found = nth_clue(query->evidence, rank++);
        if (found == NULL || found->type != layer->type || found->outputs != layer->outputs ||
            found->kernel != layer->kernel)
            return false;
    }
    return nth_clue(query->evidence, rank) == NULL &&
           count_type(told, VGG_LAYER_BATCH_NORM) == query->norms;
}

/* The told architecture as it is without further options, for messages about its tensors. */
static vgg_status read_told(const vgg_candidates_query *query, vgg_chosen *chosen,
                            vgg_error *error) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = query->arch;
    options.classes = query->classes;
    options.layout = query->layout;
    options.padding = query->padding != VGG_PADDING_UNSAID ? query->padding : VGG_PADDING_SAME;
    if (query->layout == VGG_LAYOUT_UNSAID)
        options.layout = query->named_as_torchvision ? VGG_LAYOUT_TORCHVISION : VGG_LAYOUT_PAPER;
    options.batch_norm = vgg_candidates_batch_norm(query, &options);
    chosen->height = query->height > 0 ? query->height : PAPER_SIDE;
    chosen->width = query->width > 0 ? query->width : PAPER_SIDE;
    return vgg_structure_read(&options, &chosen->structure, error);
}

/* ---- asking ---- */

/* What is different among candidates, or needed. */
typedef struct difference {
    bool arch, layout, padding, input;
} difference;

static vgg_status describe(const vgg_candidate *candidate, vgg_network_options *options,
                           vgg_error *error) {
    vgg_network_options_init(options, sizeof *options);
    options->arch = NULL;
    return vgg_structure_write(&candidate->structure, options, error);
}

static void add_option(vgg_text *text, const char *option, const char *value) {
    bool quoted = strpbrk(value, " ;") != NULL;
    vgg_text_add(text, "%s%s %s%s%s", text->length == 0 ? "" : " ", option, quoted ? "\"" : "",
                 value, quoted ? "\"" : "");
}

static void add_input(vgg_text *text, const vgg_candidate *c) {
    vgg_text_add(text, "%s--input %zu", text->length == 0 ? "" : " ", c->least);
    if (c->most >= c->least * 64)
        vgg_text_add(text, " or more");
    else if (c->most > c->least)
        vgg_text_add(text, " to %zu", c->most);
}

/* Compares the candidates' descriptions. */
static difference compare(const vgg_network_options *described, const vgg_candidate_list *list,
                          bool sized) {
    difference d = {.arch = list->more, .input = !sized};
    for (size_t i = 1; i < list->count; i++) {
        d.arch = d.arch || strcmp(described[i].arch, described[0].arch) != 0;
        d.layout = d.layout || described[i].layout != described[0].layout;
        d.padding = d.padding || described[i].padding != described[0].padding;
    }
    return d;
}

static void add_candidate(vgg_text *all, const vgg_network_options *described,
                          const vgg_candidate *candidate, difference d) {
    vgg_text one = {0};
    if (d.arch)
        add_option(&one, "--arch", described->arch);
    if (d.layout)
        add_option(&one, "--layout", vgg_layout_name(described->layout));
    if (d.padding)
        add_option(&one, "--padding", vgg_padding_name(described->padding));
    if (d.input)
        add_input(&one, candidate);
    char *text = vgg_text_take(&one);
    vgg_text_add(all, "%s%s", all->length == 0 ? "" : "; or ", text != NULL ? text : "");
    vgg_free(text);
}

/* "--arch 8,M --input 16 to 17; or ..."; NULL when memory ran out. */
static char *list_candidates(const vgg_candidate_list *list, bool sized) {
    vgg_network_options described[VGG_MOST_CANDIDATES];
    vgg_text all = {0};
    size_t count = 0;
    bool good = true;
    for (; good && count < list->count; count += good) {
        good = describe(&list->items[count], &described[count], NULL) == VGG_OK;
    }
    if (good) {
        difference d = compare(described, list, sized);
        for (size_t i = 0; i < count && i < MOST_SHOWN; i++) {
            add_candidate(&all, &described[i], &list->items[i], d);
        }
        if (list->more)
            vgg_text_add(&all, "; and many more");
        else if (count > MOST_SHOWN)
            vgg_text_add(&all, "; and %zu more", count - MOST_SHOWN);
    }
    for (size_t i = 0; i < count; i++) {
        vgg_free((char *)(uintptr_t)described[i].arch);
    }
    if (!good)
        vgg_text_free(&all);
    return good ? vgg_text_take(&all) : NULL;
}

/* Several fit: lists them with their options, or the sizes of input that would fit. */
static vgg_status fail_several(const vgg_candidates_query *query, const vgg_candidate_list *list,
                               vgg_error *error) {
    bool sized = query->height > 0 && query->width > 0;
    char *listed = list_candidates(list, sized);
    if (listed == NULL)
        return vgg_fail_memory(error, "a list of networks", list->count);
    if (list->count == 1 && !list->more)
        vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                 "%s: does not say the size of its input; give it: %s", query->path, listed);
    else
        vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                 "%s: what it shows fits several networks; say which one it holds: %s", query->path,
                 listed);
    vgg_free(listed);
    return VGG_ERROR_UNSUPPORTED;
}

/* Among those that were tried none fits, and they were not all. */
static vgg_status fail_untried(const vgg_candidates_query *query, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: what it shows leaves room for more networks than are tried; give the "
                    "architecture, --arch, and the size of its input, --input",
                    query->path);
}

/* None fits: says which would with other options. */
static vgg_status fail_none(const vgg_candidates_query *query, vgg_error *error) {
    vgg_candidates_query open = *query;
    open.height = open.width = 0;
    open.layout = VGG_LAYOUT_UNSAID;
    open.padding = VGG_PADDING_UNSAID;
    vgg_candidate_list list = {0};
    vgg_status status = vgg_candidates_find(&open, &list, error);
    if (status != VGG_OK) {
        vgg_candidates_free(&list);
        return status;
    }
    char size[256] = "any size";
    if (query->height > 0)
        snprintf(size, sizeof size, "%zux%zu%s%s%s", query->height, query->width,
                 query->size_from != NULL ? " (from " : "",
                 query->size_from != NULL ? query->size_from : "",
                 query->size_from != NULL ? ")" : "");
    char *listed = list_candidates(&list, false);
    vgg_fail(
        error, VGG_ERROR_SHAPE,
        "%s: its first linear layer takes %zu features, which its other layers do not give "
        "for an input of %s%s%s%s%s",
        query->path, query->features, size, query->layout != VGG_LAYOUT_UNSAID ? " in layout " : "",
        query->layout != VGG_LAYOUT_UNSAID ? vgg_layout_name(query->layout) : "",
        list.count > 0 ? "; they do with " : "", list.count > 0 && listed != NULL ? listed : "");
    vgg_free(listed);
    vgg_candidates_free(&list);
    return VGG_ERROR_SHAPE;
}

/* ---- choosing ---- */

static vgg_layout layout_of(const vgg_structure *s) {
    if (count_type(s, VGG_LAYER_AVERAGE_POOL) > 0)
        return VGG_LAYOUT_TORCHVISION;
    if (count_type(s, VGG_LAYER_GLOBAL_AVERAGE_POOL) > 0)
        return VGG_LAYOUT_GLOBAL;
    return count_type(s, VGG_LAYER_GLOBAL_MAX_POOL) > 0 ? VGG_LAYOUT_GLOBAL_MAX : VGG_LAYOUT_PAPER;
}

/* Hidden layers get their dropouts as numbers in a written architecture have them: on the side of
 * the ReLU that the layout says, which computes the same, and of probability 0.5, or 0 where it is
 * known that there are none. */
static bool put_dropouts_right(const vgg_evidence *evidence, vgg_layout layout, vgg_structure *s) {
    vgg_structure right = {0};
    bool paper = layout == VGG_LAYOUT_PAPER, none = count_type(s, VGG_LAYER_DROPOUT) == 0;
    bool good = true;
    for (size_t i = 0; good && i < s->count; i++) {
        const vgg_structure_layer *layer = &s->layers[i], *next = layer + 1;
        bool hidden = i > 0 && layer->flat && layer[-1].type == VGG_LAYER_LINEAR;
        bool two = i + 1 < s->count;
        vgg_layer_type second = two ? next->type : VGG_LAYER_LINEAR;
        const vgg_structure_layer added = {
            .type = VGG_LAYER_DROPOUT, .flat = true, .dropout = evidence->dropouts_known ? 0 : 0.5};
        bool relu_first = layer->type == VGG_LAYER_RELU && second == VGG_LAYER_DROPOUT;
        bool dropout_first = layer->type == VGG_LAYER_DROPOUT && second == VGG_LAYER_RELU;
        if (hidden && ((paper && relu_first) || (!paper && dropout_first))) {
            good = vgg_structure_add(&right, *next) && vgg_structure_add(&right, *layer);
            i++;
        } else if (hidden && none && layer->type == VGG_LAYER_RELU) {
            good = (!paper || vgg_structure_add(&right, added)) &&
                   vgg_structure_add(&right, *layer) && (paper || vgg_structure_add(&right, added));
        } else {
            good = vgg_structure_add(&right, *layer);
        }
    }
    vgg_structure_free(s);
    *s = right;
    return good;
}

/* The same for all candidates, where a file has said what stands behind hidden layers. */
static vgg_status put_all_right(const vgg_candidates_query *query, vgg_candidate_list *list,
                                vgg_error *error) {
    const vgg_evidence *evidence = query->evidence;
    if (query->arch != NULL || !(evidence->whole || evidence->relus_assumed))
        return VGG_OK;
    bool good = true;
    for (size_t i = 0; good && i < list->count; i++) {
        vgg_structure *s = &list->items[i].structure;
        good = put_dropouts_right(evidence, layout_of(s), s);
    }
    return good ? VGG_OK : vgg_fail_memory(error, "an architecture", evidence->count);
}

static void take(const vgg_candidates_query *query, vgg_candidate_list *list, vgg_chosen *chosen) {
    vgg_candidate *c = &list->items[0];
    chosen->structure = c->structure;
    c->structure = (vgg_structure){0};
    chosen->height = query->height;
    chosen->width = query->width;
    chosen->row_assumed = c->row;
    chosen->pools_assumed = c->pools;
    chosen->relus_assumed = query->arch == NULL && (c->relus || query->evidence->relus_assumed);
}

/* Where the first linear layer takes what that of the paper takes, so does the input. */
static bool is_paper_sized(const vgg_candidates_query *query) {
    const vgg_structure_layer *last = NULL, *layer;
    for (size_t i = 0; (layer = nth_clue(query->evidence, i)) != NULL; i++) {
        last = layer->type == VGG_LAYER_CONVOLUTION ? layer : last;
    }
    return query->height == 0 && query->width == 0 && query->features == PAPER_FEATURES &&
           last != NULL && last->outputs == PAPER_CHANNELS;
}

static vgg_status settle(const vgg_candidates_query *query, vgg_candidate_list *list,
                         vgg_chosen *chosen, vgg_error *error) {
    bool sized = query->height > 0 && query->width > 0;
    if (query->arch != NULL) {
        vgg_status status = read_told(query, chosen, error);
        /* Which of its tensors differ is found when they are compared. */
        if (status != VGG_OK || !has_layers(query, &chosen->structure))
            return status;
        vgg_structure_free(&chosen->structure);
    }
    if (list->count == 1 && sized && !list->more) {
        take(query, list, chosen);
        return VGG_OK;
    }
    if (list->count > 0)
        return fail_several(query, list, error);
    if (list->more)
        return fail_untried(query, error);
    return fail_none(query, error);
}

vgg_status vgg_candidates_choose(const vgg_candidates_query *query, vgg_chosen *chosen,
                                 vgg_error *error) {
    vgg_candidates_query q = *query;
    vgg_candidate_list list = {0};
    chosen->size_assumed = is_paper_sized(query);
    if (chosen->size_assumed)
        q.height = q.width = PAPER_SIDE;
    vgg_status status = vgg_candidates_find(&q, &list, error);
    if (status == VGG_OK && list.count == 0 && chosen->size_assumed) {
        chosen->size_assumed = false;
        q = *query;
        status = vgg_candidates_find(&q, &list, error);
    }
    if (status == VGG_OK)
        status = put_all_right(&q, &list, error);
    if (status == VGG_OK)
        status = settle(&q, &list, chosen, error);
    vgg_candidates_free(&list);
    return status;
}
