/* The parts of a data set: opened, agreeing on classes, one set aside where none validates. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "data/class_names.h"
#include "data/dataset.h"
#include "data/split.h"

/* ---- options ---- */

void vgg_dataset_options_init(vgg_dataset_options *options, size_t size) {
    vgg_dataset_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static vgg_status check_options(const vgg_dataset_options *options, vgg_error *error) {
    double split = options->validation_split;
    if (!(split >= 0.0 && split < 1.0))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "validation_split is %g, expected at least 0 and less than 1", split);
    if (options->classes == NULL)
        return VGG_OK;
    if (options->class_count == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a list of 0 class names, expected at least 1");
    vgg_class_names names;
    vgg_status status = vgg_class_names_sort(options->classes, options->class_count, &names, error);
    for (size_t i = 0; status == VGG_OK && i < options->class_count; i++) {
        size_t first = vgg_class_names_find(&names, options->classes[i]);
        if (first < i)
            status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                              "the class name \"%s\" is given twice (%zu and %zu)",
                              options->classes[i], first, i);
    }
    vgg_free(names.sorted);
    return status;
}

/* The caller's struct may be older and shorter than ours. */
static vgg_status full_options(const vgg_dataset_options *given, vgg_dataset_options *options,
                               vgg_error *error) {
    vgg_dataset_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_dataset_options", error);
    if (options->temporary_folder == NULL)
        options->temporary_folder = "/tmp";
    return status != VGG_OK ? status : check_options(options, error);
}

/* ---- classes ---- */

static vgg_status use_given_classes(const vgg_dataset_options *options, vgg_dataset *part,
                                    vgg_error *error) {
    vgg_status status = VGG_OK;
    if (options->class_ids != NULL)
        status = vgg_dataset_rename_classes(part, options->class_ids, options->classes,
                                            options->class_count, error);
    if (status == VGG_OK)
        status = vgg_dataset_use_classes(part, options->classes, options->class_count,
                                         "the given list of classes", error);
    return status;
}

static vgg_status share_a_class(const vgg_dataset *one, const vgg_dataset *other, bool *share,
                                vgg_error *error) {
    vgg_class_names names;
    vgg_status status =
        vgg_class_names_sort((const char *const *)one->classes, one->class_count, &names, error);
    *share = false;
    for (size_t i = 0; status == VGG_OK && i < other->class_count; i++) {
        *share = *share || vgg_class_names_find(&names, other->classes[i]) < one->class_count;
    }
    vgg_free(names.sorted);
    return status;
}

/* Pictures to be tested on often come without their classes, in a folder of any name: such a part
 * is left out. */
static vgg_status drop_unlabelled_test(vgg_parts *parts, const char *path, vgg_error *error) {
    bool share = true;
    vgg_status status = VGG_OK;
    if (parts->train != NULL && parts->test != NULL)
        status = share_a_class(parts->train, parts->test, &share, error);
    if (status != VGG_OK || share)
        return status;
    const char *below = parts->test->name + strlen(path);
    vgg_passed_folder(&parts->passed, below + strspn(below, ": /"),
                      "none of its classes is one to train on");
    vgg_dataset_free(parts->test);
    parts->test = NULL;
    return VGG_OK;
}

/* All parts number their classes alike: as the caller says, or as the part to learn from does. */
static vgg_status agree_on_classes(const vgg_dataset_options *options, vgg_parts *parts,
                                   vgg_error *error) {
    vgg_dataset *each[] = {parts->train, parts->validation, parts->test}, *leading = NULL;
    for (size_t i = 3; i-- > 0;) {
        leading = each[i] != NULL ? each[i] : leading;
    }
    if (options->classes == NULL && leading->class_count < 2)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has one class only (%s); expected at least two", leading->name,
                        leading->classes[0]);
    bool several = false;
    for (size_t i = 0; i < 3; i++) {
        several = several || (each[i] != NULL && each[i]->several);
    }
    for (size_t i = 0; i < 3; i++) {
        if (each[i] != NULL)
            each[i]->several = several;
    }
    vgg_status status = VGG_OK;
    for (size_t i = 1; i < 3 && parts->train != NULL; i++) {
        if (status == VGG_OK && each[i] != NULL)
            status =
                vgg_dataset_use_classes(each[i], (const char *const *)parts->train->classes,
                                        parts->train->class_count, "the part to train on", error);
    }
    for (size_t i = 0; i < 3 && options->classes != NULL; i++) {
        if (status == VGG_OK && each[i] != NULL)
            status = use_given_classes(options, each[i], error);
    }
    return status;
}

/* ---- opening ---- */

static vgg_status choose_split(const vgg_dataset_options *options, vgg_split *split,
                               vgg_error *error) {
    if (options->split != NULL)
        return vgg_split_read(options->split, split, error);
    *split = (vgg_split){.rule = options->validation_split > 0.0 ? VGG_SPLIT_NAMES : VGG_SPLIT_NONE,
                         .share = options->validation_split,
                         .seed = options->seed};
    return VGG_OK;
}

