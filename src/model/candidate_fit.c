/* Whether a network fits the sizes that a file shows, and whether two compute the same. */
#include <string.h>

#include "base/memory.h"
#include "model/candidates.h"

/* Larger inputs are nobody's. */
#define MOST_SIDE ((size_t)4096)

/* ---- from the input to the first linear layer ---- */

/* The sizes in front of the first linear layer; false when nothing is left of the picture. */
static bool follow(const vgg_structure *s, size_t *channels, size_t *height, size_t *width) {
    for (size_t i = 0; i < s->count; i++) {
        const vgg_structure_layer *layer = &s->layers[i];
        switch (layer->type) {
        case VGG_LAYER_CONVOLUTION:
            if (layer->valid && (*height < 3 || *width < 3))
                return false;
            *channels = layer->outputs;
            *height -= layer->valid ? 2 : 0;
            *width -= layer->valid ? 2 : 0;
            break;
        case VGG_LAYER_MAX_POOL:
        case VGG_LAYER_AVERAGE_POOL_2X2:
            *height /= 2;
            *width /= 2;
            break;
        case VGG_LAYER_AVERAGE_POOL:
            *height = *width = *height > 0 && *width > 0 ? 7 : 0;
            break;
        case VGG_LAYER_GLOBAL_AVERAGE_POOL:
        case VGG_LAYER_GLOBAL_MAX_POOL:
            *height = *width = *height > 0 && *width > 0 ? 1 : 0;
            break;
        case VGG_LAYER_LINEAR:
            return true;
        default:
            break;
        }
        if (*height == 0 || *width == 0)
            return false;
    }
    return true;
}

static bool gives(const vgg_candidates_query *query, const vgg_structure *s, size_t height,
                  size_t width) {
    size_t channels = query->channels;
    return follow(s, &channels, &height, &width) && channels * height * width == query->features;
}

/* ---- from the first linear layer to the input ---- */

static size_t square_root(size_t square) {
    size_t side = 0;
    while ((side + 1) * (side + 1) <= square && side < MOST_SIDE) {
        side++;
    }
    return side * side == square ? side : 0;
}

static bool is_global(vgg_layer_type type) {
    return type == VGG_LAYER_GLOBAL_AVERAGE_POOL || type == VGG_LAYER_GLOBAL_MAX_POOL;
}

static size_t last_channels(const vgg_structure *s) {
    size_t channels = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->layers[i].type == VGG_LAYER_CONVOLUTION)
            channels = s->layers[i].outputs;
    }
    return channels;
}

/* The sides of square inputs that give the features. */
static bool find_sides(const vgg_candidates_query *query, vgg_candidate *candidate) {
    const vgg_structure *s = &candidate->structure;
    size_t channels = last_channels(s), least, most;
    if (channels == 0 || query->features % channels != 0)
        return false;
    least = most = square_root(query->features / channels);
    if (least == 0)
        return false;
    for (size_t i = s->count; i-- > 0;) {
        const vgg_structure_layer *layer = &s->layers[i];
        bool seven = layer->type == VGG_LAYER_AVERAGE_POOL;
        if (seven || is_global(layer->type)) {
            if (least != (seven ? 7 : 1))
                return false;
            least = 1;
            most = MOST_SIDE;
        } else if (layer->type == VGG_LAYER_MAX_POOL || layer->type == VGG_LAYER_AVERAGE_POOL_2X2) {
            least *= 2;
            most = 2 * most + 1;
        } else if (layer->type == VGG_LAYER_CONVOLUTION && layer->valid) {
            least += 2;
            most += 2;
        }
        if (least > MOST_SIDE)
            return false;
    }
    candidate->least = least;
    candidate->most = vgg_size_min(most, MOST_SIDE);
    return true;
}

/* Finds out whether the candidate fits the query, with which sides. */
static bool fits(const vgg_candidates_query *query, vgg_candidate *candidate) {
    if (query->height == 0 || query->width == 0)
        return find_sides(query, candidate);
    candidate->least = candidate->most = query->height;
    return gives(query, &candidate->structure, query->height, query->width);
}

/* ---- batch normalisations ---- */

bool vgg_candidates_batch_norm(const vgg_candidates_query *query,
                               const vgg_network_options *options) {
    vgg_network_options plain = *options;
    plain.batch_norm = false;
    vgg_structure structure = {0};
    size_t norms = 0;
    bool read = vgg_structure_read(&plain, &structure, NULL) == VGG_OK;
    for (size_t i = 0; i < structure.count; i++) {
        norms += structure.layers[i].type == VGG_LAYER_BATCH_NORM;
    }
    vgg_structure_free(&structure);
    return read && query->norms > norms;
}

/* ---- whether two compute the same ---- */

/* Whether the head pool changes nothing at the query's size. */
static bool changes_nothing(const vgg_candidates_query *query, const vgg_structure *s,
                            size_t pool) {
    if (query->height == 0 || query->width == 0)
        return false;
    vgg_structure before = {.layers = s->layers, .count = pool};
    size_t channels = query->channels, height = query->height, width = query->width;
    size_t side = s->layers[pool].type == VGG_LAYER_AVERAGE_POOL ? 7 : 1;
    return follow(&before, &channels, &height, &width) && height == side && width == side;
}

/* The next layer at or behind *at that does something to a picture that is predicted; NULL at the
 * end. */
static const vgg_structure_layer *next_layer(const vgg_candidates_query *query,
                                             const vgg_structure *s, size_t *at) {
    for (; *at < s->count; ++*at) {
        const vgg_structure_layer *layer = &s->layers[*at];
        bool head = layer->type == VGG_LAYER_AVERAGE_POOL || is_global(layer->type);
        if (layer->type != VGG_LAYER_DROPOUT && !(head && changes_nothing(query, s, *at)))
            return &s->layers[(*at)++];
    }
    return NULL;
}

static bool compute_the_same(const vgg_candidates_query *query, const vgg_structure *a,
                             const vgg_structure *b) {
    size_t i = 0, j = 0;
    for (;;) {
        const vgg_structure_layer *x = next_layer(query, a, &i), *y = next_layer(query, b, &j);
        if (x == NULL || y == NULL)
            return x == y;
        if (x->type != y->type || x->outputs != y->outputs || x->kernel != y->kernel ||
            x->valid != y->valid)
            return false;
    }
}

static bool copy_structure(const vgg_structure *from, vgg_structure *to) {
    *to = (vgg_structure){0};
    for (size_t i = 0; i < from->count; i++) {
        if (!vgg_structure_add(to, from->layers[i])) {
            vgg_structure_free(to);
            return false;
        }
    }
    return true;
}

void vgg_candidates_add(const vgg_candidates_query *query, vgg_candidate_list *list,
                        vgg_candidate candidate) {
    bool known = !fits(query, &candidate);
    for (size_t i = 0; !known && i < list->count; i++) {
        known = compute_the_same(query, &list->items[i].structure, &candidate.structure);
    }
    list->more = list->more || (!known && list->count == VGG_MOST_CANDIDATES);
    if (known || list->count == VGG_MOST_CANDIDATES)
        return;
    const vgg_structure found = candidate.structure;
    if (copy_structure(&found, &candidate.structure))
        list->items[list->count++] = candidate;
    else
        list->failed = true;
}

void vgg_candidates_free(vgg_candidate_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        vgg_structure_free(&list->items[i].structure);
    }
    list->count = 0;
}
