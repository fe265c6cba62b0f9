/* An inspection as one JSON object. */
#include <stdio.h>

#include "cli/inspect.h"
#include "cli/json.h"
#include "vgg/vgg.h"

/* Every value that memory ran out for is NULL, which makes a pack that takes it NULL as well, and
 * an append fail. */

static json_t *network_object(const vgg_network_options *network) {
    if (network == NULL)
        return json_null();
    return json_pack(
        "{s:o, s:s, s:b, s:s, s:I, s:[I,I,I]}", "arch", vgg_cli_json_text(network->arch), "layout",
        vgg_layout_name(network->layout), "batch_norm", network->batch_norm, "padding",
        vgg_padding_name(network->padding), "classes", (json_int_t)network->classes, "input",
        (json_int_t)network->channels, (json_int_t)network->height, (json_int_t)network->width);
}

static json_t *numbers(const double *values, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        list = vgg_cli_json_appended(list, json_real(values[i]));
    }
    return list;
}

static json_t *preprocess_object(const vgg_preprocess *p) {
    if (p == NULL)
        return json_null();
    json_t *sides = json_array();
    for (size_t i = 0; i < p->side_count; i++) {
        sides = vgg_cli_json_appended(sides, json_integer((json_int_t)p->sides[i]));
    }
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:s, s:s, s:b, s:f, s:o, s:o, s:o}", "name",
                     vgg_cli_json_text(p->name), "channels", (json_int_t)p->channels, "width",
                     (json_int_t)p->width, "height", (json_int_t)p->height, "resize",
                     (json_int_t)p->resize, "filter", vgg_filter_name(p->filter), "fit",
                     vgg_fit_name(p->fit), "bgr", p->bgr, "scale", p->scale, "mean",
                     numbers(p->mean, p->channels), "deviation", numbers(p->deviation, p->channels),
                     "sides", sides);
}

static json_t *class_list(const vgg_inspected_file *file) {
    if (file->class_names == NULL)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < file->class_count; i++) {
        list = vgg_cli_json_appended(list, vgg_cli_json_text(file->class_names[i]));
    }
    return list;
}

static json_t *remark_list(const vgg_inspection *inspection) {
    json_t *list = json_array();
    const char *remark;
    for (size_t i = 0; (remark = vgg_inspection_remark(inspection, i)) != NULL; i++) {
        list = vgg_cli_json_appended(list, vgg_cli_json_text(remark));
    }
    return list;
}

