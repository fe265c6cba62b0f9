/* ONNX models that hold tensors but no nodes, so that only names tell what a tensor is for:
 * PyTorch's, or those that exports of MXNet's model zoo (vgg0_conv0_weight, vgg0_dense0_bias) and
 * of Caffe2 (conv1_1_w_0, fc6_b_0) have. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/onnx/onnx.h"
#include "nn/structure.h"

#define NAME 160
#define MOST_LAYERS 64

typedef struct names {
    vgg_onnx *onnx;
    char prefix[NAME / 2]; /* before "conv0_weight" */
    const Vgg__Onnx__Tensor *convolutions[MOST_LAYERS], *linears[MOST_LAYERS];
    const Vgg__Onnx__Tensor *convolution_biases[MOST_LAYERS], *linear_biases[MOST_LAYERS];
    const Vgg__Onnx__Tensor *figures[MOST_LAYERS][4]; /* of batch normalisation, or NULL */
    size_t convolution_count, linear_count;
} names;

static const Vgg__Onnx__Tensor *find(const names *n, const char *name) {
    bool transposed;
    return vgg_onnx_find_tensor(n->onnx, name, &transposed);
}

/* ---- finding ---- */

static const Vgg__Onnx__Tensor *find_mxnet(const names *n, const char *layer, size_t index,
                                           const char *field) {
    char name[NAME];
    snprintf(name, sizeof name, "%s%s%zu_%s", n->prefix, layer, index, field);
    return find(n, name);
}

static bool find_prefix(names *n) {
    static const char ending[] = "conv0_weight";
    const Vgg__Onnx__Graph *graph = n->onnx->graph;
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const char *name = vgg_onnx_text(graph->initializer[i]->name);
        size_t length = strlen(name), tail = sizeof ending - 1;
        if (length < tail || length - tail >= sizeof n->prefix ||
            strcmp(name + length - tail, ending) != 0)
            continue;
        snprintf(n->prefix, sizeof n->prefix, "%.*s", (int)(length - tail), name);
        return true;
    }
    return false;
}

static void read_mxnet(names *n) {
    static const char *const figures[] = {"gamma", "beta", "running_mean", "running_var"};
    size_t i;
    for (i = 0; i < MOST_LAYERS; i++) {
        n->convolutions[i] = find_mxnet(n, "conv", i, "weight");
        if (n->convolutions[i] == NULL)
            break;
        n->convolution_biases[i] = find_mxnet(n, "conv", i, "bias");
        for (size_t f = 0; f < 4; f++) {
            n->figures[i][f] = find_mxnet(n, "batchnorm", i, figures[f]);
        }
    }
    n->convolution_count = i;
    for (i = 0; i < MOST_LAYERS; i++) {
        n->linears[i] = find_mxnet(n, "dense", i, "weight");
        if (n->linears[i] == NULL)
            break;
        n->linear_biases[i] = find_mxnet(n, "dense", i, "bias");
    }
    n->linear_count = i;
}

/* Convolution `index` of block `block`, both from 1; false when there is none. */
static bool read_caffe2_convolution(names *n, size_t block, size_t index) {
    char weight[NAME], bias[NAME];
    snprintf(weight, sizeof weight, "conv%zu_%zu_w_0", block, index);
    snprintf(bias, sizeof bias, "conv%zu_%zu_b_0", block, index);
    size_t i = n->convolution_count;
    if (i == MOST_LAYERS || find(n, weight) == NULL)
        return false;
    n->convolutions[i] = find(n, weight);
    n->convolution_biases[i] = find(n, bias);
    n->convolution_count++;
    return true;
}

static void read_caffe2(names *n) {
    for (size_t block = 1; block < MOST_LAYERS; block++) {
        for (size_t index = 1; read_caffe2_convolution(n, block, index); index++) {
        }
    }
    for (size_t i = 0; i < MOST_LAYERS; i++) {
        char weight[NAME], bias[NAME];
        snprintf(weight, sizeof weight, "fc%zu_w_0", i);
        snprintf(bias, sizeof bias, "fc%zu_b_0", i);
        if (find(n, weight) == NULL)
            continue;
        n->linears[n->linear_count] = find(n, weight);
        n->linear_biases[n->linear_count++] = find(n, bias);
    }
}

/* ---- placing ---- */

static bool has_size(const Vgg__Onnx__Tensor *tensor, size_t at, size_t size) {
    return tensor->n_dims == 4 && tensor->dims[at] == (int64_t)size;
}

/* Whether the convolutions are those of an architecture. */
static bool fits(const names *n, const vgg_structure *list) {
    size_t seen = 0;
    for (size_t i = 0; i < list->count; i++) {
        const vgg_structure_layer *token = &list->layers[i];
        if (token->type != VGG_LAYER_CONVOLUTION)
            continue;
        if (seen == n->convolution_count || !has_size(n->convolutions[seen], 0, token->outputs) ||
            !has_size(n->convolutions[seen], 2, token->kernel))
            return false;
        seen++;
    }
    return seen == n->convolution_count;
}

