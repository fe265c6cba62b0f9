/* Finding the state dict among all that a checkpoint holds, and taking its tensors. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/pth/pth_module.h"

/* Where programs keep the state dict beside other things, the likeliest first; averaged weights
 * come behind plain ones. */
static const char *const wrappers[] = {
    "state_dict", "model_state_dict", "model_state", "model",  "net",
    "network",    "module",           "weights",     "params", "state_dict_ema",
    "model_ema",  "ema_state_dict",   "ema_model",   "ema",    "model_ema_state_dict",
    "params_ema",
};
enum { WRAPPERS = sizeof wrappers / sizeof *wrappers };

/* Deep enough for a list of dicts in a dict of dicts. */
#define DEPTH_MOST 4
#define CANDIDATES_MOST 32
#define VISITS_MOST 4096
#define LIST_MOST 16
#define PATH_TEXT 200

/* A dict that may be the state dict, or a network that was pickled whole, which has one. */
typedef struct candidate {
    const vgg_pickle_value *dict;
    bool whole;
    char path[PATH_TEXT]; /* "model.encoder"; "" for the object itself, shown as "." */
    size_t rank[DEPTH_MOST + 1], end[DEPTH_MOST + 1]; /* of each key, and where it ends */
    size_t tensors, matrices, filters; /* all, those of two dimensions or more, those of four */
} candidate;

typedef struct search {
    const vgg_tensor_source *source;
    const vgg_pickle *pickle;
    candidate *found;
    size_t count, visits;
} search;

/* ---- what is in a dict ---- */

/* What optimisers keep for a weight, under its number. */
static bool is_of_optimiser(const vgg_pickle_value *key) {
    static const char *const names[] = {"exp_avg", "momentum_buffer", "square_avg",
                                        "max_exp_avg_sq"};
    bool is = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        is = is || vgg_pickle_is_text(key, names[i]);
    }
    return is;
}

static void count_one(candidate *c, size_t dimensions) {
    c->tensors++;
    c->matrices += dimensions >= 2;
    c->filters += dimensions == 4;
}

static void count_tensors(const vgg_pickle *pickle, candidate *c) {
    const vgg_pickle_value *key, *value;
    for (uint32_t cell = c->dict->items.first;
         vgg_pickle_next_entry(pickle, &cell, &key, &value);) {
        size_t dimensions;
        if (is_of_optimiser(key)) {
            c->tensors = c->matrices = c->filters = 0;
            return;
        }
        if (key->kind == VGG_PICKLE_TEXT && vgg_pth_is_tensor(pickle, value, &dimensions))
            count_one(c, dimensions);
    }
}

/* ---- looking for dicts ---- */

/* What stands beside the weights and may have tensors of its own. */
static bool stands_aside(const char *key) {
    static const char *const beginnings[] = {"optim", "lr_sched",  "sched", "scaler",
                                             "amp",   "callbacks", "loops", "_"};
    bool aside = strcmp(key, "opt") == 0;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        aside = aside || strncasecmp(key, beginnings[i], strlen(beginnings[i])) == 0;
    }
    return aside;
}

static size_t rank_of(const char *key) {
    size_t rank = 0;
    while (rank < WRAPPERS && strcmp(wrappers[rank], key) != 0) {
        rank++;
    }
    /* The dict itself comes behind what it holds under a known name. */
    return rank < WRAPPERS ? rank : WRAPPERS + 1;
}

static void visit(search *s, const vgg_pickle_value *value, const candidate *at, size_t depth);

/* The value under a key, or of a list under its number. */
static void visit_entry(search *s, const candidate *at, const char *key,
                        const vgg_pickle_value *value, size_t depth) {
    candidate inner = *at;
    size_t used = strlen(inner.path);
    int written =
        snprintf(inner.path + used, sizeof inner.path - used, "%s%s", used > 0 ? "." : "", key);
    if (written < 0 || (size_t)written >= sizeof inner.path - used || stands_aside(key))
        return;
    inner.rank[depth] = rank_of(key);
    inner.end[depth] = strlen(inner.path);
    inner.rank[depth + 1] = WRAPPERS;
    visit(s, value, &inner, depth + 1);
}

static bool is_new(const search *s, const vgg_pickle_value *dict) {
    for (size_t i = 0; i < s->count; i++) {
        if (s->found[i].dict == dict)
            return false;
    }
    return true;
}

static void visit_dict(search *s, const vgg_pickle_value *dict, const candidate *at, size_t depth) {
    candidate c = *at;
    c.dict = dict;
    count_tensors(s->pickle, &c);
    if (c.tensors > 0 && is_new(s, dict) && s->count < CANDIDATES_MOST)
        s->found[s->count++] = c;
    const vgg_pickle_value *key, *value;
    for (uint32_t cell = dict->items.first;
         depth < DEPTH_MOST && vgg_pickle_next_entry(s->pickle, &cell, &key, &value);) {
        char name[PATH_TEXT];
        if (key->kind != VGG_PICKLE_TEXT || key->text.length >= sizeof name)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)key->text.length, key->text.bytes);
        visit_entry(s, at, name, value, depth);
    }
}

