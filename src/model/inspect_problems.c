/* The list of what is wrong with a file. */
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/inspect.h"

static bool has_room(vgg_inspection *in) {
    if (in->problem_count < in->problem_capacity)
        return true;
    size_t capacity = vgg_size_max(2 * in->problem_capacity, 16);
    vgg_found_problem *problems = vgg_realloc(in->problems, capacity * sizeof *problems);
    if (problems == NULL)
        return false;
    in->problems = problems;
    in->problem_capacity = capacity;
    return true;
}

void vgg_inspection_add(vgg_inspection *in, vgg_problem_kind kind, const char *tensor, size_t count,
                        const char *format, ...) {
    char line[VGG_ERROR_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (!has_room(in)) {
        in->failed = true;
        return;
    }
    vgg_found_problem *found = &in->problems[in->problem_count++];
    found->message = vgg_text_copy(line);
    found->tensor = tensor != NULL ? vgg_text_copy(tensor) : NULL;
    found->shown = (vgg_problem){.struct_size = sizeof found->shown,
                                 .kind = kind,
                                 .tensor = found->tensor,
                                 .count = count,
                                 .message = found->message};
    if (found->message == NULL || (tensor != NULL && found->tensor == NULL))
        in->failed = true;
}

const char *vgg_problem_name(vgg_problem_kind kind) {
    static const char *const names[] = {
        [VGG_PROBLEM_NETWORK] = "network",       [VGG_PROBLEM_METADATA] = "metadata",
        [VGG_PROBLEM_MISSING] = "missing",       [VGG_PROBLEM_UNUSED] = "unused",
        [VGG_PROBLEM_SHAPE] = "shape",           [VGG_PROBLEM_TYPE] = "type",
        [VGG_PROBLEM_NOT_FINITE] = "not-finite", [VGG_PROBLEM_DEAD] = "dead",
        [VGG_PROBLEM_SCALE] = "scale",
    };
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}
