#include "formats/remarks.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/text.h"

#define LINE_TEXT 600

bool vgg_remarks_add(vgg_remarks *remarks, const char *format, ...) {
    char line[LINE_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    char **lines = vgg_realloc(remarks->lines, (remarks->count + 1) * sizeof *lines);
    if (lines == NULL)
        return false;
    remarks->lines = lines;
    lines[remarks->count] = vgg_text_copy(line);
    if (lines[remarks->count] == NULL)
        return false;
    remarks->count++;
    return true;
}

void vgg_remarks_free(vgg_remarks *remarks) {
    for (size_t i = 0; i < remarks->count; i++) {
        vgg_free(remarks->lines[i]);
    }
    vgg_free(remarks->lines);
    *remarks = (vgg_remarks){0};
}
