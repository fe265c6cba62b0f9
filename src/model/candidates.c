/* Finding the networks that fit: the gaps between the layers that a file shows are filled with what
 * a VGG network may have there, in every way that agrees with the number of modules in them. */
#include "model/candidates.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* Ways to fill gaps that are tried for each head, padding and order of norms, and the layers that
 * they may have together. */
#define MOST_TRIALS ((size_t)1 << 17)
#define MOST_TRIED_LAYERS ((size_t)1 << 25)

typedef enum head {
    HEAD_FLATTEN = 0,
    HEAD_SEVEN,
    HEAD_GLOBAL,
    HEAD_GLOBAL_MAX,
    HEADS,
} head;

static const struct {
    vgg_layout layout;
    vgg_layer_type pool; /* unused for HEAD_FLATTEN */
} heads[HEADS] = {
    [HEAD_FLATTEN] = {VGG_LAYOUT_PAPER, VGG_LAYER_LINEAR},
    [HEAD_SEVEN] = {VGG_LAYOUT_TORCHVISION, VGG_LAYER_AVERAGE_POOL},
    [HEAD_GLOBAL] = {VGG_LAYOUT_GLOBAL, VGG_LAYER_GLOBAL_AVERAGE_POOL},
    [HEAD_GLOBAL_MAX] = {VGG_LAYOUT_GLOBAL_MAX, VGG_LAYER_GLOBAL_MAX_POOL},
};

/* One way to fill all gaps, while it is being made. */
typedef struct search {
    const vgg_candidates_query *query;
    vgg_candidate_list *list;
    const vgg_structure *row; /* of the table, which has these convolutions; NULL */
    head head;
    bool head_known; /* the evidence has its own */
    bool valid, norm_last;
    vgg_candidate made;
    size_t convolutions, pools; /* so far */
    bool active;                /* the last layer with weights has its ReLU */
    bool flat, norms;
    size_t trials, most_trials;
    bool failed;
} search;

/* ---- putting layers in and taking them out again ---- */

static void put(search *s, vgg_structure_layer layer) {
    layer.flat = s->flat;
    s->failed = !vgg_structure_add(&s->made.structure, layer) || s->failed;
}

static void put_type(search *s, vgg_layer_type type) {
    put(s, (vgg_structure_layer){.type = type});
}

static void put_relu(search *s) {
    put_type(s, VGG_LAYER_RELU);
    s->active = true;
    s->made.relus = true;
}

/* What a hidden layer that is written as a number has behind it. */
static void put_hidden_relu(search *s, bool dropout) {
    const vgg_structure_layer drop = {.type = VGG_LAYER_DROPOUT, .dropout = 0.5};
    bool paper = heads[s->head].layout == VGG_LAYOUT_PAPER;
    if (dropout && paper)
        put(s, drop);
    put_relu(s);
    if (dropout && !paper)
        put(s, drop);
}

static void expand(search *s, size_t at);

/* Goes on behind the clue with what was put so far, and then takes back what it put. */
static void go_on(search *s, size_t clue, search before) {
    if (!s->failed)
        expand(s, clue + 1);
    vgg_structure structure = s->made.structure;
    bool failed = s->failed;
    size_t trials = s->trials;
    *s = before;
    structure.count = before.made.structure.count;
    s->made.structure = structure;
    s->failed = failed;
    s->trials = trials;
}

/* ---- gaps ---- */

/* What stands behind the convolution of that rank in a row of the table. */
static bool row_has(const search *s, size_t convolution, vgg_layer_type type) {
    size_t seen = 0;
    for (size_t i = 0; i < s->row->count; i++) {
        const vgg_structure_layer *layer = &s->row->layers[i];
        seen += layer->type == VGG_LAYER_CONVOLUTION;
        if (seen == convolution && layer->type == type)
            return true;
    }
    return false;
}

