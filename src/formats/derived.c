#include "formats/derived.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* Far more than a network has; each is compared with all others. */
#define TENSORS_MOST 4096

/* ---- parts ---- */

typedef enum part {
    PART_BASE = 0, /* what is multiplied: weight_orig, weight_v */
    PART_FACTOR,   /* by what: weight_mask, weight_g, weight_u */
    PART_OTHER,    /* spectral_norm's weight_v */
    PARTS
} part;

typedef struct rule {
    const char *endings[PARTS]; /* of the names; the last is NULL where there are two */
    const char *name;           /* what then is the ending */
    const char *what;           /* for the remark */
    vgg_status (*make)(const vgg_tensor_source *source, const vgg_stored_tensor *const *parts,
                       float *values, vgg_error *error);
} rule;

static vgg_status fail_shape(const vgg_tensor_source *source, const vgg_stored_tensor *found,
                             const vgg_stored_tensor *base, const char *expected,
                             vgg_error *error) {
    char shape[VGG_SHAPE_TEXT], of[VGG_SHAPE_TEXT];
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "tensor \"%.80s\" of %s has shape %s, expected %s, as \"%.80s\" has shape %s",
                    found->name, source->path,
                    vgg_shape_text(shape, found->shape, found->dimensions), expected, base->name,
                    vgg_shape_text(of, base->shape, base->dimensions));
}

static bool same_shape(const vgg_stored_tensor *a, const vgg_stored_tensor *b) {
    return a->dimensions == b->dimensions &&
           memcmp(a->shape, b->shape, a->dimensions * sizeof *a->shape) == 0;
}

/* float32 values of a tensor; a mask may be of bytes or truth values. */
static void read_values(const vgg_stored_tensor *tensor, size_t first, size_t count,
                        float *values) {
    const unsigned char *from = tensor->bytes + first * tensor->type->bytes;
    if (vgg_element_is_weight(tensor->type->element)) {
        vgg_elements_to_float(tensor->type->element, from, count, values);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = from[i];
    }
}

/* weight = orig * mask. */
static vgg_status make_pruned(const vgg_tensor_source *source,
                              const vgg_stored_tensor *const *parts, float *values,
                              vgg_error *error) {
    const vgg_stored_tensor *base = parts[PART_BASE], *mask = parts[PART_FACTOR];
    enum { AT_ONCE = 1024 };
    float factors[AT_ONCE];
    if (!same_shape(base, mask))
        return fail_shape(source, mask, base, "the same", error);
    read_values(base, 0, base->count, values);
    for (size_t done = 0, step; done < base->count; done += step) {
        step = vgg_size_min(base->count - done, AT_ONCE);
        read_values(mask, done, step, factors);
        for (size_t i = 0; i < step; i++) {
            values[done + i] *= factors[i];
        }
    }
    return VGG_OK;
}

/* weight = v * g / |v|, for each output by itself, or for the whole where g is one number. */
static vgg_status make_normed(const vgg_tensor_source *source,
                              const vgg_stored_tensor *const *parts, float *values,
                              vgg_error *error) {
    const vgg_stored_tensor *base = parts[PART_BASE], *g = parts[PART_FACTOR];
    size_t rows = g->count;
    if (base->dimensions == 0 || rows == 0 || (rows != 1 && rows != base->shape[0]) ||
        (rows > 1 && g->shape[0] != rows))
        return fail_shape(source, g, base, "a number for each output", error);
    read_values(base, 0, base->count, values);
    size_t length = base->count / rows;
    for (size_t row = 0; row < rows; row++) {
        float *v = values + row * length, factor;
        double squares = 0;
        for (size_t i = 0; i < length; i++) {
            squares += (double)v[i] * (double)v[i];
        }
        read_values(g, row, 1, &factor);
        double scale = (double)factor / sqrt(squares);
        for (size_t i = 0; i < length; i++) {
            v[i] = (float)(scale * (double)v[i]);
        }
    }
    return VGG_OK;
}

