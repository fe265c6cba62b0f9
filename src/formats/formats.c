#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/derived.h"
#include "formats/foreign.h"
#include "formats/format.h"

static const vgg_format *const formats[] = {
    &vgg_format_safetensors,
    &vgg_format_numpy,
    &vgg_format_keras, /* before pth, whose archives are zip files too */
    &vgg_format_pth,
    &vgg_format_onnx,
    &vgg_format_caffe,
    &vgg_format_darknet, /* the last: hardly anything tells its files from others */
};
#define FORMATS (sizeof formats / sizeof *formats)

/* Whether the path ends in one of the endings, which blanks separate. */
static bool has_ending(const char *path, const char *endings) {
    size_t length = strlen(path);
    for (const char *at = endings; *at != '\0';) {
        size_t size = strcspn(at, " ");
        if (length > size && strncasecmp(path + length - size, at, size) == 0)
            return true;
        at += size + strspn(at + size, " ");
    }
    return false;
}

static vgg_status fail_format(const char *name, vgg_error *error) {
    vgg_text names = {0};
    for (size_t i = 0; i < FORMATS; i++) {
        if (formats[i]->save != NULL)
            vgg_text_add(&names, "%s%s", names.length == 0 ? "" : ", ", formats[i]->name);
    }
    char *list = vgg_text_take(&names);
    vgg_fail(error, VGG_ERROR_UNSUPPORTED, "models cannot be written as \"%.80s\", expected %s",
             name, list == NULL ? "safetensors" : list);
    vgg_free(list);
    return VGG_ERROR_UNSUPPORTED;
}

vgg_status vgg_format_to_write(const char *name, const char *path, const vgg_format **format,
                               vgg_error *error) {
    *format = NULL;
    for (size_t i = 0; i < FORMATS; i++) {
        if (name != NULL ? strcmp(formats[i]->name, name) == 0
                         : path != NULL && has_ending(path, formats[i]->endings))
            *format = formats[i];
    }
    if (*format == NULL && name == NULL)
        *format = &vgg_format_safetensors;
    if (*format != NULL && (*format)->left_out != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "models cannot be written as \"%s\": this libvgg was built without %s",
                        (*format)->name, (*format)->left_out);
    if (*format == NULL || (*format)->save == NULL)
        return fail_format(*format == NULL ? name : (*format)->name, error);
    return VGG_OK;
}

#define KNOWN_TEXT 128

/* "safetensors, pth": what can be read. */
static const char *known_formats(char buffer[KNOWN_TEXT]) {
    size_t used = 0;
    for (size_t i = 0; i < FORMATS && used < KNOWN_TEXT; i++) {
        if (formats[i]->left_out == NULL)
            used += (size_t)snprintf(buffer + used, KNOWN_TEXT - used, "%s%s",
                                     used == 0 ? "" : ", ", formats[i]->name);
    }
    return buffer;
}

static vgg_status load_as(vgg_tensor_source *source, vgg_error *error) {
    const vgg_format *format = source->format;
    if (format->left_out == NULL) {
        vgg_status status = format->load(source, error);
        return status == VGG_OK ? vgg_derive_weights(source, error) : status;
    }
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: looks like a file of format %s; this libvgg was built without %s",
                    source->path, format->name, format->left_out);
}

/* Graphs of TensorFlow are protocol buffers as those of ONNX and Caffe are: their files' ending and
 * first bytes together tell them. */
static bool is_tensorflow(const vgg_tensor_source *source) {
    const unsigned char *bytes = source->storage.map;
    return has_ending(source->path, ".pb") && source->storage.size > 3 &&
           (bytes[0] == 0x0a || memcmp(bytes, "\x08\x01\x12", 3) == 0);
}

static vgg_status load_any(vgg_tensor_source *source, vgg_error *error) {
    if (is_tensorflow(source))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is a graph of TensorFlow: export it as ONNX (tf2onnx), or save the "
                        "Keras model as .h5 or .keras",
                        source->path);
    for (size_t i = 0; i < FORMATS; i++) {
        if (formats[i]->sniff(source->storage.map, source->storage.size)) {
            source->format = formats[i];
            return load_as(source, error);
        }
    }
    char known[KNOWN_TEXT];
    const char *kind = vgg_foreign_kind(source->storage.map, source->storage.size);
    if (kind != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: is %s, expected a weight file (%s)",
                        source->path, kind, known_formats(known));
    if (source->storage.size <= 8)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: ends at byte %zu, too short for a weight file (%s)", source->path,
                        source->storage.size, known_formats(known));
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is not a weight file of a known format, expected one of %s; a safetensors "
                    "file has the length of its header in bytes 0 to 7 and '{' in byte 8",
                    source->path, known_formats(known));
}

vgg_status vgg_tensor_source_open(const vgg_bytes *input, const vgg_hints *told, vgg_meter *meter,
                                  vgg_tensor_source *source, vgg_error *error) {
    *source = (vgg_tensor_source){
        .path = vgg_text_copy(input->name), .told = told, .storage.meter = meter};
    if (source->path == NULL)
        return vgg_fail_memory(error, input->name, strlen(input->name));
    vgg_status status = vgg_storage_open(&source->storage, input, error);
    if (status != VGG_OK)
        return status;
    char known[KNOWN_TEXT];
    if (source->storage.size == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is an empty file (0 bytes), expected a weight file (%s)", source->path,
                        known_formats(known));
    return load_any(source, error);
}
