#include "model/json_values.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"

#define WRITE_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17))

/* ---- writing ---- */

/* Takes over the value, which may be NULL. */
static char *write_json(json_t *value) {
    char *text = value == NULL ? NULL : vgg_json_text(value, WRITE_FLAGS);
    json_decref(value);
    return text;
}

char *vgg_json_from_number(double number) {
    return write_json(json_real(number));
}

static json_t *real_array(const double *values, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        array = vgg_json_appended(array, json_real(values[i]));
    }
    return array;
}

static json_t *size_array(const size_t *values, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        array = vgg_json_appended(array, json_integer((json_int_t)values[i]));
    }
    return array;
}

char *vgg_json_from_preprocess(const vgg_preprocess *preprocess) {
    const vgg_preprocess *p = preprocess;
    json_t *mean = real_array(p->mean, p->channels);
    json_t *deviation = real_array(p->deviation, p->channels);
    json_t *object = json_object();
    bool complete = json_object_set_new(object, "name", json_string(p->name)) == 0;
    complete &= json_object_set_new(object, "channels", json_integer((json_int_t)p->channels)) == 0;
    complete &= json_object_set_new(object, "width", json_integer((json_int_t)p->width)) == 0;
    complete &= json_object_set_new(object, "height", json_integer((json_int_t)p->height)) == 0;
    complete &= json_object_set_new(object, "resize", json_integer((json_int_t)p->resize)) == 0;
    complete &= json_object_set_new(object, "filter", json_string(vgg_filter_name(p->filter))) == 0;
    complete &= json_object_set_new(object, "bgr", json_boolean(p->bgr)) == 0;
    complete &= json_object_set_new(object, "scale", json_real(p->scale)) == 0;
    complete &= json_object_set_new(object, "mean", mean) == 0;
    complete &= json_object_set_new(object, "deviation", deviation) == 0;
    if (p->fit != VGG_FIT_CROP)
        complete &= json_object_set_new(object, "fit", json_string(vgg_fit_name(p->fit))) == 0;
    if (p->side_count > 0)
        complete &= json_object_set_new(object, "sides", size_array(p->sides, p->side_count)) == 0;
    if (!complete) {
        json_decref(object);
        return NULL;
    }
    return write_json(object);
}

char *vgg_json_from_labels(const vgg_labels *labels) {
    json_t *array = json_array();
    for (size_t i = 0; i < labels->count; i++) {
        array = vgg_json_appended(array, json_string(labels->names[i]));
    }
    return write_json(array);
}

/* ---- reading ---- */

/* What is being read, for messages. */
typedef struct place {
    const char *path, *key;
    vgg_error *error;
} place;

static vgg_status fail_member(const place *at, const char *member, const json_t *found,
                              const char *expected) {
    char *value = vgg_json_text(found, JSON_COMPACT | JSON_ENCODE_ANY);
    vgg_status status = vgg_fail(at->error, VGG_ERROR_FORMAT,
                                 "%s: \"%s\" of its metadata: \"%s\" %s%.60s, expected %s",
                                 at->path, at->key, member, found == NULL ? "is missing" : "is ",
                                 value != NULL ? value : "", expected);
    vgg_free(value);
    return status;
}

static json_t *read_json(const place *at, const char *text, vgg_status *status) {
    vgg_json_fault fault;
    json_t *value = vgg_json_read(text, strlen(text), &fault);
    if (value == NULL && fault.memory)
        *status = vgg_fail_memory(at->error, at->path, strlen(text));
    else if (value == NULL)
        *status = vgg_fail(at->error, VGG_ERROR_FORMAT,
                           "%s: \"%s\" of its metadata is not JSON, from its byte %zu on: %s",
                           at->path, at->key, fault.byte, fault.what);
    return value;
}

vgg_status vgg_json_to_number(const char *path, const char *key, const char *text, double *number,
                              vgg_error *error) {
    vgg_status status = VGG_OK;
    json_t *value = read_json(&(place){path, key, error}, text, &status);
    if (value == NULL)
        return status;
    if (json_is_number(value))
        *number = json_number_value(value);
    else
        status =
            vgg_fail(error, VGG_ERROR_FORMAT,
                     "%s: \"%s\" of its metadata is %.40s, expected a number", path, key, text);
    json_decref(value);
    return status;
}

static vgg_status read_size(const place *at, const json_t *object, const char *member,
                            size_t *size) {
    const json_t *value = json_object_get(object, member);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return fail_member(at, member, value, "a whole number from 0");
    *size = (size_t)json_integer_value(value);
    return VGG_OK;
}

static vgg_status read_sizes(const place *at, const json_t *object, vgg_preprocess *p) {
    vgg_status status = read_size(at, object, "channels", &p->channels);
    if (status == VGG_OK)
        status = read_size(at, object, "width", &p->width);
    if (status == VGG_OK)
        status = read_size(at, object, "height", &p->height);
    if (status == VGG_OK)
        status = read_size(at, object, "resize", &p->resize);
    if (status == VGG_OK && p->channels != 1 && p->channels != 3)
        status = fail_member(at, "channels", json_object_get(object, "channels"), "1 or 3");
    return status;
}

