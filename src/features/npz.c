/* Features as NumPy's arrays in an archive. */
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "features/file.h"
#include "formats/containers/zip_writer.h"

/* Code points of the longest name, at least 1. */
static vgg_status find_longest(vgg_feature_file *file, size_t *most, vgg_error *error) {
    *most = 1;
    vgg_status status = vgg_feature_list_begin(file, error);
    for (bool more = true; status == VGG_OK && more;) {
        status = vgg_feature_next_name(file, &more, error);
        if (status == VGG_OK && more)
            *most = vgg_size_max(*most, vgg_npy_points(file->name));
    }
    return status;
}

/* Writes the names, each in `most` code points, for which there is room. */
static vgg_status put_names(vgg_feature_file *file, const vgg_feature_part *part, uint32_t *points,
                            size_t most, vgg_error *error) {
    vgg_status status = vgg_feature_list_begin(file, error);
    for (bool more = true; status == VGG_OK;) {
        status = vgg_feature_next_name(file, &more, error);
        if (status != VGG_OK || !more)
            break;
        vgg_npy_put_text(points, file->name, most);
        if (fwrite(points, sizeof *points, most, part->stream) != most)
            status = vgg_file_fail(error, part->path, "write");
    }
    return status;
}

/* The names as an array of texts of the same length, in a file beside OUT: there may be more than
 * fit into memory. */
static vgg_status fill_names(vgg_feature_file *file, const vgg_feature_part *part, size_t *size,
                             vgg_error *error) {
    size_t most;
    vgg_status status = find_longest(file, &most, error);
    if (status != VGG_OK)
        return status;
    unsigned char head[VGG_NPY_HEAD];
    char type[VGG_NPY_TYPE];
    vgg_npy_text_type(type, most);
    vgg_npy_head_write(head, type, &file->rows, 1);
    uint32_t *points = vgg_calloc(most, sizeof *points);
    if (points == NULL)
        return vgg_fail_memory(error, "the name of a picture", most * sizeof *points);
    if (fwrite(head, sizeof head, 1, part->stream) != 1)
        status = vgg_file_fail(error, part->path, "write");
    if (status == VGG_OK)
        status = put_names(file, part, points, most, error);
    if (status == VGG_OK && fflush(part->stream) != 0)
        status = vgg_file_fail(error, part->path, "write");
    vgg_free(points);
    *size = VGG_NPY_HEAD + file->rows * most * sizeof *points;
    return status;
}

static vgg_status map_names(vgg_feature_file *file, vgg_feature_map *map, vgg_error *error) {
    vgg_feature_part *part = &file->texts;
    size_t size = 0;
    part->stream = fopen(part->path, "w+be");
    if (part->stream == NULL)
        return vgg_file_fail(error, part->path, "create");
    vgg_status status = fill_names(file, part, &size, error);
    if (status == VGG_OK)
        status = vgg_feature_map_part(part, size, map, error);
    fclose(part->stream);
    part->stream = NULL;
    unlink(part->path); /* the map keeps it */
    return status;
}

vgg_status vgg_feature_write_npz(vgg_feature_file *file, vgg_sink *sink, vgg_error *error) {
    vgg_zip_record *records = vgg_calloc(file->layers + 1, sizeof *records);
    vgg_feature_map *maps = vgg_calloc(file->layers + 1, sizeof *maps);
    vgg_status status = VGG_OK;
    if (records == NULL || maps == NULL)
        status = vgg_fail_memory(error, "a list of arrays", file->layers * sizeof *records);
    for (size_t t = 0; status == VGG_OK && t <= file->layers; t++) {
        status = t < file->layers ? vgg_feature_map_layer(file, t, &maps[t], error)
                                  : map_names(file, &maps[t], error);
        snprintf(records[t].name, sizeof records[t].name, "%s.npy",
                 t < file->layers ? file->names[t] : "names");
        records[t].bytes = maps[t].bytes;
        records[t].size = maps[t].size;
    }
    if (status == VGG_OK)
        status = vgg_zip_write(sink, records, file->layers + 1, error);
    for (size_t t = 0; maps != NULL && t <= file->layers; t++) {
        vgg_feature_unmap(&maps[t]);
    }
    vgg_free(maps);
    vgg_free(records);
    return status;
}
