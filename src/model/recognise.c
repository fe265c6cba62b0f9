#include "model/recognise.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "nn/architecture.h"

/* ---- seeing ---- */

/* Fills in the layer when the tensor is the weight of a module of that name with that many
 * dimensions at least. timm keeps linear layers as 1x1 and 7x7 convolutions. */
static bool see_weight(const vgg_named_tensor *tensor, const char *module, size_t dimensions,
                       vgg_seen_layer *layer) {
    const char *field;
    const vgg_stored_tensor *stored = tensor->stored;
    if (!vgg_name_split(tensor->name, module, &layer->index, &field) ||
        strcmp(field, "weight") != 0 || stored->dimensions < dimensions)
        return false;
    layer->weight = stored;
    layer->outputs = stored->shape[0];
    layer->inputs = stored->shape[1];
    layer->kernel = stored->dimensions == 4 ? stored->shape[2] : 1;
    return true;
}

static bool is_running_mean(const char *name) {
    size_t index;
    const char *field;
    return vgg_name_split(name, "features", &index, &field) && strcmp(field, "running_mean") == 0;
}

static int compare_layers(const void *a, const void *b) {
    const vgg_seen_layer *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static vgg_status fail_unknown(const vgg_named_tensors *names, const char *path,
                               const char *expected, vgg_error *error) {
    if (names->count == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has no tensors, expected %s", path, expected);
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is not a VGG network with torchvision's or timm's names: among its %zu "
                    "tensors, such as \"%.80s\", is none named like %s",
                    path, names->count, names->items[0].stored->name, expected);
}

vgg_status vgg_sighting_read(const vgg_named_tensors *names, const char *path,
                             vgg_sighting *sighting, vgg_error *error) {
    sighting->convolutions = vgg_calloc(names->count + 1, sizeof *sighting->convolutions);
    sighting->linears = vgg_calloc(names->count + 1, sizeof *sighting->linears);
    if (sighting->convolutions == NULL || sighting->linears == NULL)
        return vgg_fail_memory(error, "the list of layers",
                               2 * (names->count + 1) * sizeof *sighting->linears);
    for (size_t i = 0; i < names->count; i++) {
        const vgg_named_tensor *tensor = &names->items[i];
        if (see_weight(tensor, "features", 4, &sighting->convolutions[sighting->convolution_count]))
            sighting->convolution_count++;
        else if (see_weight(tensor, "classifier", 2, &sighting->linears[sighting->linear_count]))
            sighting->linear_count++;
        else if (is_running_mean(tensor->name))
            sighting->batch_norm = true;
    }
    if (sighting->convolution_count == 0)
        return fail_unknown(names, path, "\"features.0.weight\" of shape KxCx3x3", error);
    if (sighting->linear_count == 0)
        return fail_unknown(names, path, "\"classifier.0.weight\" or \"head.fc.weight\"", error);
    qsort(sighting->convolutions, sighting->convolution_count, sizeof *sighting->convolutions,
          compare_layers);
    qsort(sighting->linears, sighting->linear_count, sizeof *sighting->linears, compare_layers);
    return VGG_OK;
}

void vgg_sighting_free(vgg_sighting *sighting) {
    vgg_free(sighting->convolutions);
    vgg_free(sighting->linears);
    *sighting = (vgg_sighting){0};
}

/* ---- recognising ---- */

static vgg_status add_convolution(const vgg_seen_layer *layer, const char *path, vgg_text *trunk,
                                  vgg_error *error) {
    const size_t *shape = layer->weight->shape;
    if (shape[2] != shape[3] || (layer->kernel != 3 && layer->kernel != 1))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" of %s has a kernel of %zux%zu, expected 3x3 or 1x1",
                        layer->weight->name, path, shape[2], shape[3]);
    vgg_text_add(trunk, layer->kernel == 1 ? "1x1:%zu" : "%zu", layer->outputs);
    return VGG_OK;
}

/* Writes the convolutions and what the gaps between their indices say. *doubtful is the first
 * convolution after a gap of two that was taken for LRN and max-pool. */
static vgg_status write_trunk(const vgg_sighting *sighting, const char *path, vgg_text *trunk,
                              const vgg_seen_layer **doubtful, vgg_error *error) {
    size_t next = 0, own = sighting->batch_norm ? 3 : 2;
    for (size_t i = 0; i < sighting->convolution_count; i++) {
        const vgg_seen_layer *layer = &sighting->convolutions[i];
        size_t gap = layer->index - next;
        if (layer->index < next || gap > (i == 0 ? 0 : 2))
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: its architecture cannot be read off its tensors: convolution "
                            "\"%s\" was expected at index %zu to %zu; give the architecture",
                            path, layer->weight->name, next, i == 0 ? next : next + 2);
        if (gap == 2 && *doubtful == NULL)
            *doubtful = layer;
        vgg_text_add(trunk, "%s", i == 0 ? "" : gap == 0 ? "," : gap == 1 ? ",M," : ",L,M,");
        vgg_status status = add_convolution(layer, path, trunk, error);
        if (status != VGG_OK)
            return status;
        next = layer->index + own;
    }
    return VGG_OK;
}

