/* The formats of features. */
#include <string.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "features/file.h"

/* Bytes that are written at once. */
#define PIECE ((size_t)1 << 22)
/* Tensors of safetensors begin at a multiple of it. */
#define ALIGNED 64

/* Writes bytes of a map, which need not stay in memory. */
static vgg_status write_mapped(vgg_sink *sink, const unsigned char *bytes, size_t size,
                               vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t at = 0; status == VGG_OK && at < size; at += PIECE) {
        size_t piece = vgg_size_min(PIECE, size - at);
        status = vgg_sink_write(sink, bytes + at, piece, error);
        vgg_file_drop(bytes + at, piece);
    }
    return status;
}

/* As a line, of which a name's own line breaks are no end. */
static size_t end_line(char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++) {
        if (name[i] == '\n' || name[i] == '\r')
            name[i] = ' ';
    }
    name[length] = '\n';
    return length + 1;
}

static vgg_status write_lines(vgg_feature_file *file, vgg_sink *sink, vgg_error *error) {
    vgg_status status = vgg_feature_list_begin(file, error);
    for (bool more = true; status == VGG_OK && more;) {
        status = vgg_feature_next_name(file, &more, error);
        if (status == VGG_OK && more)
            status = vgg_sink_write(sink, file->name, end_line(file->name), error);
    }
    return status;
}

/* ---- .npy ---- */

static vgg_status write_names(vgg_feature_file *file, vgg_error *error) {
    vgg_text path = {0};
    vgg_text_add(&path, "%.*s.txt", (int)(strlen(file->path) - strlen(".npy")), file->path);
    char *name = vgg_text_take(&path);
    if (name == NULL)
        return vgg_fail_memory(error, "the name of a file", strlen(file->path));
    vgg_sink sink;
    vgg_status status = vgg_sink_open_file(&sink, name, error);
    if (status == VGG_OK) {
        sink.meter = NULL;
        status = vgg_sink_close(&sink, write_lines(file, &sink, error), error);
    }
    vgg_free(name);
    return status;
}

static vgg_status write_npy(vgg_feature_file *file, vgg_sink *sink, vgg_error *error) {
    vgg_feature_map map = {0};
    vgg_status status = vgg_feature_map_layer(file, 0, &map, error);
    if (status == VGG_OK)
        status = write_mapped(sink, map.bytes, map.size, error);
    vgg_feature_unmap(&map);
    return status == VGG_OK ? write_names(file, error) : status;
}

/* ---- .safetensors ---- */

static json_t *describe_tensor(const char *type, const size_t *shape, size_t dimensions,
                               size_t begin, size_t end) {
    json_t *sizes = json_array();
    for (size_t d = 0; d < dimensions; d++) {
        sizes = vgg_json_appended(sizes, json_integer((json_int_t)shape[d]));
    }
    json_t *tensor = vgg_json_with(json_object(), "dtype", json_string(type));
    tensor = vgg_json_with(tensor, "shape", sizes);
    json_t *offsets = vgg_json_appended(json_array(), json_integer((json_int_t)begin));
    offsets = vgg_json_appended(offsets, json_integer((json_int_t)end));
    return vgg_json_with(tensor, "data_offsets", offsets);
}

static char *describe_tensors(const vgg_feature_file *file, size_t name_bytes) {
    json_t *all = json_object();
    size_t at = 0;
    for (size_t t = 0; t < file->layers; t++) {
        size_t shape[4], dimensions = vgg_feature_shape(file, t, shape);
        size_t end = at + file->rows * file->infos[t].values * sizeof(float);
        all =
            vgg_json_with(all, file->names[t], describe_tensor("F32", shape, dimensions, at, end));
        at = end;
    }
    all = vgg_json_with(all, "names", describe_tensor("U8", &name_bytes, 1, at, at + name_bytes));
    char *text = all == NULL ? NULL : vgg_json_text(all, JSON_COMPACT);
    json_decref(all);
    return text;
}

static vgg_status write_description(const vgg_feature_file *file, vgg_sink *sink, size_t name_bytes,
                                    vgg_error *error) {
    char *text = describe_tensors(file, name_bytes);
    if (text == NULL)
        return vgg_fail_memory(error, "the list of tensors", file->layers * VGG_LAYER_NAME);
    static const char spaces[ALIGNED] = "                                                       "
                                        "        ";
    size_t length = strlen(text);
    uint64_t size = vgg_round_up(length + sizeof size, ALIGNED) - sizeof size;
    vgg_status status = vgg_sink_write(sink, &size, sizeof size, error);
    if (status == VGG_OK)
        status = vgg_sink_write(sink, text, length, error);
    vgg_free(text);
    return status == VGG_OK ? vgg_sink_write(sink, spaces, size - length, error) : status;
}

