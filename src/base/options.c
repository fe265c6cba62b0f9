#include "base/options.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"

void vgg_options_init(void *options, size_t size, const void *defaults, size_t defaults_size) {
    memset(options, 0, size);
    memcpy(options, defaults, vgg_size_min(size, defaults_size));
    if (size >= sizeof size)
        memcpy(options, &size, sizeof size);
}

vgg_status vgg_options_read(void *own, size_t own_size, const void *given, const char *name,
                            vgg_error *error) {
    size_t size;
    if (given == NULL)
        return VGG_OK;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s were not set up with %s_init", name, name);
    memcpy(own, given, vgg_size_min(size, own_size));
    return VGG_OK;
}