static void fill(search *s, size_t clue, bool relu, bool response_norm, bool pool) {
    const search before = *s;
    if (relu)
        put_relu(s);
    if (response_norm)
        put_type(s, VGG_LAYER_LOCAL_RESPONSE_NORM);
    if (pool) {
        bool average = s->query->evidence->averages;
        put_type(s, average ? VGG_LAYER_AVERAGE_POOL_2X2 : VGG_LAYER_MAX_POOL);
        s->made.pools = s->made.pools || !s->query->evidence->pools_counted;
        s->pools++;
    }
    go_on(s, clue, before);
}

static void fill_as_row(search *s, size_t clue, bool relu) {
    fill(s, clue, relu, row_has(s, s->convolutions, VGG_LAYER_LOCAL_RESPONSE_NORM),
         row_has(s, s->convolutions, VGG_LAYER_MAX_POOL));
}

/* A gap that is counted: `room` modules, of which the first is a ReLU unless there was one. */
static void fill_counted(search *s, size_t clue, size_t room) {
    size_t need = s->active ? 0 : 1;
    if (room < need) {
        fill(s, clue, false, false, false);
        return;
    }
    /* Without a pool it is a dropout, with one more there is one beside the pool. */
    if (room - need != 2 && !(s->query->headless && room > need))
        fill(s, clue, need > 0, false, false);
    if (room > need)
        fill(s, clue, need > 0, false, true);
    if (room - need == 2 && !s->norms)
        fill(s, clue, need > 0, true, true);
}

/* Whether a clue is the end of what sees pictures. */
static bool is_end(const vgg_clue *clue) {
    vgg_layer_type type = clue->layer.type;
    return clue->flattens ||
           (!clue->gap &&
            (type == VGG_LAYER_LINEAR || type == VGG_LAYER_AVERAGE_POOL ||
             type == VGG_LAYER_GLOBAL_AVERAGE_POOL || type == VGG_LAYER_GLOBAL_MAX_POOL));
}

static bool ends_in_pool(const search *s) {
    const vgg_structure *made = &s->made.structure;
    vgg_layer_type last = made->count > 0 ? made->layers[made->count - 1].type : VGG_LAYER_RELU;
    return last == VGG_LAYER_MAX_POOL || last == VGG_LAYER_AVERAGE_POOL_2X2;
}

/* Behind a convolution, or its batch normalisation, before the flattening. */
static void fill_features(search *s, size_t clue, const vgg_clue *next) {
    const vgg_clue *gap = &s->query->evidence->clues[clue];
    bool ends = next == NULL || is_end(next);
    bool norm = !ends && next->layer.type == VGG_LAYER_BATCH_NORM;
    bool flattens = next != NULL && !next->flattens && next->layer.type == VGG_LAYER_LINEAR;
    bool counted = gap->modules != VGG_ANY_MODULES;
    if (norm && !counted) {
        fill(s, clue, s->norm_last && !s->active, false, false);
    } else if (norm && gap->modules < 2) {
        fill(s, clue, gap->modules == 1 && !s->active, false, false);
    } else if (s->row != NULL) {
        fill_as_row(s, clue, !s->active);
    } else if (counted) {
        /* One of those before a linear layer flattens. */
        fill_counted(s, clue, gap->modules - (flattens && gap->modules > 0 ? 1 : 0));
    } else {
        bool blocks = s->query->evidence->blocks;
        bool relu = !s->active && (next == NULL || next->layer.type != VGG_LAYER_RELU);
        if (!(s->query->headless && blocks && gap->block_ends))
            fill(s, clue, relu, false, false);
        /* Behind a pool that is listed stands no other. */
        if ((!blocks || gap->block_ends) && !ends_in_pool(s))
            fill(s, clue, !s->active, false, true);
    }
}

static void fill_hidden(search *s, size_t clue, bool relu, bool dropout) {
    const search before = *s;
    if (relu)
        put_hidden_relu(s, dropout);
    go_on(s, clue, before);
}

