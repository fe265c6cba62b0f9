#include "model/beside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/beside_names.h"

#define CONFIG_MOST ((size_t)8 << 20)
#define DEPTH 3

/* Figures are kept under several names, always as a pair in one object. */
static const char *const mean_keys[] = {"mean",     "image_mean", "img_mean", "norm_mean",
                                        "rgb_mean", "pixel_mean", "means",    NULL};
static const char *const deviation_keys[] = {
    "std", "image_std", "img_std", "norm_std", "rgb_std", "pixel_std", "stds", "deviation", NULL};
/* Where both are said, the crop is the input, and the picture is what it is cut out of. */
static const char *const size_keys[] = {"input_size",  "crop_size",   "image_size", "img_size",
                                        "imgsz",       "input_shape", "im_size",    "resolution",
                                        "image_shape", NULL};
static const char *const class_count_keys[] = {"num_classes", "num_labels", "n_classes", NULL};

/* ---- numbers ---- */

/* One number, or a list of one or three; a list in lists of one, as of shape 3x1x1, is one too. */
static bool read_figures(const json_t *value, size_t *count, double figures[3]) {
    while (json_array_size(value) == 1 && json_is_array(json_array_get(value, 0))) {
        value = json_array_get(value, 0);
    }
    *count = json_is_array(value) ? json_array_size(value) : 1;
    if (*count != 1 && *count != 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        const json_t *number =
            json_is_array(value) ? json_array_get(value, *count == 1 ? 0 : i) : value;
        if (!json_is_number(number))
            return false;
        figures[i] = json_number_value(number);
    }
    return true;
}

static bool read_side(const json_t *value, size_t *side) {
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > VGG_IMAGE_MAX_SIDE)
        return false;
    *side = (size_t)json_integer_value(value);
    return true;
}

/* 224, [224, 224], [3, 224, 224], {"height": 224, "width": 224}. */
static bool read_size(const json_t *value, size_t *height, size_t *width) {
    if (json_is_object(value))
        return read_side(json_object_get(value, "height"), height) &&
               read_side(json_object_get(value, "width"), width);
    size_t count = json_array_size(value);
    if (count == 2 || count == 3)
        return read_side(json_array_get(value, count - 2), height) &&
               read_side(json_array_get(value, count - 1), width);
    if (!read_side(value, height))
        return false;
    *width = *height;
    return true;
}

static bool are_figures(const json_t *value) {
    size_t count;
    double figures[3];
    return read_figures(value, &count, figures);
}

static bool are_three(const json_t *value) {
    size_t count;
    double figures[3];
    return read_figures(value, &count, figures) && count == 3;
}

static bool is_size(const json_t *value) {
    size_t height, width;
    return read_size(value, &height, &width);
}

static bool is_count(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) > 0;
}

/* ---- one object ---- */

static void place_of(char text[VGG_BESIDE_PLACE], const char *key, const char *place) {
    snprintf(text, VGG_BESIDE_PLACE, "\"%s\" of %s", key, place);
}

/* The object, or one in it, that has a mean and a deviation. Further in they are three: a single
 * number may be the mean of anything, such as of an accuracy. */
static json_t *find_pair(json_t *object, size_t depth, const char **key) {
    bool (*const fit)(const json_t *) = depth == DEPTH ? are_figures : are_three;
    const char *other;
    if (vgg_beside_find(object, mean_keys, 0, fit, key) != NULL &&
        vgg_beside_find(object, deviation_keys, 0, fit, &other) != NULL)
        return object;
    const char *name;
    json_t *inner, *found = NULL;
    json_object_foreach(object, name, inner) {
        if (json_is_object(inner) && depth > 0 && found == NULL)
            found = find_pair(inner, depth - 1, key);
    }
    return found;
}

