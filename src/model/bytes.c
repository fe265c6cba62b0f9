#include "model/bytes.h"

#include "base/error.h"
#include "base/options.h"

static const vgg_reader defaults = {.struct_size = sizeof(vgg_reader)};

void vgg_reader_init(vgg_reader *reader, size_t size) {
    vgg_options_init(reader, size, &defaults, sizeof defaults);
}

static const char *name_or_default(const char *name) {
    return name != NULL ? name : "the model";
}

vgg_bytes vgg_bytes_of_file(const char *path) {
    return (vgg_bytes){.kind = VGG_BYTES_FILE, .name = path};
}

vgg_status vgg_bytes_in_memory(const void *bytes, size_t size, const char *name, vgg_bytes *input,
                               vgg_error *error) {
    *input = (vgg_bytes){
        .kind = VGG_BYTES_MEMORY, .name = name_or_default(name), .bytes = bytes, .size = size};
    if (bytes == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: there are no bytes (a null pointer)",
                        input->name);
    return VGG_OK;
}

vgg_status vgg_bytes_of_reader(const vgg_reader *given, vgg_reader *own, vgg_bytes *input,
                               vgg_error *error) {
    *own = defaults;
    vgg_status status = vgg_options_read(own, sizeof *own, given, "vgg_reader", error);
    if (status != VGG_OK)
        return status;
    *input =
        (vgg_bytes){.kind = VGG_BYTES_READER, .name = name_or_default(own->name), .reader = own};
    if (own->read == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: there is no function to read it with",
                        input->name);
    return VGG_OK;
}