/* Between linear layers and their batch normalisations. */
static void fill_head(search *s, size_t clue, const vgg_clue *next) {
    const vgg_clue *gap = &s->query->evidence->clues[clue];
    bool norm = next != NULL && next->layer.type == VGG_LAYER_BATCH_NORM;
    bool counted = gap->modules != VGG_ANY_MODULES;
    if (s->active || gap->modules == 0) {
        fill_hidden(s, clue, false, false);
    } else if (norm && !counted) {
        fill_hidden(s, clue, s->norm_last, false);
    } else if (counted && gap->modules > 1) {
        fill_hidden(s, clue, true, !norm);
    } else {
        fill_hidden(s, clue, true, !norm && (!counted || s->row != NULL));
        if (s->row == NULL)
            fill_hidden(s, clue, false, false);
    }
}

/* ---- layers ---- */

static void put_head(search *s) {
    if (!s->flat && !s->head_known && s->head != HEAD_FLATTEN)
        put_type(s, heads[s->head].pool);
    s->flat = true;
}

static void put_layer(search *s, const vgg_clue *clue) {
    vgg_structure_layer layer = clue->layer;
    switch (layer.type) {
    case VGG_LAYER_CONVOLUTION:
        if (!clue->edges_known)
            layer.valid = s->valid;
        s->convolutions++;
        s->active = false;
        break;
    case VGG_LAYER_LINEAR:
        put_head(s);
        s->active = false;
        break;
    case VGG_LAYER_BATCH_NORM:
        s->norms = true;
        break;
    case VGG_LAYER_RELU:
        s->active = true;
        break;
    default:
        break;
    }
    put(s, layer);
}

static void expand(search *s, size_t at) {
    const vgg_evidence *evidence = s->query->evidence;
    if (s->trials >= s->most_trials) {
        s->list->more = true;
        return;
    }
    if (at == evidence->count) {
        s->trials++;
        if (evidence->pools_counted && s->pools != evidence->pools)
            return;
        s->made.layout = heads[s->head].layout;
        s->made.valid = s->valid;
        s->made.row = s->row != NULL;
        vgg_candidates_add(s->query, s->list, s->made);
        return;
    }
    const vgg_clue *clue = &evidence->clues[at];
    const vgg_clue *next = at + 1 < evidence->count ? clue + 1 : NULL;
    if (clue->gap && s->flat) {
        fill_head(s, at, next);
    } else if (clue->gap) {
        fill_features(s, at, next);
    } else {
        const search before = *s;
        if (clue->flattens)
            put_head(s);
        else
            put_layer(s, clue);
        go_on(s, at, before);
    }
}

/* ---- rows of the table ---- */

/* Whether the gaps leave room for what the row has behind the convolution of that rank. */
static bool has_room(const search *s, const vgg_clue *gap, bool relu, bool ends) {
    if (gap->modules == VGG_ANY_MODULES)
        return !row_has(s, s->convolutions, VGG_LAYER_LOCAL_RESPONSE_NORM);
    size_t expected = relu ? 1 : 0;
    expected += row_has(s, s->convolutions, VGG_LAYER_MAX_POOL);
    expected += row_has(s, s->convolutions, VGG_LAYER_LOCAL_RESPONSE_NORM);
    expected += ends;
    /* Torchvision's pool may be one more. */
    return gap->modules == expected || (ends && gap->modules == expected + 1);
}

