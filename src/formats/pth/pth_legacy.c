/* Files that are no archive: those of torch.save before 1.6, and those of pickle.dump. */
#include "base/error.h"
#include "formats/pth/pth_series.h"

/* One pickle that holds its storages itself, or whose weights are NumPy's arrays. */
static vgg_status load_dumped(vgg_tensor_source *source, const vgg_pickle *pickle,
                              vgg_error *error) {
    vgg_pickle_kind kind = pickle->values[pickle->root].kind;
    bool plain = kind == VGG_PICKLE_NONE || kind == VGG_PICKLE_BOOL || kind == VGG_PICKLE_INTEGER ||
                 kind == VGG_PICKLE_NUMBER || kind == VGG_PICKLE_TEXT;
    if (plain || pickle->end < source->storage.size)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is a Python pickle, but not one of torch.save: it does not begin with "
                        "the number 0x1950a86a20f9469cfc6c",
                        source->path);
    return vgg_pth_take_tensors(source, pickle, NULL, error);
}

static vgg_status load_series(vgg_tensor_source *source, vgg_error *error) {
    vgg_pth_series series = {.source = source,
                             .bytes = source->storage.map,
                             .size = source->storage.size,
                             .pickles = source->storage.size};
    vgg_status status = vgg_pth_series_read(&series, error);
    if (status == VGG_OK)
        status = vgg_pth_take_tensors(
            source, &series.state,
            &(vgg_pth_storages){.context = &series, .find = vgg_pth_series_find}, error);
    vgg_pth_series_free(&series);
    return status;
}

vgg_status vgg_pth_load_legacy(vgg_tensor_source *source, vgg_error *error) {
    const vgg_pickle_input input = {
        .path = source->path, .bytes = source->storage.map, .size = source->storage.size};
    vgg_pickle first = {0};
    vgg_status status = vgg_pickle_read(&input, &first, error);
    if (status == VGG_OK)
        status = vgg_pth_series_begins(&first) ? load_series(source, error)
                                               : load_dumped(source, &first, error);
    vgg_pickle_free(&first);
    return status;
}
