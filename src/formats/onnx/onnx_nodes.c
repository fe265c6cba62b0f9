/* The nodes of an ONNX graph: their attributes, and the tensors that names stand for. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/onnx/onnx.h"

/* Nodes between an initialiser and its use. */
#define MOST_ALIASES 8

static const Vgg__Onnx__Attribute *find_attribute(const Vgg__Onnx__Node *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (strcmp(vgg_onnx_text(node->attribute[i]->name), name) == 0)
            return node->attribute[i];
    }
    return NULL;
}

int64_t vgg_onnx_int(const Vgg__Onnx__Node *node, const char *name, int64_t fallback) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    return attribute != NULL ? attribute->i : fallback;
}

double vgg_onnx_float(const Vgg__Onnx__Node *node, const char *name, double fallback) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    return attribute != NULL ? (double)attribute->f : fallback;
}

const char *vgg_onnx_string(const Vgg__Onnx__Node *node, const char *name, const char *fallback) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    return attribute != NULL ? vgg_onnx_text(attribute->s) : fallback;
}

bool vgg_onnx_all(const Vgg__Onnx__Node *node, const char *name, size_t count, int64_t value,
                  bool absent) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    if (attribute == NULL)
        return absent;
    for (size_t i = 0; i < attribute->n_ints; i++) {
        if (attribute->ints[i] != value)
            return false;
    }
    return attribute->n_ints == count;
}

size_t vgg_onnx_numbers(const Vgg__Onnx__Node *node, const char *name, int64_t *numbers,
                        size_t most) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    size_t count = attribute != NULL ? vgg_size_min(attribute->n_ints, most) : 0;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = attribute->ints[i];
    }
    return count;
}

bool vgg_onnx_pair(const Vgg__Onnx__Node *node, const char *name, size_t height, size_t width,
                   bool absent) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    if (attribute == NULL)
        return absent;
    return attribute->n_ints == 2 && attribute->ints[0] == (int64_t)height &&
           attribute->ints[1] == (int64_t)width;
}

bool vgg_onnx_is_type(const Vgg__Onnx__Node *node, const char *type) {
    return strcmp(vgg_onnx_text(node->op_type), type) == 0;
}

vgg_status vgg_onnx_fail_node(const vgg_onnx *onnx, const Vgg__Onnx__Node *node, vgg_error *error,
                              const char *format, ...) {
    char what[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    const char *name = vgg_onnx_text(node->name);
    if (name[0] == '\0' && node->n_output > 0)
        name = node->output[0];
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: node \"%.80s\" (%.40s) %s",
                    onnx->source->path, name, vgg_onnx_text(node->op_type), what);
}

const Vgg__Onnx__Node *vgg_onnx_producer(const Vgg__Onnx__Graph *graph, const char *name) {
    for (size_t i = 0; i < graph->n_node; i++) {
        const Vgg__Onnx__Node *node = graph->node[i];
        if (node->n_output > 0 && strcmp(node->output[0], name) == 0)
            return node;
    }
    return NULL;
}

const char *vgg_onnx_attributes(char buffer[VGG_ONNX_ATTRIBUTES], const Vgg__Onnx__Node *node) {
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < node->n_attribute && used < VGG_ONNX_ATTRIBUTES; i++) {
        const Vgg__Onnx__Attribute *attribute = node->attribute[i];
        for (size_t k = 0; k < attribute->n_ints && used < VGG_ONNX_ATTRIBUTES; k++) {
            const char *name = k == 0 ? vgg_onnx_text(attribute->name) : "";
            used += (size_t)snprintf(buffer + used, VGG_ONNX_ATTRIBUTES - used, "%s%.20s%s%lld",
                                     k > 0      ? ","
                                     : used > 0 ? " "
                                                : " with ",
                                     name, k == 0 ? "=" : "", (long long)attribute->ints[k]);
        }
    }
    return buffer;
}

/* ---- tensors ---- */

static const Vgg__Onnx__Tensor *find_initializer(const Vgg__Onnx__Graph *graph, const char *name) {
    for (size_t i = 0; i < graph->n_initializer; i++) {
        if (strcmp(vgg_onnx_text(graph->initializer[i]->name), name) == 0)
            return graph->initializer[i];
    }
    return NULL;
}

static bool swaps_two(const Vgg__Onnx__Node *node) {
    const Vgg__Onnx__Attribute *order = find_attribute(node, "perm");
    return order == NULL || (order->n_ints == 2 && order->ints[0] == 1 && order->ints[1] == 0);
}

const Vgg__Onnx__Tensor *vgg_onnx_find_tensor(const vgg_onnx *onnx, const char *name,
                                              bool *transposed) {
    *transposed = false;
    for (size_t i = 0; i < MOST_ALIASES && name[0] != '\0'; i++) {
        const Vgg__Onnx__Tensor *tensor = find_initializer(onnx->graph, name);
        if (tensor != NULL)
            return tensor;
        const Vgg__Onnx__Node *node = vgg_onnx_producer(onnx->graph, name);
        if (node == NULL)
            return NULL;
        if (vgg_onnx_is_type(node, "Constant")) {
            const Vgg__Onnx__Attribute *value = find_attribute(node, "value");
            return value != NULL ? value->t : NULL;
        }
        if (vgg_onnx_is_type(node, "Transpose") && swaps_two(node))
            *transposed = !*transposed;
        else if (!vgg_onnx_is_type(node, "Identity"))
            return NULL;
        name = vgg_onnx_input(node, 0);
    }
    return NULL;
}