/* Whether the evidence is that of the row, whose features s->row has. */
static bool fits_row(search *s) {
    const vgg_evidence *evidence = s->query->evidence;
    size_t row = 0;
    bool relu = true;
    s->convolutions = 0;
    for (size_t i = 0; i < evidence->count; i++) {
        const vgg_clue *clue = &evidence->clues[i];
        const vgg_clue *next = i + 1 < evidence->count ? clue + 1 : NULL;
        if (clue->flattens || (!clue->gap && clue->layer.type == VGG_LAYER_LINEAR))
            break;
        bool norm = next != NULL && !is_end(next) && next->layer.type == VGG_LAYER_BATCH_NORM;
        bool ends = next != NULL && !next->flattens && next->layer.type == VGG_LAYER_LINEAR;
        if (clue->gap && norm && clue->modules != 0 && clue->modules != VGG_ANY_MODULES)
            return false;
        if (clue->gap && !norm && !has_room(s, clue, relu, ends))
            return false;
        if (!clue->gap && clue->layer.type == VGG_LAYER_RELU)
            relu = false;
        if (clue->gap || clue->layer.type != VGG_LAYER_CONVOLUTION)
            continue;
        while (row < s->row->count && s->row->layers[row].type != VGG_LAYER_CONVOLUTION) {
            row++;
        }
        if (row == s->row->count || s->row->layers[row].outputs != clue->layer.outputs ||
            s->row->layers[row].kernel != clue->layer.kernel)
            return false;
        row++;
        s->convolutions++;
        relu = true;
    }
    for (; row < s->row->count; row++) {
        if (s->row->layers[row].type == VGG_LAYER_CONVOLUTION)
            return false;
    }
    return s->convolutions > 0;
}

/* The first row that the evidence fits; *structure is empty when there is none. */
static vgg_status find_row(search *s, vgg_structure *structure, vgg_error *error) {
    const vgg_architecture *row;
    for (size_t i = 0; (row = vgg_architecture_at(i)) != NULL; i++) {
        vgg_network_options options;
        vgg_network_options_init(&options, sizeof options);
        options.arch = row->name;
        vgg_status status = vgg_structure_read(&options, structure, error);
        if (status != VGG_OK)
            return status;
        s->row = structure;
        bool fits = fits_row(s);
        s->row = NULL;
        s->convolutions = 0;
        if (fits)
            return VGG_OK;
        vgg_structure_free(structure);
    }
    return VGG_OK;
}

/* ---- all of them ---- */

/* What the evidence says without a doubt. */
typedef struct overview {
    bool edges_known; /* the padding of all convolutions */
    bool gaps;
    bool norms_open; /* it is not known on which side of their ReLUs normalisations stand */
} overview;

static overview survey(search *s) {
    const vgg_evidence *evidence = s->query->evidence;
    overview o = {.edges_known = true};
    for (size_t i = 0; i < evidence->count; i++) {
        const vgg_clue *clue = &evidence->clues[i];
        vgg_layer_type type = clue->layer.type;
        if (clue->gap && i + 1 < evidence->count && !clue[1].gap &&
            clue[1].layer.type == VGG_LAYER_BATCH_NORM && clue->modules == VGG_ANY_MODULES)
            o.norms_open = true;
        o.gaps = o.gaps || clue->gap;
        if (clue->gap)
            continue;
        if (clue->flattens || type == VGG_LAYER_AVERAGE_POOL ||
            type == VGG_LAYER_GLOBAL_AVERAGE_POOL || type == VGG_LAYER_GLOBAL_MAX_POOL)
            s->head_known = true;
        if (type == VGG_LAYER_CONVOLUTION && !clue->flattens)
            o.edges_known = o.edges_known && clue->edges_known;
    }
    return o;
}

/* All ways to fill gaps for every head, padding and order of norms that may be. */
static void try_all(search *s, overview o) {
    const vgg_candidates_query *q = s->query;
    static const head orders[2][HEADS] = {
        {HEAD_FLATTEN, HEAD_SEVEN, HEAD_GLOBAL, HEAD_GLOBAL_MAX},
        {HEAD_SEVEN, HEAD_FLATTEN, HEAD_GLOBAL, HEAD_GLOBAL_MAX},
    };
    for (size_t h = 0; h < HEADS; h++) {
        s->head = orders[q->named_as_torchvision][h];
        bool wanted = q->layout == VGG_LAYOUT_UNSAID || q->layout == heads[s->head].layout;
        if (s->head_known ? h > 0 : !wanted)
            continue;
        for (int valid = 0; valid < 2; valid++) {
            vgg_padding padding = valid == 1 ? VGG_PADDING_VALID : VGG_PADDING_SAME;
            bool other = q->padding != VGG_PADDING_UNSAID && q->padding != padding;
            bool settled = (o.edges_known || s->row != NULL) && valid == 1;
            if ((other && !o.edges_known) || (settled && q->padding != VGG_PADDING_VALID))
                continue;
            for (int order = 0; order < (o.norms_open && s->row == NULL ? 2 : 1); order++) {
                s->valid = valid == 1;
                s->norm_last = order == 1;
                s->trials = 0;
                if (!o.edges_known || valid == 0)
                    expand(s, 0);
            }
        }
    }
}