/* weight = orig / (u . (W v)), W being orig as a matrix with a row for each output. */
static vgg_status make_spectral(const vgg_tensor_source *source,
                                const vgg_stored_tensor *const *parts, float *values,
                                vgg_error *error) {
    const vgg_stored_tensor *base = parts[PART_BASE], *u = parts[PART_FACTOR];
    const vgg_stored_tensor *v = parts[PART_OTHER];
    size_t rows = base->dimensions > 0 ? base->shape[0] : 0;
    size_t length = rows > 0 ? base->count / rows : 0;
    if (rows == 0 || u->count != rows)
        return fail_shape(source, u, base, "a number for each output", error);
    if (v->count != length)
        return fail_shape(source, v, base, "a number for each input of an output", error);
    read_values(base, 0, base->count, values);
    double sigma = 0;
    for (size_t row = 0; row < rows; row++) {
        double sum = 0;
        float left, right;
        for (size_t i = 0; i < length; i++) {
            read_values(v, i, 1, &right);
            sum += (double)values[row * length + i] * (double)right;
        }
        read_values(u, row, 1, &left);
        sigma += (double)left * sum;
    }
    for (size_t i = 0; i < base->count; i++) {
        values[i] = (float)((double)values[i] / sigma);
    }
    return VGG_OK;
}

/* The ones with more parts before those that have some of them. */
static const rule rules[] = {
    {{"weight_orig", "weight_u", "weight_v"}, "weight", "spectral_norm", make_spectral},
    {{"parametrizations.weight.original", "parametrizations.weight.0._u",
      "parametrizations.weight.0._v"},
     "weight",
     "spectral_norm",
     make_spectral},
    {{"weight_orig", "weight_mask", NULL}, "weight", "pruned", make_pruned},
    {{"bias_orig", "bias_mask", NULL}, "bias", "pruned", make_pruned},
    {{"weight_v", "weight_g", NULL}, "weight", "weight_norm", make_normed},
    {{"parametrizations.weight.original1", "parametrizations.weight.original0", NULL},
     "weight",
     "weight_norm",
     make_normed},
};
#define RULES (sizeof rules / sizeof *rules)

/* ---- finding them ---- */

/* The length of what stands before the ending; false when the name has another. */
static bool ends_in(const char *name, const char *ending, size_t *before) {
    size_t length = strlen(name), tail = strlen(ending);
    if (length < tail || strcmp(name + length - tail, ending) != 0 ||
        (length > tail && name[length - tail - 1] != '.'))
        return false;
    *before = length - tail;
    return true;
}

/* The tensor of the same module with that ending; tensor_count when there is none. */
static size_t find_part(const vgg_tensor_source *source, const char *module, size_t length,
                        const char *ending) {
    size_t i = 0, before;
    while (i < source->tensor_count &&
           !(ends_in(source->tensors[i].name, ending, &before) && before == length &&
             memcmp(source->tensors[i].name, module, length) == 0)) {
        i++;
    }
    return i;
}

/* The numbers of all parts of the weight that this tensor is the base of. */
static bool find_parts(const vgg_tensor_source *source, const rule *r, size_t base,
                       size_t numbers[PARTS]) {
    size_t length;
    const char *name = source->tensors[base].name;
    if (!ends_in(name, r->endings[PART_BASE], &length))
        return false;
    numbers[PART_BASE] = base;
    for (size_t p = PART_FACTOR; p < PARTS; p++) {
        numbers[p] = base;
        if (r->endings[p] == NULL)
            continue;
        numbers[p] = find_part(source, name, length, r->endings[p]);
        if (numbers[p] == source->tensor_count)
            return false;
    }
    return true;
}

/* A mask may be of bytes or truth values; all else is of weights. */
static bool has_type(const vgg_stored_tensor *tensor, size_t place) {
    const char *type = tensor->type->name;
    bool mask = strcmp(type, "BOOL") == 0 || strcmp(type, "U8") == 0 || strcmp(type, "I8") == 0;
    return vgg_element_is_weight(tensor->type->element) || (place == PART_FACTOR && mask);
}