/* "/4096,4096": the widths of all linear layers but the last, which gives the classes. */
static void write_hidden(const vgg_sighting *sighting, vgg_text *hidden) {
    for (size_t i = 0; i + 1 < sighting->linear_count; i++) {
        vgg_text_add(hidden, i == 0 ? "/%zu" : ",%zu", sighting->linears[i].outputs);
    }
}

/* The values of the network's first linear weight. */
static size_t first_linear_count(const vgg_network *network) {
    for (size_t i = 0; i < vgg_network_layer_count(network); i++) {
        vgg_layer_info layer = {.struct_size = sizeof layer};
        vgg_tensor_info weight = {.struct_size = sizeof weight};
        if (vgg_network_layer(network, i, &layer, NULL) == VGG_OK &&
            layer.type == VGG_LAYER_LINEAR &&
            vgg_network_tensor(network, layer.first_tensor, &weight, NULL) == VGG_OK)
            return weight.count;
    }
    return 0;
}

/* Whether a network of this architecture has as many inputs of its first linear layer as the file.
 * One that cannot be built does not fit; that memory ran out says nothing and is an error. */
static vgg_status check_fit(const vgg_sighting *sighting, const vgg_network_options *options,
                            const char *arch, bool *fits, vgg_error *error) {
    vgg_network_options candidate = *options;
    candidate.arch = arch;
    vgg_network *network;
    vgg_error reason = {0};
    vgg_status status = vgg_network_create(&candidate, &network, &reason);
    if (status == VGG_ERROR_MEMORY)
        return vgg_fail(error, status, "%s", reason.message);
    *fits = status == VGG_OK && first_linear_count(network) == sighting->linears[0].weight->count;
    if (status == VGG_OK)
        vgg_network_free(network);
    return VGG_OK;
}

/* Joins the parts; NULL when memory ran out. */
static char *join_arch(const char *trunk, const char *end, const char *hidden, bool *in_table) {
    vgg_text text = {0};
    vgg_text_add(&text, "%s%s", trunk, end);
    char *convolutions = vgg_text_take(&text);
    if (convolutions == NULL)
        return NULL;
    *in_table = vgg_arch_row_of(convolutions) != NULL;
    char *arch = vgg_arch_join(convolutions, hidden);
    vgg_free(convolutions);
    return arch;
}

static vgg_status choose_end(const vgg_sighting *sighting, const char *path,
                             const vgg_network_options *options, const char *trunk,
                             const char *hidden, const vgg_seen_layer *doubtful, char **arch,
                             vgg_error *error) {
    bool in_table = false, unused;
    char *pooled = join_arch(trunk, ",M", hidden, &in_table);
    char *bare = join_arch(trunk, "", hidden, &unused);
    vgg_status status = VGG_OK;
    if (pooled == NULL || bare == NULL)
        status = vgg_fail_memory(error, "an architecture", strlen(trunk));
    else if (doubtful != NULL && !in_table)
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "%s: its architecture cannot be read off its tensors: two layers without "
                          "any stand before \"%s\"; give the architecture",
                          path, doubtful->weight->name);
    bool pooled_fits = false, bare_fits = false;
    if (status == VGG_OK)
        status = check_fit(sighting, options, pooled, &pooled_fits, error);
    if (status == VGG_OK && !pooled_fits)
        status = check_fit(sighting, options, bare, &bare_fits, error);
    if (status == VGG_OK) {
        char **chosen = bare_fits ? &bare : &pooled;
        *arch = *chosen;
        *chosen = NULL;
    }
    vgg_free(pooled);
    vgg_free(bare);
    return status;
}

vgg_status vgg_recognise_arch(const vgg_sighting *sighting, const char *path,
                              const vgg_network_options *options, char **arch, vgg_error *error) {
    vgg_text trunk_text = {0}, hidden_text = {0};
    const vgg_seen_layer *doubtful = NULL;
    vgg_status status = write_trunk(sighting, path, &trunk_text, &doubtful, error);
    write_hidden(sighting, &hidden_text);
    char *trunk = vgg_text_take(&trunk_text);
    char *hidden = vgg_text_take(&hidden_text);
    if (status == VGG_OK && (trunk == NULL || hidden == NULL))
        status = vgg_fail_memory(error, "an architecture", sighting->convolution_count);
    if (status == VGG_OK)
        status = choose_end(sighting, path, options, trunk, hidden, doubtful, arch, error);
    vgg_free(trunk);
    vgg_free(hidden);
    return status;
}