typedef struct counting {
    const vgg_pickle *pickle;
    candidate *c;
} counting;

static vgg_status count_of_module(void *context, const char *name, const vgg_pickle_value *tensor,
                                  vgg_error *error) {
    (void)name;
    (void)error;
    counting *at = context;
    size_t dimensions;
    if (vgg_pth_is_tensor(at->pickle, tensor, &dimensions))
        count_one(at->c, dimensions);
    return VGG_OK;
}

/* A network that is too large to walk over counts with what was seen of it, and fails later. */
static void visit_module(search *s, const vgg_pickle_value *module, const candidate *at) {
    candidate c = *at;
    counting counted = {s->pickle, &c};
    const vgg_pth_visitor visitor = {.context = &counted, .tensor = count_of_module};
    c.dict = module;
    c.whole = true;
    vgg_pth_visit_module(s->source, s->pickle, module, &visitor, NULL);
    if (c.tensors > 0 && is_new(s, module) && s->count < CANDIDATES_MOST)
        s->found[s->count++] = c;
}

static void visit(search *s, const vgg_pickle_value *value, const candidate *at, size_t depth) {
    if (s->visits++ >= VISITS_MOST)
        return;
    if (vgg_pth_is_module(s->pickle, value)) {
        visit_module(s, value, at);
        return;
    }
    const vgg_pickle_value *dict = vgg_pickle_attributes(s->pickle, value);
    if (dict != NULL)
        visit_dict(s, dict, at, depth);
    if (value->kind != VGG_PICKLE_LIST && value->kind != VGG_PICKLE_TUPLE)
        return;
    const vgg_pickle_value *items[LIST_MOST];
    size_t count = vgg_pickle_items(s->pickle, value, items, LIST_MOST);
    for (size_t i = 0; depth < DEPTH_MOST && i < count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        visit_entry(s, at, number, items[i], depth);
    }
}

/* ---- choosing ---- */

static int compare_ranks(const candidate *a, const candidate *b) {
    for (size_t i = 0; i <= DEPTH_MOST; i++) {
        if (a->rank[i] != b->rank[i])
            return a->rank[i] < b->rank[i] ? -1 : 1;
        /* Between two keys that are not known nothing is likelier. */
        bool known = a->rank[i] < WRAPPERS;
        if (a->rank[i] == WRAPPERS ||
            (!known && (a->end[i] != b->end[i] || memcmp(a->path, b->path, a->end[i]) != 0)))
            return 0;
    }
    return 0;
}

static size_t weight_of(const candidate *c) {
    return c->filters > 0 ? 2 : c->matrices > 0;
}

/* Keeps those that look most like the weights of a network: with filters, else with matrices. */
static void keep_likely(search *s) {
    size_t best = 0, kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        best = vgg_size_max(best, weight_of(&s->found[i]));
    }
    for (size_t i = 0; i < s->count; i++) {
        if (weight_of(&s->found[i]) == best)
            s->found[kept++] = s->found[i];
    }
    s->count = kept;
}

static const char *shown_path(const candidate *c) {
    return c->path[0] == '\0' ? "." : c->path;
}

/* "\"model\" (20 tensors), \"model_ema\" (20 tensors)"; NULL when memory ran out. */
static char *list_candidates(const search *s, const candidate *except) {
    vgg_text text = {0};
    for (size_t i = 0; i < s->count; i++) {
        const candidate *c = &s->found[i];
        if (c != except)
            vgg_text_add(&text, "%s\"%s\" (%zu tensors)", text.length > 0 ? ", " : "",
                         shown_path(c), c->tensors);
    }
    return vgg_text_take(&text);
}

static vgg_status fail_choice(const vgg_tensor_source *source, const search *s, const char *told,
                              vgg_error *error) {
    char *list = list_candidates(s, NULL);
    if (list == NULL)
        return vgg_fail_memory(error, "the names of state dicts", s->count);
    if (told != NULL)
        vgg_fail(error, VGG_ERROR_NOT_FOUND, "%s: has no state dict \"%.80s\", only %s",
                 source->path, told, list);
    else
        vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                 "%s: has several state dicts: %s; say which (--state-dict)", source->path, list);
    vgg_free(list);
    return told != NULL ? VGG_ERROR_NOT_FOUND : VGG_ERROR_UNSUPPORTED;
}

static vgg_status choose_told(const vgg_tensor_source *source, const search *s, const char *told,
                              const candidate **chosen, vgg_error *error) {
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(shown_path(&s->found[i]), told) == 0) {
            *chosen = &s->found[i];
            return VGG_OK;
        }
    }
    return fail_choice(source, s, told, error);
}

/* Of several, a known name before others, and plain weights before averaged ones; between unknown
 * names nothing is chosen. */