/* The weight takes the base's place, and the other parts are gone. */
static vgg_status derive(vgg_tensor_source *source, const rule *r, const size_t numbers[PARTS],
                         bool *gone, vgg_error *error) {
    vgg_stored_tensor *base = &source->tensors[numbers[PART_BASE]];
    const vgg_stored_tensor *parts[PARTS];
    size_t length = 0, bytes;
    void *memory;
    for (size_t p = 0; p < PARTS; p++) {
        parts[p] = &source->tensors[numbers[p]];
        if (!has_type(parts[p], p))
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "tensor \"%.80s\" of %s has type %s, expected F32, F16, BF16 or F64",
                            parts[p]->name, source->path, parts[p]->type->name);
    }
    if (!vgg_size_mul(base->count, sizeof(float), &bytes))
        return vgg_fail_memory(error, base->name, base->count);
    vgg_status status = vgg_tensor_source_memory(source, bytes, base->name, &memory, error);
    if (status == VGG_OK)
        status = r->make(source, parts, memory, error);
    if (status != VGG_OK)
        return status;
    ends_in(base->name, r->endings[PART_BASE], &length);
    if (base->stored_as == NULL)
        base->stored_as = vgg_text_copy(base->name);
    if (base->stored_as == NULL)
        return vgg_fail_memory(error, "a tensor's name", strlen(base->name));
    strcpy(base->name + length, r->name);
    base->type = vgg_element_type_named("F32");
    base->bytes = memory;
    for (size_t p = PART_FACTOR; p < PARTS; p++) {
        if (numbers[p] != numbers[PART_BASE])
            gone[numbers[p]] = true;
    }
    return VGG_OK;
}

/* Takes the parts that were used out of the list. */
static void close_gaps(vgg_tensor_source *source, const bool *gone) {
    size_t kept = 0;
    for (size_t i = 0; i < source->tensor_count; i++) {
        vgg_stored_tensor *tensor = &source->tensors[i];
        if (!gone[i]) {
            source->tensors[kept++] = *tensor;
            continue;
        }
        vgg_free(tensor->name);
        vgg_free(tensor->stored_as);
    }
    source->tensor_count = kept;
}

/* Whether a tensor of its own name is there beside the parts, which then are left alone. */
static bool stands_itself(const vgg_tensor_source *source, const rule *r, size_t base) {
    size_t length;
    const char *name = source->tensors[base].name;
    return ends_in(name, r->endings[PART_BASE], &length) &&
           find_part(source, name, length, r->name) < source->tensor_count;
}

/* A remark for each way in which weights were stored. */
static bool remark(vgg_tensor_source *source, const size_t made[RULES]) {
    bool noted = true;
    for (size_t r = 0; noted && r < RULES; r++) {
        size_t count = 0;
        bool first = true;
        for (size_t other = 0; other < RULES; other++) {
            bool same = strcmp(rules[other].what, rules[r].what) == 0;
            first = first && !(same && other < r && made[other] > 0);
            count += same ? made[other] : 0;
        }
        if (made[r] > 0 && first)
            noted = vgg_remarks_add(&source->remarks, "%zu tensor%s multiplied out of parts (%s)",
                                    count, count == 1 ? " was" : "s were", rules[r].what);
    }
    return noted;
}

vgg_status vgg_derive_weights(vgg_tensor_source *source, vgg_error *error) {
    if (source->tensor_count > TENSORS_MOST)
        return VGG_OK;
    size_t made[RULES] = {0};
    bool *gone = vgg_calloc(source->tensor_count + 1, sizeof *gone);
    vgg_status status =
        gone != NULL ? VGG_OK : vgg_fail_memory(error, "a list of tensors", source->tensor_count);
    for (size_t i = 0; status == VGG_OK && i < source->tensor_count; i++) {
        size_t numbers[PARTS];
        for (size_t r = 0; status == VGG_OK && r < RULES; r++) {
            if (gone[i] || !find_parts(source, &rules[r], i, numbers) ||
                stands_itself(source, &rules[r], i))
                continue;
            status = derive(source, &rules[r], numbers, gone, error);
            made[r]++;
        }
    }
    if (gone != NULL)
        close_gaps(source, gone);
    vgg_free(gone);
    return status == VGG_OK && !remark(source, made) ? vgg_fail_memory(error, "a remark", 0)
                                                     : status;
}