static vgg_status write_safetensors(vgg_feature_file *file, vgg_sink *sink, vgg_error *error) {
    size_t name_bytes = 0;
    vgg_status status = vgg_feature_list_begin(file, error);
    for (bool more = true; status == VGG_OK && more;) {
        status = vgg_feature_next_name(file, &more, error);
        if (status == VGG_OK && more)
            name_bytes += strlen(file->name) + 1;
    }
    if (status == VGG_OK)
        status = write_description(file, sink, name_bytes, error);
    for (size_t t = 0; status == VGG_OK && t < file->layers; t++) {
        vgg_feature_map map = {0};
        status = vgg_feature_map_layer(file, t, &map, error);
        if (status == VGG_OK)
            status = write_mapped(sink, map.bytes + VGG_NPY_HEAD, map.size - VGG_NPY_HEAD, error);
        vgg_feature_unmap(&map);
    }
    return status == VGG_OK ? write_lines(file, sink, error) : status;
}

/* ---- .csv ---- */

static vgg_status write_line(vgg_sink *sink, vgg_text *text, vgg_error *error) {
    size_t length = text->length;
    char *line = vgg_text_take(text);
    if (line == NULL)
        return vgg_fail_memory(error, "a line of a table", length);
    vgg_status status = vgg_sink_write(sink, line, length, error);
    vgg_free(line);
    return status;
}

static vgg_status write_columns(const vgg_feature_file *file, vgg_sink *sink, vgg_error *error) {
    vgg_text line = {0};
    vgg_text_add(&line, "image");
    for (size_t t = 0; t < file->layers; t++) {
        for (size_t i = 0; i < file->infos[t].values; i++) {
            char column[VGG_LAYER_NAME + 24];
            snprintf(column, sizeof column, "%s.%zu", file->names[t], i);
            vgg_text_add_bytes(&line, ",", 1);
            vgg_csv_add(&line, column);
        }
    }
    vgg_text_add(&line, "\n");
    return write_line(sink, &line, error);
}

/* The line of file->name. */
static vgg_status write_row(const vgg_feature_file *file, const vgg_feature_map *maps, size_t row,
                            vgg_sink *sink, vgg_error *error) {
    vgg_text line = {0};
    vgg_csv_add(&line, file->name);
    for (size_t t = 0; t < file->layers; t++) {
        size_t values = file->infos[t].values;
        const float *from = (const float *)(const void *)(maps[t].bytes + VGG_NPY_HEAD);
        for (size_t i = 0; i < values; i++) {
            vgg_text_add(&line, ",%.9g", (double)from[row * values + i]);
        }
    }
    vgg_text_add(&line, "\n");
    return write_line(sink, &line, error);
}

static vgg_status write_rows(vgg_feature_file *file, const vgg_feature_map *maps, vgg_sink *sink,
                             vgg_error *error) {
    vgg_status status = vgg_feature_list_begin(file, error);
    bool more = true;
    for (size_t row = 0; status == VGG_OK && more; row++) {
        status = vgg_feature_next_name(file, &more, error);
        if (status == VGG_OK && more)
            status = write_row(file, maps, row, sink, error);
    }
    return status;
}

static vgg_status write_csv(vgg_feature_file *file, vgg_sink *sink, vgg_error *error) {
    vgg_feature_map *maps = vgg_calloc(file->layers, sizeof *maps);
    vgg_status status = maps != NULL ? write_columns(file, sink, error)
                                     : vgg_fail_memory(error, "a table", file->layers);
    for (size_t t = 0; status == VGG_OK && t < file->layers; t++) {
        status = vgg_feature_map_layer(file, t, &maps[t], error);
    }
    if (status == VGG_OK)
        status = write_rows(file, maps, sink, error);
    for (size_t t = 0; maps != NULL && t < file->layers; t++) {
        vgg_feature_unmap(&maps[t]);
    }
    vgg_free(maps);
    return status;
}

/* ---- all ---- */

vgg_status vgg_feature_file_write(vgg_feature_file *file, vgg_error *error) {
    static vgg_status (*const writers[])(vgg_feature_file *, vgg_sink *, vgg_error *) = {
        [VGG_FEATURES_NPY] = write_npy,
        [VGG_FEATURES_NPZ] = vgg_feature_write_npz,
        [VGG_FEATURES_SAFETENSORS] = write_safetensors,
        [VGG_FEATURES_CSV] = write_csv};
    vgg_sink sink;
    vgg_status status = vgg_sink_open_file(&sink, file->path, error);
    if (status != VGG_OK)
        return status;
    sink.meter = NULL;
    return vgg_sink_close(&sink, writers[file->format](file, &sink, error), error);
}