static vgg_status choose(vgg_tensor_source *source, search *s, const candidate **chosen,
                         vgg_error *error) {
    const char *told = source->told != NULL ? source->told->state_dict : NULL;
    if (told != NULL)
        return choose_told(source, s, told, chosen, error);
    keep_likely(s);
    const candidate *best = &s->found[0];
    bool equal = false;
    for (size_t i = 1; i < s->count; i++) {
        int order = compare_ranks(&s->found[i], best);
        equal = order == 0 || (order > 0 && equal);
        if (order < 0)
            best = &s->found[i];
    }
    if (equal)
        return fail_choice(source, s, NULL, error);
    *chosen = best;
    if (s->count == 1)
        return VGG_OK;
    char *others = list_candidates(s, best);
    bool noted = others != NULL &&
                 vgg_remarks_add(&source->remarks, "took the state dict \"%s\", and left %s",
                                 shown_path(best), others);
    vgg_free(others);
    return noted ? VGG_OK : vgg_fail_memory(error, "a remark", PATH_TEXT);
}

/* ---- nothing there ---- */

/* The class of a network or of another object that Python alone can make; NULL without one. */
static const vgg_pickle_name *foreign_name(const vgg_pickle *pickle, bool *network) {
    for (size_t i = 1; i < pickle->name_count; i++) {
        const vgg_pickle_name *name = &pickle->names[i];
        if (vgg_pickle_is_network(name->module, name->module_length)) {
            *network = true;
            return name;
        }
    }
    *network = false;
    return pickle->name_count > 1 ? &pickle->names[1] : NULL;
}

static vgg_status fail_object(const vgg_tensor_source *source, const vgg_pickle *pickle,
                              const vgg_pickle_name *name, bool network, vgg_error *error) {
    char text[VGG_PICKLE_NAME_TEXT], place[VGG_PICKLE_NAME_TEXT];
    vgg_pickle_name_text(name, text);
    vgg_pickle_name_place(pickle, name, place);
    if (network)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: holds a whole network, of class %s, which only Python can make; "
                        "expected its tensors, as torch.save(model.state_dict(), file) writes "
                        "them%s",
                        source->path, text, place);
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: its pickle calls %s, which is not run, and holds no state dict beside "
                    "it%s",
                    source->path, text, place);
}

static vgg_status fail_no_state(const vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *root, vgg_error *error) {
    bool network;
    const vgg_pickle_name *name = foreign_name(pickle, &network);
    bool single = root->kind == VGG_PICKLE_OPAQUE || root->kind == VGG_PICKLE_GLOBAL;
    if (name != NULL && (network || single))
        return fail_object(source, pickle, name, network, error);
    if (root->kind != VGG_PICKLE_DICT)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: holds %s, expected a state dict, which gives tensors names",
                        source->path,
                        root->kind == VGG_PICKLE_TENSOR  ? "a single tensor"
                        : root->kind == VGG_PICKLE_LIST  ? "a list"
                        : root->kind == VGG_PICKLE_TUPLE ? "a tuple"
                                                         : "a single value");
    vgg_text text = {0};
    const vgg_pickle_value *key, *value;
    size_t shown = 0;
    for (uint32_t cell = root->items.first;
         shown < 4 && vgg_pickle_next_entry(pickle, &cell, &key, &value);) {
        if (key->kind == VGG_PICKLE_TEXT)
            vgg_text_add(&text, "%s\"%.*s\"", shown++ == 0 ? "" : ", ",
                         (int)vgg_size_min(key->text.length, 40), key->text.bytes);
    }
    char *keys = vgg_text_take(&text);
    vgg_fail(error, VGG_ERROR_FORMAT,
             "%s: its dict has no tensors, nor has any dict in it; its keys begin with %s",
             source->path, keys == NULL || *keys == '\0' ? "nothing" : keys);
    vgg_free(keys);
    return VGG_ERROR_FORMAT;
}

vgg_status vgg_pth_take_tensors(vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pth_storages *storages, vgg_error *error) {
    const vgg_pickle_value *root = &pickle->values[pickle->root];
    search s = {
        .source = source, .pickle = pickle, .found = vgg_calloc(CANDIDATES_MOST, sizeof *s.found)};
    if (s.found == NULL)
        return vgg_fail_memory(error, "a list of state dicts", CANDIDATES_MOST * sizeof *s.found);
    candidate at = {.rank = {WRAPPERS}};
    visit(&s, root, &at, 0);
    const candidate *state = NULL;
    vgg_status status = s.count == 0 ? fail_no_state(source, pickle, root, error)
                                     : choose(source, &s, &state, error);
    if (status == VGG_OK)
        status = (state->whole ? vgg_pth_take_module : vgg_pth_take_dict)(
            source, pickle, state->dict, state->tensors, storages, error);
    if (status == VGG_OK)
        status = vgg_pth_take_beside(source, pickle, state->dict, storages, error);
    vgg_free(s.found);
    return status;
}
