/* From the description of a storage in a pickle to its type, key and size. */
#include "base/error.h"
#include "base/memory.h"
#include "formats/pth/pth.h"

bool vgg_pth_read_size(const vgg_pickle_value *value, size_t *size) {
    if (value->kind != VGG_PICKLE_INTEGER || value->integer < 0)
        return false;
    *size = (size_t)value->integer;
    return true;
}

bool vgg_pth_is_type(const vgg_pickle_value *value) {
    return value->kind == VGG_PICKLE_GLOBAL && value->global != NULL &&
           value->global->role == VGG_PICKLE_IS_TYPE;
}

static vgg_status fail_type(const vgg_tensor_source *source, const vgg_pickle *pickle,
                            const vgg_pickle_value *type, vgg_error *error) {
    const vgg_pickle_name *name = &pickle->names[type->name];
    char text[VGG_PICKLE_NAME_TEXT], place[VGG_PICKLE_NAME_TEXT];
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: has a storage of type %s, whose values are not read%s", source->path,
                    vgg_pickle_name_text(name, text), vgg_pickle_name_place(pickle, name, place));
}

vgg_status vgg_pth_storage_read(const vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *value, vgg_pth_storage *storage,
                                vgg_error *error) {
    /* ("storage", type, key, location, count), and in old files None or a view of it */
    const vgg_pickle_value *parts[6], *part[3];
    size_t count = vgg_pickle_items(pickle, value, parts, 6);
    if (count > 1 && parts[1]->kind == VGG_PICKLE_GLOBAL && parts[1]->global == NULL)
        return fail_type(source, pickle, parts[1], error);
    if (count < 5 || !vgg_pth_is_type(parts[1]) || parts[2]->kind != VGG_PICKLE_TEXT ||
        !vgg_pth_read_size(parts[4], &storage->count))
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its pickle describes a storage wrongly, expected a type, a key, a "
                        "place and a count of values",
                        source->path);
    storage->type = vgg_element_type_named(parts[1]->global->type);
    storage->key = parts[2]->text.bytes;
    storage->key_length = parts[2]->text.length;
    storage->first = 0;
    storage->view = storage->count;
    size_t bytes;
    if (!vgg_size_mul(storage->count, storage->type->bytes, &bytes))
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its pickle gives a storage %zu values, more than memory has addresses",
                        source->path, storage->count);
    if (count < 6 || parts[5]->kind == VGG_PICKLE_NONE)
        return VGG_OK;
    if (parts[5]->kind != VGG_PICKLE_TUPLE || vgg_pickle_items(pickle, parts[5], part, 3) != 3 ||
        !vgg_pth_read_size(part[1], &storage->first) ||
        !vgg_pth_read_size(part[2], &storage->view) || storage->first > storage->count ||
        storage->view > storage->count - storage->first)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its pickle describes a part of a storage that the storage does not "
                        "have",
                        source->path);
    return VGG_OK;
}
