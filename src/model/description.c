#include "model/description.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "model/json_values.h"
#include "nn/structure.h"

static bool is_described(const vgg_notes *metadata) {
    for (size_t i = 0; i < metadata->count; i++) {
        if (strncmp(metadata->items[i].key, "vgg.", 4) == 0)
            return true;
    }
    return false;
}

static vgg_status find(const vgg_notes *metadata, const char *path, const char *key,
                       const char **value, vgg_error *error) {
    *value = vgg_notes_find(metadata, key);
    if (*value == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: its metadata lacks \"%s\"", path, key);
    return VGG_OK;
}

static vgg_status fail_value(const char *path, const char *key, const char *value,
                             const char *expected, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: \"%s\" of its metadata is \"%.60s\", expected %s",
                    path, key, value, expected);
}

/* Reads "3x224x224". */
static bool read_input(const char *text, vgg_description *description) {
    size_t *const sizes[] = {&description->channels, &description->height, &description->width};
    for (size_t i = 0; i < 3; i++) {
        size_t digits = 0, value = 0;
        for (; text[digits] >= '0' && text[digits] <= '9' && digits < 9; digits++) {
            value = 10 * value + (size_t)(text[digits] - '0');
        }
        if (value == 0 || text[digits] != (i < 2 ? 'x' : '\0'))
            return false;
        *sizes[i] = value;
        text += digits + 1;
    }
    return true;
}

/* What is only written where it is not as usual. */
static vgg_status read_choices(const vgg_notes *metadata, const char *path, vgg_description *d,
                               vgg_error *error) {
    const char *padding = vgg_notes_find(metadata, "vgg.padding");
    const char *output = vgg_notes_find(metadata, "vgg.output");
    d->padding = padding == NULL ? VGG_PADDING_SAME : vgg_padding_named(padding);
    d->output = output == NULL ? VGG_OUTPUT_SOFTMAX : vgg_output_named(output);
    if (d->padding == VGG_PADDING_UNSAID)
        return fail_value(path, "vgg.padding", padding, "\"same\" or \"valid\"", error);
    if (d->output == VGG_OUTPUT_UNSAID)
        return fail_value(path, "vgg.output", output, "\"softmax\" or \"sigmoid\"", error);
    const char *temperature = vgg_notes_find(metadata, "vgg.temperature");
    if (temperature == NULL)
        return VGG_OK;
    vgg_status status =
        vgg_json_to_number(path, "vgg.temperature", temperature, &d->temperature, error);
    if (status == VGG_OK && !(d->temperature > 0))
        status = fail_value(path, "vgg.temperature", temperature, "a number above 0", error);
    return status;
}

static vgg_status read_network(const vgg_notes *metadata, const char *path, vgg_description *d,
                               vgg_error *error) {
    const char *layout, *batch_norm, *input, *dropout;
    vgg_status status = find(metadata, path, "vgg.arch", &d->arch, error);
    if (status == VGG_OK)
        status = find(metadata, path, "vgg.layout", &layout, error);
    if (status == VGG_OK)
        status = find(metadata, path, "vgg.batch_norm", &batch_norm, error);
    if (status == VGG_OK)
        status = find(metadata, path, "vgg.input", &input, error);
    if (status == VGG_OK)
        status = find(metadata, path, "vgg.dropout", &dropout, error);
    if (status != VGG_OK)
        return status;
    d->layout = vgg_layout_named(layout);
    if (d->layout == VGG_LAYOUT_UNSAID)
        return fail_value(path, "vgg.layout", layout,
                          "\"paper\", \"torchvision\", \"global\" or \"global-max\"", error);
    d->batch_norm = strcmp(batch_norm, "true") == 0;
    if (!d->batch_norm && strcmp(batch_norm, "false") != 0)
        return fail_value(path, "vgg.batch_norm", batch_norm, "\"true\" or \"false\"", error);
    status = read_choices(metadata, path, d, error);
    if (status != VGG_OK)
        return status;
    if (!read_input(input, d))
        return fail_value(path, "vgg.input", input, "sizes like \"3x224x224\"", error);
    status = vgg_json_to_number(path, "vgg.dropout", dropout, &d->dropout, error);
    if (status == VGG_OK && !(d->dropout >= 0 && d->dropout < 1))
        status = fail_value(path, "vgg.dropout", dropout, "a number from 0 to below 1", error);
    return status;
}

static vgg_status check_version(const char *path, const char *version, vgg_error *error) {
    size_t digits = strspn(version, "0123456789");
    if (digits == 0 || version[digits] != '\0' || version[0] == '0')
        return fail_value(path, "vgg.format_version", version, "a whole number from 1", error);
    if (digits > 9 || strtoul(version, NULL, 10) > VGG_MODEL_FORMAT_NEWEST)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is of format version %.20s, this library (libvgg %s) reads up to %d; "
                        "a newer libvgg reads it",
                        path, version, VGG_VERSION, VGG_MODEL_FORMAT_NEWEST);
    return VGG_OK;
}