/* One figure per channel. With one channel all three of `values` become it, as in the presets. */
static vgg_status read_figures(const place *at, const json_t *object, const char *member,
                               size_t channels, double values[3]) {
    const json_t *array = json_object_get(object, member);
    if (!json_is_array(array) || json_array_size(array) != channels)
        return fail_member(at, member, array,
                           channels == 1 ? "an array of 1 number" : "an array of 3 numbers");
    for (size_t c = 0; c < 3; c++) {
        const json_t *value = json_array_get(array, channels == 1 ? 0 : c);
        if (!json_is_number(value))
            return fail_member(at, member, array, "numbers only");
        values[c] = json_number_value(value);
    }
    return VGG_OK;
}

static vgg_status read_filter(const place *at, const json_t *object, vgg_filter *filter) {
    const json_t *value = json_object_get(object, "filter");
    for (int i = 0; json_is_string(value) && vgg_filter_name((vgg_filter)i) != NULL; i++) {
        *filter = (vgg_filter)i;
        if (strcmp(json_string_value(value), vgg_filter_name(*filter)) == 0)
            return VGG_OK;
    }
    return fail_member(at, "filter", value, "\"bilinear\" or \"bicubic\"");
}

/* Absent it is crop, as in all files of version 1. */
static vgg_status read_fit(const place *at, const json_t *object, vgg_fit *fit) {
    const json_t *value = json_object_get(object, "fit");
    if (value == NULL)
        return VGG_OK;
    for (int i = 0; json_is_string(value) && vgg_fit_name((vgg_fit)i) != NULL; i++) {
        *fit = (vgg_fit)i;
        if (strcmp(json_string_value(value), vgg_fit_name(*fit)) == 0)
            return VGG_OK;
    }
    return fail_member(at, "fit", value, "\"crop\", \"squash\", \"pad\" or \"none\"");
}

/* Absent there are none. */
static vgg_status read_sides(const place *at, const json_t *object, vgg_preprocess *p) {
    const json_t *array = json_object_get(object, "sides");
    if (array == NULL)
        return VGG_OK;
    p->side_count = json_array_size(array);
    bool fine = p->side_count > 0 && p->side_count <= VGG_PREPROCESS_SIDES;
    for (size_t i = 0; fine && i < p->side_count; i++) {
        const json_t *side = json_array_get(array, i);
        fine = json_is_integer(side) && json_integer_value(side) > 0;
        p->sides[i] = fine ? (size_t)json_integer_value(side) : 0;
    }
    return fine ? VGG_OK : fail_member(at, "sides", array, "an array of up to 16 whole numbers");
}

static vgg_status read_manner(const place *at, const json_t *object, vgg_preprocess *p) {
    const json_t *name = json_object_get(object, "name");
    if (!json_is_string(name) || json_string_length(name) >= sizeof p->name)
        return fail_member(at, "name", name, "a string of at most 31 bytes");
    memcpy(p->name, json_string_value(name), json_string_length(name) + 1);
    vgg_status status = read_filter(at, object, &p->filter);
    if (status == VGG_OK)
        status = read_fit(at, object, &p->fit);
    if (status == VGG_OK)
        status = read_sides(at, object, p);
    if (status != VGG_OK)
        return status;
    const json_t *bgr = json_object_get(object, "bgr");
    if (!json_is_boolean(bgr))
        return fail_member(at, "bgr", bgr, "true or false");
    p->bgr = json_is_true(bgr);
    const json_t *scale = json_object_get(object, "scale");
    if (!json_is_number(scale))
        return fail_member(at, "scale", scale, "a number");
    p->scale = json_number_value(scale);
    return VGG_OK;
}

vgg_status vgg_json_to_preprocess(const char *path, const char *key, const char *text,
                                  vgg_preprocess *preprocess, vgg_error *error) {
    const place at = {path, key, error};
    vgg_preprocess p;
    vgg_preprocess_init(&p, sizeof p);
    vgg_status status = VGG_OK;
    json_t *object = read_json(&at, text, &status);
    if (object == NULL)
        return status;
    if (!json_is_object(object))
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: \"%s\" of its metadata is not a JSON object", path, key);
    if (status == VGG_OK)
        status = read_sizes(&at, object, &p);
    if (status == VGG_OK)
        status = read_manner(&at, object, &p);
    if (status == VGG_OK)
        status = read_figures(&at, object, "mean", p.channels, p.mean);
    if (status == VGG_OK)
        status = read_figures(&at, object, "deviation", p.channels, p.deviation);
    json_decref(object);
    if (status != VGG_OK)
        return status;
    status = vgg_preprocess_check(&p, error);
    if (status == VGG_OK)
        *preprocess = p;
    else
        vgg_error_prefix(error, "%s: \"%s\" of its metadata", path, key);
    return status;
}

vgg_status vgg_json_to_labels(const char *path, const char *key, const char *text,
                              vgg_labels *labels, vgg_error *error) {
    vgg_status status = VGG_OK;
    json_t *array = read_json(&(place){path, key, error}, text, &status);
    if (array == NULL)
        return status;
    size_t count = json_array_size(array);
    const char **names = vgg_calloc(vgg_size_max(count, 1), sizeof *names);
    bool strings = json_is_array(array);
    for (size_t i = 0; names != NULL && strings && i < count; i++) {
        names[i] = json_string_value(json_array_get(array, i));
        strings = names[i] != NULL;
    }
    if (!strings)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: \"%s\" of its metadata is not a JSON array of strings", path, key);
    else if (names == NULL || !vgg_labels_copy(labels, names, count))
        status = vgg_fail_memory(error, "the class names", strlen(text));
    vgg_free(names);
    json_decref(array);
    return status;
}
