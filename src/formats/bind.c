#include "formats/bind.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* Names in a list, of which a message shows the first few. */
#define NAMES_SHOWN 3

/* Values that are converted before their pages are given back. */
#define VALUES_AT_ONCE ((size_t)4 << 20)

typedef struct shown_names {
    vgg_text text;
    size_t count;
} shown_names;

static void show_name(shown_names *shown, const char *name) {
    if (shown->count < NAMES_SHOWN)
        vgg_text_add(&shown->text, "%s\"%.80s\"", shown->count == 0 ? "" : ", ", name);
    shown->count++;
}

/* Fails when any name was shown; frees the list. */
static vgg_status finish_names(shown_names *shown, const char *path, const char *what,
                               const vgg_network *network, vgg_error *error) {
    if (shown->count == 0)
        return VGG_OK;
    if (shown->count > NAMES_SHOWN)
        vgg_text_add(&shown->text, " and %zu more", shown->count - NAMES_SHOWN);
    char *list = vgg_text_take(&shown->text);
    if (list == NULL)
        return vgg_fail_memory(error, "a list of names", shown->count);
    vgg_fail(error, VGG_ERROR_FORMAT, "%s: %s architecture %.100s%s: %s", path, what,
             network->options.arch, network->options.batch_norm ? " with batch normalisation" : "",
             list);
    free(list);
    return VGG_ERROR_FORMAT;
}

bool vgg_bind_fits(const vgg_tensor_info *info, const vgg_stored_tensor *stored) {
    if (info->dimensions == 2 && stored->dimensions == 4)
        return stored->shape[0] == info->shape[0] && stored->count == info->count;
    return stored->dimensions == info->dimensions &&
           memcmp(stored->shape, info->shape, info->dimensions * sizeof *info->shape) == 0;
}

static vgg_status check_tensor(const vgg_tensor_info *info, const vgg_stored_tensor *stored,
                               const char *path, vgg_error *error) {
    if (!vgg_bind_fits(info, stored)) {
        char found[VGG_SHAPE_TEXT], expected[VGG_SHAPE_TEXT];
        return vgg_fail(error, VGG_ERROR_SHAPE, "tensor \"%s\" of %s has shape %s, expected %s",
                        stored->name, path,
                        vgg_shape_text(found, stored->shape, stored->dimensions),
                        vgg_shape_text(expected, info->shape, info->dimensions));
    }
    if (!vgg_element_is_weight(stored->type->element))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" of %s has type %s, expected F32, F16, BF16 or F64",
                        stored->name, path, stored->type->name);
    return VGG_OK;
}

static vgg_status take_values(vgg_network *network, size_t tensor, const vgg_stored_tensor *stored,
                              const vgg_storage *storage, vgg_error *error) {
    if (stored->type->element == VGG_ELEMENT_FLOAT32 &&
        (uintptr_t)stored->bytes % _Alignof(float) == 0) {
        vgg_network_borrow(network, tensor, (const float *)(const void *)stored->bytes);
        return VGG_OK;
    }
    bool halves = stored->type->element == VGG_ELEMENT_FLOAT16 ||
                  stored->type->element == VGG_ELEMENT_BFLOAT16;
    bool weight = network->tensors[tensor].info.dimensions >= 2;
    if (halves && weight && (uintptr_t)stored->bytes % _Alignof(uint16_t) == 0) {
        vgg_network_borrow_halves(network, tensor, stored->type->element, stored->bytes);
        return VGG_OK;
    }
    float *values = vgg_network_own(network, tensor);
    if (values == NULL)
        return vgg_fail_memory(error, stored->name, stored->count * sizeof *values);
    for (size_t done = 0, step; done < stored->count; done += step) {
        step = vgg_size_min(stored->count - done, VALUES_AT_ONCE);
        const unsigned char *from = stored->bytes + done * stored->type->bytes;
        vgg_elements_to_float(stored->type->element, from, step, values + done);
        vgg_storage_drop(storage, stored->bytes, (done + step) * stored->type->bytes);
    }
    network->version++;
    return VGG_OK;
}

static bool ends_with(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

bool vgg_bind_passes_over(const char *name) {
    return ends_with(name, ".num_batches_tracked");
}

/* Finds the stored tensor of every tensor of the network: matches[i] for tensor i. */
static vgg_status match_tensors(const vgg_network *network, vgg_named_tensors *names,
                                const char *path, const vgg_stored_tensor **matches,
                                vgg_error *error) {
    shown_names missing = {0};
    for (size_t i = 0; i < network->tensor_count; i++) {
        const vgg_tensor_info *info = &network->tensors[i].info;
        vgg_named_tensor *found = vgg_names_find(names, info->name);
        if (found == NULL) {
            show_name(&missing, info->name);
            continue;
        }
        vgg_status status = check_tensor(info, found->stored, path, error);
        if (status != VGG_OK) {
            vgg_text_free(&missing.text);
            return status;
        }
        found->used = true;
        matches[i] = found->stored;
    }
    return finish_names(&missing, path, "lacks tensors of", network, error);
}

static vgg_status check_unused(const vgg_network *network, const vgg_named_tensors *names,
                               const char *path, vgg_error *error) {
    shown_names unused = {0};
    for (size_t i = 0; i < names->count; i++)
        if (!names->items[i].used && !vgg_bind_passes_over(names->items[i].name))
            show_name(&unused, names->items[i].stored->name);
    return finish_names(&unused, path, "has tensors that do not belong to", network, error);
}

vgg_status vgg_bind_tensors(vgg_network *network, vgg_named_tensors *names,
                            const vgg_tensor_source *source, vgg_error *error) {
    const vgg_stored_tensor **matches = calloc(network->tensor_count + 1, sizeof *matches);
    if (matches == NULL)
        return vgg_fail_memory(error, "a list of tensors", network->tensor_count * sizeof *matches);
    vgg_status status = match_tensors(network, names, source->path, matches, error);
    if (status == VGG_OK)
        status = check_unused(network, names, source->path, error);
    for (size_t i = 0; status == VGG_OK && i < network->tensor_count; i++)
        status = take_values(network, i, matches[i], &source->storage, error);
    free(matches);
    return status;
}