static vgg_status take(names *n, const Vgg__Onnx__Tensor *const tensors[], size_t count,
                       vgg_stored_tensor *taken, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = tensors[i] != NULL
                     ? vgg_onnx_tensor(n->onnx, tensors[i], &taken[i], error)
                     : vgg_fail(error, VGG_ERROR_FORMAT,
                                "%s: has no nodes, and a tensor is missing beside \"%.80s\"",
                                n->onnx->source->path, vgg_onnx_text(tensors[0]->name));
    }
    return status;
}

static vgg_status place_convolution(names *n, vgg_sequence *sequence, size_t i, vgg_error *error) {
    vgg_stored_tensor taken[2], figures[4];
    const Vgg__Onnx__Tensor *const both[] = {n->convolutions[i], n->convolution_biases[i]};
    vgg_status status = take(n, both, 2, taken, error);
    if (status == VGG_OK)
        status = vgg_sequence_convolution(sequence, &taken[0], &taken[1], error);
    if (status != VGG_OK || n->figures[i][0] == NULL)
        return status;
    status = take(n, n->figures[i], 4, figures, error);
    return status == VGG_OK ? vgg_sequence_batch_norm(sequence, figures, error) : status;
}

static vgg_status place(names *n, const vgg_structure *list, vgg_error *error) {
    vgg_sequence sequence = vgg_sequence_begin(n->onnx->source);
    vgg_status status = VGG_OK;
    for (size_t i = 0, c = 0; status == VGG_OK && i < list->count; i++) {
        if (list->layers[i].type == VGG_LAYER_CONVOLUTION)
            status = place_convolution(n, &sequence, c++, error);
        else if (list->layers[i].type == VGG_LAYER_MAX_POOL)
            vgg_sequence_pool(&sequence);
        else if (list->layers[i].type == VGG_LAYER_LOCAL_RESPONSE_NORM)
            vgg_sequence_lrn(&sequence);
    }
    for (size_t i = 0; status == VGG_OK && i < n->linear_count; i++) {
        vgg_stored_tensor taken[2];
        const Vgg__Onnx__Tensor *const both[] = {n->linears[i], n->linear_biases[i]};
        status = take(n, both, 2, taken, error);
        if (status == VGG_OK)
            status = vgg_sequence_linear(&sequence, &taken[0], &taken[1], error);
    }
    return status;
}

/* Places the tensors as the first architecture of the table that they fit; *placed: there is one.
 */
static vgg_status place_by_table(names *n, bool *placed, vgg_error *error) {
    const vgg_architecture *row;
    *placed = false;
    for (size_t i = 0; !*placed && (row = vgg_architecture_at(i)) != NULL; i++) {
        vgg_structure list;
        vgg_status status = vgg_structure_of_row(row, &list, error);
        if (status != VGG_OK) {
            vgg_structure_free(&list);
            return status;
        }
        *placed = fits(n, &list);
        if (*placed)
            status = place(n, &list, error);
        vgg_structure_free(&list);
        if (status != VGG_OK)
            return status;
    }
    return VGG_OK;
}

/* ---- PyTorch's names ---- */

static bool ends_with(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

/* Without types that no weight has, when they may be passed over. */
static vgg_status keep_names(vgg_onnx *onnx, bool pass_over, vgg_error *error) {
    const Vgg__Onnx__Graph *graph = onnx->graph;
    vgg_tensor_source *source = onnx->source;
    vgg_status status = vgg_tensor_source_reserve(source, graph->n_initializer, error);
    source->tensor_count = 0;
    for (size_t i = 0; status == VGG_OK && i < graph->n_initializer; i++) {
        const char *name = vgg_onnx_text(graph->initializer[i]->name);
        if (ends_with(name, ".num_batches_tracked"))
            continue;
        vgg_stored_tensor *tensor = &source->tensors[source->tensor_count];
        status = vgg_onnx_tensor(onnx, graph->initializer[i], tensor, error);
        if (status == VGG_ERROR_UNSUPPORTED && pass_over) {
            status = VGG_OK;
            continue;
        }
        if (status != VGG_OK)
            break;
        tensor->name = vgg_text_copy(name);
        if (tensor->name == NULL)
            return vgg_fail_memory(error, "a tensor's name", strlen(name));
        source->tensor_count++;
    }
    return status;
}

vgg_status vgg_onnx_read_tensors(vgg_onnx *onnx, vgg_error *error) {
    vgg_error reason;
    vgg_status status = keep_names(onnx, true, &reason);
    return status == VGG_OK ? VGG_OK : vgg_fail(error, status, "%s", reason.message);
}

vgg_status vgg_onnx_read_names(vgg_onnx *onnx, vgg_error *error) {
    names n = {.onnx = onnx};
    if (find(&n, "conv1_1_w_0") != NULL)
        read_caffe2(&n);
    else if (find_prefix(&n))
        read_mxnet(&n);
    else
        return keep_names(onnx, false, error);
    bool placed;
    vgg_status status = place_by_table(&n, &placed, error);
    if (status == VGG_OK && !placed)
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "%s: has no nodes, and its %zu convolutions are those of none of the "
                          "architectures A to E",
                          onnx->source->path, n.convolution_count);
    return status;
}