/* The told architecture in every layout and padding that the caller leaves open; padding `valid`
 * only where nothing else fits. */
static vgg_status try_told(search *s, vgg_error *error) {
    const vgg_candidates_query *q = s->query;
    static const vgg_layout layouts[2][HEADS] = {
        {VGG_LAYOUT_PAPER, VGG_LAYOUT_TORCHVISION, VGG_LAYOUT_GLOBAL, VGG_LAYOUT_GLOBAL_MAX},
        {VGG_LAYOUT_TORCHVISION, VGG_LAYOUT_PAPER, VGG_LAYOUT_GLOBAL, VGG_LAYOUT_GLOBAL_MAX},
    };
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = q->arch;
    options.classes = q->classes;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < 2 * HEADS; i++) {
        bool valid = i >= HEADS;
        options.layout = layouts[q->named_as_torchvision][i % HEADS];
        options.padding = valid ? VGG_PADDING_VALID : VGG_PADDING_SAME;
        if ((q->layout != VGG_LAYOUT_UNSAID && q->layout != options.layout) ||
            (q->padding != VGG_PADDING_UNSAID && q->padding != options.padding) ||
            (valid && q->padding == VGG_PADDING_UNSAID && s->list->count > 0))
            continue;
        vgg_candidate candidate = {.layout = options.layout, .valid = valid};
        options.batch_norm = vgg_candidates_batch_norm(q, &options);
        status = vgg_structure_read(&options, &candidate.structure, error);
        if (status == VGG_OK)
            vgg_candidates_add(q, s->list, candidate);
        vgg_structure_free(&candidate.structure);
    }
    return status;
}

static vgg_status fail_beginning(const vgg_candidates_query *query, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: by their numbers %zu modules without tensors stand before its first "
                    "convolution, which may do anything to the input: give the architecture, "
                    "--arch, if they do nothing",
                    query->path, query->evidence->clues[0].modules);
}

vgg_status vgg_candidates_find(const vgg_candidates_query *query, vgg_candidate_list *list,
                               vgg_error *error) {
    size_t most = MOST_TRIED_LAYERS / vgg_size_max(query->evidence->count, 1);
    search s = {.query = query, .list = list, .most_trials = vgg_size_min(most, MOST_TRIALS)};
    vgg_structure row = {0};
    overview o = survey(&s);
    if (query->evidence->count > 3 * VGG_MOST_WORDS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has too many layers, expected at most %d", query->path,
                        VGG_MOST_WORDS);
    vgg_status status = VGG_OK;
    if (query->arch != NULL) {
        status = try_told(&s, error);
    } else if (query->evidence->count > 0 && query->evidence->clues[0].gap) {
        status = fail_beginning(query, error);
    } else {
        if (o.gaps)
            status = find_row(&s, &row, error);
        if (status == VGG_OK && row.count > 0) {
            s.row = &row;
            try_all(&s, o);
            s.row = NULL;
        }
        if (status == VGG_OK && list->count == 0)
            try_all(&s, o);
    }
    if (status == VGG_OK && (s.failed || list->failed))
        status = vgg_fail_memory(error, "the networks that may be", query->evidence->count);
    vgg_structure_free(&row);
    vgg_structure_free(&s.made.structure);
    return status;
}