static json_t *metadata_object(const vgg_inspection *inspection) {
    json_t *object = json_object();
    const char *key, *value;
    for (size_t i = 0; vgg_inspection_note(inspection, i, &key, &value); i++) {
        if (json_object_set_new(object, key, vgg_cli_json_text(value)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* Figures are null where there are none. */
static json_t *tensor_object(const vgg_inspected_tensor *t) {
    json_t *shape = json_array();
    for (size_t i = 0; i < t->dimensions; i++) {
        shape = vgg_cli_json_appended(shape, json_integer((json_int_t)t->shape[i]));
    }
    json_t *object =
        json_pack("{s:o, s:o, s:s, s:o, s:I}", "stored_name", vgg_cli_json_text(t->stored_name),
                  "name", vgg_cli_json_text(t->name), "dtype", t->dtype, "shape", shape, "values",
                  (json_int_t)t->count);
    if (object == NULL || !t->measured)
        return object;
    bool finite = t->nans + t->infinities == 0;
    json_t *first = finite ? json_null() : json_integer((json_int_t)t->first_not_finite);
    json_t *figures = json_pack(
        "{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "min", vgg_cli_json_number(t->least), "max",
        vgg_cli_json_number(t->most), "mean", vgg_cli_json_number(t->mean), "rms",
        vgg_cli_json_number(t->rms), "zeros", (json_int_t)t->zeros, "nans", (json_int_t)t->nans,
        "infinities", (json_int_t)t->infinities, "first_not_finite", first);
    if (figures == NULL || json_object_update(object, figures) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(figures);
    return object;
}

static json_t *tensor_list(const vgg_inspection *inspection) {
    json_t *list = json_array();
    const vgg_inspected_tensor *tensor;
    for (size_t i = 0; (tensor = vgg_inspection_tensor(inspection, i)) != NULL; i++) {
        list = vgg_cli_json_appended(list, tensor_object(tensor));
    }
    return list;
}

static json_t *problem_list(const vgg_inspection *inspection) {
    json_t *list = json_array();
    const vgg_problem *problem;
    for (size_t i = 0; (problem = vgg_inspection_problem(inspection, i)) != NULL; i++) {
        list = vgg_cli_json_appended(list, json_pack("{s:s, s:o, s:I, s:o}", "kind",
                                                     vgg_problem_name(problem->kind), "tensor",
                                                     vgg_cli_json_text(problem->tensor), "count",
                                                     (json_int_t)problem->count, "message",
                                                     vgg_cli_json_text(problem->message)));
    }
    return list;
}

static json_t *fact_list(const vgg_inspection *inspection) {
    json_t *list = json_array();
    const vgg_inspected_fact *fact;
    for (size_t i = 0; (fact = vgg_inspection_fact(inspection, i)) != NULL; i++) {
        list = vgg_cli_json_appended(list, json_pack("{s:s, s:o, s:s}", "fact", fact->fact, "value",
                                                     vgg_cli_json_text(fact->value), "origin",
                                                     vgg_origin_name(fact->origin)));
    }
    return list;
}

/* The layers that are computed in int8. */
static json_t *int8_list(const vgg_network *network) {
    json_t *list = json_array();
    vgg_layer_info layer = {.struct_size = sizeof layer};
    vgg_int8_info info = {.struct_size = sizeof info};
    for (size_t i = 0; network != NULL && i < vgg_network_layer_count(network); i++) {
        if (vgg_network_layer(network, i, &layer, NULL) != VGG_OK ||
            vgg_network_int8(network, i, &info, NULL) != VGG_OK || info.tile == 0)
            continue;
        list = vgg_cli_json_appended(
            list, json_pack("{s:o, s:I, s:f, s:f}", "layer", vgg_cli_json_text(layer.name), "tile",
                            (json_int_t)info.tile, "error", info.error, "cost", info.cost));
    }
    return list;
}

/* null where it is not known. */
static json_t *softmax_value(const vgg_inspected_file *file) {
    return file->graph_refused ? json_null() : json_boolean(file->softmax);
}

bool vgg_cli_inspect_json(const char *path, const vgg_inspection *inspection) {
    const vgg_inspected_file *file = vgg_inspection_file(inspection);
    json_t *object = json_pack(
        "{s:o, s:s, s:I, s:I, s:o, s:s, s:o, s:o, s:b, s:o, s:o, s:s, s:o, s:s, s:o, s:o, s:o, "
        "s:o, s:o}",
        "file", vgg_cli_json_text(path), "format", file->format, "bytes", (json_int_t)file->bytes,
        "values", (json_int_t)file->values, "network", network_object(file->network),
        "network_origin", vgg_origin_name(file->network_origin), "network_reason",
        vgg_cli_json_text(file->network_reason), "known", fact_list(inspection), "graph",
        file->graph, "softmax", softmax_value(file), "preprocess",
        preprocess_object(file->preprocess), "preprocess_origin",
        vgg_origin_name(file->preprocess_origin), "classes", class_list(file), "classes_origin",
        vgg_origin_name(file->class_names_origin), "remarks", remark_list(inspection), "metadata",
        metadata_object(inspection), "tensors", tensor_list(inspection), "problems",
        problem_list(inspection), "int8", int8_list(vgg_inspection_network(inspection)));
    if (!vgg_cli_json_print(object, true, 0))
        return false;
    putchar('\n');
    return true;
}