vgg_status vgg_description_read(const vgg_notes *metadata, const char *path,
                                vgg_description *description, vgg_error *error) {
    *description = (vgg_description){.present = is_described(metadata), .temperature = 1};
    if (!description->present)
        return VGG_OK;
    const char *version;
    vgg_status status = find(metadata, path, "vgg.format_version", &version, error);
    if (status == VGG_OK)
        status = check_version(path, version, error);
    if (status == VGG_OK)
        status = read_network(metadata, path, description, error);
    if (status != VGG_OK)
        return status;
    const char *int8 = vgg_notes_find(metadata, VGG_MODEL_INT8);
    description->int8 = int8 != NULL;
    if (status == VGG_OK && int8 != NULL && strcmp(int8, VGG_MODEL_INT8_SCALES) != 0)
        status = fail_value(path, VGG_MODEL_INT8, int8, "\"" VGG_MODEL_INT8_SCALES "\"", error);
    const char *points = vgg_notes_find(metadata, VGG_MODEL_INT8_CONVOLUTIONS);
    description->int8_convolutions = points != NULL;
    if (status == VGG_OK && points != NULL && strcmp(points, VGG_MODEL_INT8_POINTS) != 0)
        status = fail_value(path, VGG_MODEL_INT8_CONVOLUTIONS, points,
                            "\"" VGG_MODEL_INT8_POINTS "\"", error);
    const char *preprocess = vgg_notes_find(metadata, "vgg.preprocess");
    if (status == VGG_OK && preprocess != NULL) {
        status = vgg_json_to_preprocess(path, "vgg.preprocess", preprocess,
                                        &description->preprocess, error);
        description->has_preprocess = status == VGG_OK;
    }
    const char *classes = vgg_notes_find(metadata, "vgg.classes");
    if (status == VGG_OK && classes != NULL)
        status = vgg_json_to_labels(path, "vgg.classes", classes, &description->labels, error);
    if (status == VGG_OK && classes != NULL && description->labels.count == 0)
        status = fail_value(path, "vgg.classes", classes, "a name for each class", error);
    return status;
}

bool vgg_description_knows(const char *key) {
    static const char *const known[] = {
        "vgg.padding",     "vgg.output",  "vgg.format_version",
        "vgg.arch",        "vgg.layout",  "vgg.batch_norm",
        "vgg.dropout",     "vgg.input",   VGG_MODEL_INT8_CONVOLUTIONS,
        VGG_MODEL_INT8,    "vgg.classes", "vgg.preprocess",
        "vgg.temperature",
    };
    bool knows = strncmp(key, "vgg.", 4) != 0;
    for (size_t i = 0; !knows && i < sizeof known / sizeof *known; i++) {
        knows = strcmp(key, known[i]) == 0;
    }
    return knows;
}

void vgg_description_free(vgg_description *description) {
    vgg_labels_free(&description->labels);
    *description = (vgg_description){0};
}

/* Takes over the value, which is NULL when memory ran out for it. */
static bool set_owned(vgg_notes *metadata, const char *key, char *value) {
    bool set = value != NULL && vgg_notes_set(metadata, key, value);
    vgg_free(value);
    return set;
}

static bool is_one(double number) {
    return number >= 1 && number <= 1;
}

/* The lowest version of which a reader understands the file. */
static const char *lowest_version(const vgg_network_options *network, vgg_output output,
                                  double temperature, const vgg_preprocess *preprocess) {
    bool usual =
        vgg_arch_is_plain(network->arch) && network->padding == VGG_PADDING_SAME &&
        (network->layout == VGG_LAYOUT_PAPER || network->layout == VGG_LAYOUT_TORCHVISION) &&
        output == VGG_OUTPUT_SOFTMAX && is_one(temperature);
    bool once =
        preprocess == NULL || (preprocess->fit == VGG_FIT_CROP && preprocess->side_count == 0);
    return usual && once ? "1" : "2";
}

bool vgg_description_write(const vgg_network_options *network, vgg_output output,
                           double temperature, const vgg_preprocess *preprocess,
                           const vgg_labels *labels, vgg_notes *metadata) {
    char input[80];
    snprintf(input, sizeof input, "%zux%zux%zu", network->channels, network->height,
             network->width);
    bool complete = vgg_notes_set(metadata, "format", "pt");
    complete &= vgg_notes_set(metadata, "vgg.format_version",
                              lowest_version(network, output, temperature, preprocess));
    complete &= vgg_notes_set(metadata, "vgg.arch", network->arch);
    complete &= vgg_notes_set(metadata, "vgg.layout", vgg_layout_name(network->layout));
    complete &= vgg_notes_set(metadata, "vgg.batch_norm", network->batch_norm ? "true" : "false");
    if (network->padding != VGG_PADDING_SAME)
        complete &= vgg_notes_set(metadata, "vgg.padding", vgg_padding_name(network->padding));
    if (output != VGG_OUTPUT_SOFTMAX)
        complete &= vgg_notes_set(metadata, "vgg.output", vgg_output_name(output));
    if (!is_one(temperature))
        complete &= set_owned(metadata, "vgg.temperature", vgg_json_from_number(temperature));
    complete &= vgg_notes_set(metadata, "vgg.input", input);
    complete &= set_owned(metadata, "vgg.dropout", vgg_json_from_number(network->dropout));
    if (preprocess != NULL)
        complete &= set_owned(metadata, "vgg.preprocess", vgg_json_from_preprocess(preprocess));
    if (labels->count > 0)
        complete &= set_owned(metadata, "vgg.classes", vgg_json_from_labels(labels));
    return complete;
}