/* What timm and Hugging Face say of the resize, beside mean and deviation. */
static void read_manner(json_t *pair, vgg_beside *beside) {
    enum { PILLOW_BILINEAR = 2, PILLOW_BICUBIC = 3 };
    const json_t *filter = json_object_get(pair, "interpolation");
    const json_t *resample = json_object_get(pair, "resample");
    const char *name = json_string_value(filter);
    beside->has_filter =
        (name != NULL && (strcmp(name, "bilinear") == 0 || strcmp(name, "bicubic") == 0)) ||
        (json_is_integer(resample) && (json_integer_value(resample) == PILLOW_BILINEAR ||
                                       json_integer_value(resample) == PILLOW_BICUBIC));
    bool bicubic = (name != NULL && strcmp(name, "bicubic") == 0) ||
                   (json_is_integer(resample) && json_integer_value(resample) == PILLOW_BICUBIC);
    beside->filter = bicubic ? VGG_FILTER_BICUBIC : VGG_FILTER_BILINEAR;
    const char *mode = json_string_value(json_object_get(pair, "crop_mode"));
    beside->squash = mode != NULL && strcmp(mode, "squash") == 0;
    const json_t *share = json_object_get(pair, "crop_pct");
    size_t side = vgg_size_min(beside->height, beside->width);
    if (json_is_number(share) && json_number_value(share) > 0.1 && side > 0)
        beside->resize = (size_t)floor((double)side / json_number_value(share));
    const json_t *edge = json_object_get(json_object_get(pair, "size"), "shortest_edge");
    if (json_is_integer(edge))
        read_side(edge, &beside->resize);
    const json_t *factor = json_object_get(pair, "rescale_factor");
    beside->scale_said = json_is_number(factor) && json_number_value(factor) > 0;
    if (beside->scale_said)
        beside->scale = json_number_value(factor);
}

static void read_pair(json_t *object, const char *place, vgg_beside *beside) {
    const char *key, *other;
    json_t *pair = find_pair(object, DEPTH, &key);
    if (pair == NULL || beside->has_figures || json_is_false(json_object_get(pair, "do_normalize")))
        return;
    size_t count, deviations;
    double mean[3], deviation[3];
    if (!read_figures(vgg_beside_find(pair, mean_keys, 0, are_figures, &key), &count, mean) ||
        !read_figures(vgg_beside_find(pair, deviation_keys, 0, are_figures, &other), &deviations,
                      deviation))
        return;
    beside->has_figures = true;
    beside->figures = vgg_size_max(count, deviations);
    memcpy(beside->mean, mean, sizeof mean);
    memcpy(beside->deviation, deviation, sizeof deviation);
    read_manner(pair, beside);
    snprintf(beside->figures_from, sizeof beside->figures_from, "\"%s\" and \"%s\" of %s", key,
             other, place);
}

static vgg_status read_object(json_t *object, const char *place, vgg_remarks *remarks,
                              vgg_beside *beside, vgg_error *error) {
    const char *key;
    const json_t *size = vgg_beside_find(object, size_keys, DEPTH, is_size, &key);
    if (beside->height == 0 && size != NULL && read_size(size, &beside->height, &beside->width))
        place_of(beside->size_from, key, place);
    read_pair(object, place, beside);
    if (beside->labels.count > 0)
        return VGG_OK;
    vgg_status status = vgg_beside_names(object, place, remarks, &beside->labels, &key, error);
    if (status == VGG_OK && beside->labels.count > 0)
        place_of(beside->labels_from, key, place);
    return status;
}

/* ---- config.json ---- */

/* The path of another file in the folder; NULL when memory ran out. */
static char *in_folder(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    vgg_text text = {0};
    if (slash != NULL)
        vgg_text_add_bytes(&text, path, (size_t)(slash - path) + 1);
    vgg_text_add(&text, "%s", name);
    return vgg_text_take(&text);
}

/* Whether it says it is of a network with other classes. */
static bool is_of_another(json_t *object, size_t classes, size_t or_classes) {
    const char *key;
    const json_t *count = vgg_beside_find(object, class_count_keys, DEPTH, is_count, &key);
    return count != NULL && (size_t)json_integer_value(count) != classes &&
           (size_t)json_integer_value(count) != or_classes;
}

static vgg_status read_config(vgg_tensor_source *source, const char *path, const char *name,
                              size_t classes, size_t or_classes, vgg_beside *beside,
                              vgg_error *error) {
    char *config = in_folder(path, name);
    if (config == NULL)
        return vgg_fail_memory(error, "a path", strlen(path));
    unsigned char *bytes = NULL;
    size_t size;
    vgg_error reason;
    vgg_status status = vgg_file_read(config, CONFIG_MOST, &bytes, &size, &reason);
    vgg_free(config);
    /* Most files have none beside them, and one that cannot be read says nothing. */
    if (status != VGG_OK)
        return status == VGG_ERROR_MEMORY ? vgg_fail(error, status, "%s", reason.message) : VGG_OK;
    vgg_json_fault fault = {0};
    json_t *object = vgg_json_read((const char *)bytes, size, &fault);
    vgg_free(bytes);
    if (object == NULL && fault.memory)
        return vgg_fail_memory(error, name, size);
    status = VGG_OK;
    bool noted = true;
    if (!json_is_object(object))
        noted = vgg_remarks_add(&source->remarks, "%s beside it is no JSON object", name);
    else if (is_of_another(object, classes, or_classes))
        noted = vgg_remarks_add(&source->remarks,
                                "%s beside it is of a network with other classes, and is passed "
                                "over",
                                name);
    else
        status = read_object(object, name, &source->remarks, beside, error);
    json_decref(object);
    return noted ? status : vgg_fail_memory(error, "a remark", strlen(name));
}