/* Sets pictures aside when the rule is this one, and there is something to be set aside from. */
static vgg_status split_by(vgg_parts *parts, const vgg_split *split, vgg_split_rule rule,
                           vgg_split_result *result, vgg_error *error) {
    bool wanted = split->rule == rule && parts->train != NULL && parts->validation == NULL;
    return wanted ? vgg_parts_split(parts, split, result, error) : VGG_OK;
}

static vgg_status make_parts(const char *path, const vgg_dataset_options *options, vgg_parts *parts,
                             vgg_split_result *result, vgg_error *error) {
    vgg_split split;
    vgg_status status = choose_split(options, &split, error);
    parts->several = options->several_labels;
    if (status == VGG_OK)
        status = vgg_parts_open(path, options->temporary_folder, parts, error);
    if (status != VGG_OK)
        return status;
    if (split.test_validates && parts->validation == NULL) {
        parts->validation = parts->test;
        parts->test = NULL;
    }
    /* By the numbers that the data itself gives the classes. */
    if (split.share > 0.0 && parts->test == NULL)
        status = split_by(parts, &split, VGG_SPLIT_ORDER, result, error);
    if (status == VGG_OK)
        status = drop_unlabelled_test(parts, path, error);
    if (status == VGG_OK)
        status = agree_on_classes(options, parts, error);
    /* In the order of the classes that a model has, for the bounds that it recorded. */
    if (status == VGG_OK)
        status = split_by(parts, &split, VGG_SPLIT_NAMES, result, error);
    return status;
}

/* Says what is left out, and makes a text of it, which is NULL when that is nothing. */
static vgg_status tell_passed(const char *path, const vgg_dataset_options *options,
                              const vgg_passed *passed, char **left_out, vgg_error *error) {
    vgg_text text = {0};
    vgg_passed_text(passed, &text);
    if (text.length == 0 && !text.failed)
        return VGG_OK;
    *left_out = vgg_text_take(&text);
    if (*left_out == NULL)
        return vgg_fail_memory(error, "what is left out of a data set", 0);
    vgg_warn(options->warn, options->warn_user, "%.400s: %s", path, *left_out);
    return VGG_OK;
}

/* Of a caller's struct, which may be shorter or longer, what it has. */
static void empty_parts(vgg_dataset_parts *parts) {
    size_t size = vgg_size_min(parts->struct_size, sizeof *parts);
    memset((char *)parts + sizeof size, 0, size - sizeof size);
}

void vgg_dataset_parts_free(vgg_dataset_parts *parts) {
    vgg_dataset_parts own = {0};
    if (parts == NULL || parts->struct_size < sizeof parts->struct_size)
        return;
    memcpy(&own, parts, vgg_size_min(parts->struct_size, sizeof own));
    vgg_dataset_free(own.train);
    vgg_dataset_free(own.validation);
    vgg_dataset_free(own.test);
    vgg_string_free(own.split);
    vgg_string_free(own.left_out);
    empty_parts(parts);
}

vgg_status vgg_dataset_open_parts(const char *path, const vgg_dataset_options *given,
                                  vgg_dataset_parts *result, vgg_error *error) {
    vgg_dataset_options options;
    vgg_parts parts = {0};
    vgg_split_result split = {0};
    vgg_dataset_parts opened = {.struct_size = sizeof opened};
    vgg_status status = vgg_result_check(result, "vgg_dataset_parts", error);
    if (status == VGG_OK)
        status = full_options(given, &options, error);
    if (status == VGG_OK)
        status = make_parts(path, &options, &parts, &split, error);
    opened.split = split.record;
    opened.split_known = split.known;
    if (status == VGG_OK)
        status = tell_passed(path, &options, &parts.passed, &opened.left_out, error);
    if (status == VGG_OK) {
        opened.train = parts.train;
        opened.validation = parts.validation;
        opened.test = parts.test;
        parts.train = parts.validation = parts.test = NULL;
        status = vgg_result_write(result, &opened, sizeof opened, "vgg_dataset_parts", error);
        opened.struct_size = vgg_size_min(result->struct_size, sizeof opened);
        empty_parts(&opened); /* the rest of which a shorter struct has no room for */
    }
    opened.struct_size = sizeof opened;
    vgg_dataset_parts_free(&opened);
    vgg_parts_clear(&parts);
    return status;
}

vgg_status vgg_dataset_open(const char *path, const vgg_dataset_options *options,
                            vgg_dataset **train, vgg_dataset **validation, vgg_error *error) {
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_status status = vgg_dataset_open_parts(path, options, &parts, error);
    if (status != VGG_OK)
        return status;
    if (parts.train == NULL && parts.validation == NULL) {
        status = vgg_fail(error, VGG_ERROR_NOT_FOUND,
                          "%s: has a test part only, expected one to train on or to validate with",
                          path);
    } else {
        if (train != NULL) {
            *train = parts.train;
            parts.train = NULL;
        }
        if (validation != NULL) {
            *validation = parts.validation;
            parts.validation = NULL;
        }
    }
    vgg_dataset_parts_free(&parts);
    return status;
}
