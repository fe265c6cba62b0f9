#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

const char *vgg_status_name(vgg_status status) {
    switch (status) {
    case VGG_OK:
        return "VGG_OK";
    case VGG_ERROR_ARGUMENT:
        return "VGG_ERROR_ARGUMENT";
    case VGG_ERROR_MEMORY:
        return "VGG_ERROR_MEMORY";
    case VGG_ERROR_IO:
        return "VGG_ERROR_IO";
    case VGG_ERROR_FORMAT:
        return "VGG_ERROR_FORMAT";
    case VGG_ERROR_SHAPE:
        return "VGG_ERROR_SHAPE";
    case VGG_ERROR_UNSUPPORTED:
        return "VGG_ERROR_UNSUPPORTED";
    case VGG_ERROR_NOT_FOUND:
        return "VGG_ERROR_NOT_FOUND";
    case VGG_ERROR_STOPPED:
        return "VGG_ERROR_STOPPED";
    case VGG_ERROR_NUMERIC:
        return "VGG_ERROR_NUMERIC";
    case VGG_ERROR_CHANGED:
        return "VGG_ERROR_CHANGED";
    }
    return "VGG_ERROR_UNKNOWN";
}

const char *vgg_version(void) {
    return VGG_VERSION;
}

/* Formats into `message`. A line that is too long, because of a long path in it, loses its middle:
 * what is wrong stands at the end. */
static void format_line(char message[VGG_ERROR_TEXT], const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(message, VGG_ERROR_TEXT, format, arguments);
    if (length >= VGG_ERROR_TEXT) {
        char *whole = vgg_malloc((size_t)length + 1);
        if (whole != NULL) {
            const size_t half = VGG_ERROR_TEXT / 2 - 4;
            vsnprintf(whole, (size_t)length + 1, format, again);
            memcpy(message, whole, half);
            memcpy(message + half, " ... ", 5);
            memcpy(message + half + 5, whole + (size_t)length - half + 1, half);
            vgg_free(whole);
        }
    }
    va_end(again);
    /* One line, whatever bytes a file name or a file's content brought in. */
    for (char *c = message; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
}

vgg_status vgg_fail(vgg_error *error, vgg_status status, const char *format, ...) {
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        format_line(error->message, format, arguments);
        va_end(arguments);
        error->status = status;
    }
    return status;
}

vgg_status vgg_fail_memory(vgg_error *error, const char *what, size_t bytes) {
    char size[VGG_SIZE_TEXT];
    return vgg_fail(error, VGG_ERROR_MEMORY, "out of memory: %s needs %s", what,
                    vgg_size_text(size, bytes));
}

void vgg_error_prefix(vgg_error *error, const char *format, ...) {
    if (error == NULL)
        return;
    char prefix[VGG_ERROR_TEXT], rest[VGG_ERROR_TEXT];
    memcpy(rest, error->message, sizeof rest);
    va_list arguments;
    va_start(arguments, format);
    format_line(prefix, format, arguments);
    va_end(arguments);
    vgg_fail(error, error->status, "%s: %s", prefix, rest);
}

void vgg_warn(vgg_warning_callback *warn, void *user, const char *format, ...) {
    char message[VGG_ERROR_TEXT];
    if (warn == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    format_line(message, format, arguments);
    va_end(arguments);
    warn(user, message);
}