vgg_status vgg_beside_read(vgg_tensor_source *source, vgg_beside *beside, vgg_error *error) {
    if (source->beside == NULL)
        return VGG_OK;
    return read_object(source->beside, "the checkpoint", &source->remarks, beside, error);
}

vgg_status vgg_beside_read_configs(vgg_tensor_source *source, const char *path, size_t classes,
                                   size_t or_classes, vgg_beside *beside, vgg_error *error) {
    static const char *const names[] = {"preprocessor_config.json", "config.json"};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < sizeof names / sizeof *names; i++) {
        status = read_config(source, path, names[i], classes, or_classes, beside, error);
    }
    return status;
}

void vgg_beside_free(vgg_beside *beside) {
    vgg_labels_free(&beside->labels);
    *beside = (vgg_beside){0};
}

/* ---- the preprocessing ---- */

/* A mean that no sample from 0 to 1 has was meant for 0 to 255. */
static double likely_scale(const vgg_beside *beside) {
    double most = 0;
    for (size_t c = 0; c < beside->figures; c++) {
        most = fmax(most, fabs(beside->mean[c]));
    }
    return most > 1 ? 1 : 1.0 / 255;
}

/* The preset that has the figures; "custom" when none has. */
static void name_figures(vgg_preprocess *preprocess) {
    const char *name;
    strcpy(preprocess->name, "custom");
    for (size_t i = 0; (name = vgg_preprocess_preset_name(i)) != NULL; i++) {
        vgg_preprocess preset = {.struct_size = sizeof preset};
        if (vgg_preprocess_preset(name, preprocess->channels, preprocess->height, preprocess->width,
                                  &preset, NULL) != VGG_OK)
            continue;
        bool same = preset.scale == preprocess->scale && preset.bgr == preprocess->bgr;
        for (size_t c = 0; c < preprocess->channels; c++) {
            same = same && preset.mean[c] == preprocess->mean[c] &&
                   preset.deviation[c] == preprocess->deviation[c];
        }
        if (same) {
            strcpy(preprocess->name, name);
            return;
        }
    }
}

size_t vgg_scaled_side(size_t side, size_t before, size_t after) {
    return (side * after + before / 2) / before;
}

vgg_status vgg_beside_preprocess(const vgg_beside *beside, size_t channels, size_t height,
                                 size_t width, vgg_preprocess *preprocess, vgg_error *error) {
    preprocess->struct_size = sizeof *preprocess;
    vgg_status status = vgg_preprocess_preset("unit", channels, height, width, preprocess, error);
    if (status != VGG_OK)
        return status;
    vgg_preprocess_changes changes;
    vgg_preprocess_changes_init(&changes, sizeof changes);
    changes.parts = VGG_PREPROCESS_SCALE | VGG_PREPROCESS_MEAN | VGG_PREPROCESS_DEVIATION;
    changes.scale = beside->scale_said ? beside->scale : likely_scale(beside);
    changes.mean_count = changes.deviation_count = channels == 1 ? 1 : 3;
    memcpy(changes.mean, beside->mean, sizeof changes.mean);
    memcpy(changes.deviation, beside->deviation, sizeof changes.deviation);
    if (beside->has_filter) {
        changes.parts |= VGG_PREPROCESS_FILTER;
        changes.filter = beside->filter;
    }
    if (beside->squash) {
        changes.parts |= VGG_PREPROCESS_FIT;
        changes.fit = VGG_FIT_SQUASH;
    }
    size_t side = vgg_size_min(height, width);
    size_t said = vgg_size_min(beside->height, beside->width);
    size_t resize = said > 0 ? vgg_scaled_side(beside->resize, said, side) : beside->resize;
    if (resize >= side) {
        changes.parts |= VGG_PREPROCESS_RESIZE;
        changes.resize = resize;
    }
    status = vgg_preprocess_change(preprocess, &changes, error);
    if (status == VGG_OK)
        name_figures(preprocess);
    return status;
}
