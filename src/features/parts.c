/* What lies beside a file of features, when it is read for writing that. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "features/file.h"

vgg_status vgg_feature_map_part(const vgg_feature_part *part, size_t size, vgg_feature_map *map,
                                vgg_error *error) {
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fileno(part->stream), 0);
    if (bytes == MAP_FAILED)
        return vgg_file_fail(error, part->path, "read");
    *map = (vgg_feature_map){bytes, size};
    return VGG_OK;
}

void vgg_feature_unmap(vgg_feature_map *map) {
    if (map->bytes != NULL)
        munmap(map->bytes, map->size);
    *map = (vgg_feature_map){0};
}

size_t vgg_feature_shape(const vgg_feature_file *file, size_t layer, size_t shape[4]) {
    const vgg_tap_info *info = &file->infos[layer];
    shape[0] = file->rows;
    for (size_t d = 0; d < info->dimensions; d++) {
        shape[d + 1] = info->shape[d];
    }
    return info->dimensions + 1;
}

vgg_status vgg_feature_map_layer(const vgg_feature_file *file, size_t layer, vgg_feature_map *map,
                                 vgg_error *error) {
    const vgg_feature_part *part = &file->parts[layer];
    unsigned char head[VGG_NPY_HEAD];
    size_t shape[4], dimensions = vgg_feature_shape(file, layer, shape);
    size_t row = file->infos[layer].values * sizeof(float);
    vgg_npy_head_write(head, "<f4", shape, dimensions);
    if (pwrite(fileno(part->stream), head, sizeof head, 0) != (ssize_t)sizeof head)
        return vgg_file_fail(error, part->path, "write");
    return vgg_feature_map_part(part, VGG_NPY_HEAD + file->rows * row, map, error);
}

vgg_status vgg_feature_list_begin(vgg_feature_file *file, vgg_error *error) {
    if (fseek(file->list.stream, sizeof(vgg_feature_head), SEEK_SET) != 0)
        return vgg_file_fail(error, file->list.path, "read");
    file->named = 0;
    return VGG_OK;
}

bool vgg_feature_list_next(vgg_feature_file *file, bool *readable) {
    vgg_feature_record r;
    FILE *stream = file->list.stream;
    if (fread(&r, sizeof r, 1, stream) != 1 ||
        (r.mark != VGG_FEATURE_READ && r.mark != VGG_FEATURE_UNREAD) ||
        r.length >= VGG_FEATURE_NAME || fread(file->name, 1, r.length, stream) != r.length)
        return false;
    file->name[r.length] = '\0';
    *readable = r.mark == VGG_FEATURE_READ;
    return true;
}

vgg_status vgg_feature_next_name(vgg_feature_file *file, bool *more, vgg_error *error) {
    *more = file->named < file->rows;
    for (bool readable = false; *more && !readable; file->named += readable) {
        if (!vgg_feature_list_next(file, &readable))
            return vgg_fail(error, VGG_ERROR_IO,
                            "%s: ends or is damaged after %zu pictures with features, expected %zu",
                            file->list.path, file->named, file->rows);
    }
    return VGG_OK;
}
