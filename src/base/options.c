#include "base/options.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* Longer than any struct will ever be: a size beyond it was never set. */
enum { SIZE_LIMIT = 65536 };

static size_t size_of(const void *given) {
    size_t size;
    memcpy(&size, given, sizeof size);
    return size;
}

static void set_size(void *given, size_t size) {
    if (size >= sizeof size)
        memcpy(given, &size, sizeof size);
}

static bool is_set(size_t size) {
    return size >= sizeof size && size <= SIZE_LIMIT;
}

/* ---- options ---- */

void vgg_options_init(void *options, size_t size, const void *defaults, size_t defaults_size) {
    memset(options, 0, size);
    memcpy(options, defaults, vgg_size_min(size, defaults_size));
    set_size(options, size);
}

static bool is_zero(const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

vgg_status vgg_options_read(void *own, size_t own_size, const void *given, const char *name,
                            vgg_error *error) {
    if (given == NULL)
        return VGG_OK;
    size_t size = size_of(given);
    if (!is_set(size))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s were not set up with %s_init", name, name);
    if (size > own_size && !is_zero((const unsigned char *)given + own_size, size - own_size))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s of %zu bytes have something set that is not zero behind the first %zu "
                        "bytes, which are all that libvgg %s knows",
                        name, size, own_size, vgg_version());
    memcpy(own, given, vgg_size_min(size, own_size));
    set_size(own, own_size);
    return VGG_OK;
}

/* ---- results ---- */

vgg_status vgg_result_check(const void *given, const char *name, vgg_error *error) {
    size_t size = size_of(given);
    if (!is_set(size))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "struct_size of %s is %zu, expected its size, sizeof(%s)", name, size,
                        name);
    return VGG_OK;
}

vgg_status vgg_result_write(void *given, const void *own, size_t own_size, const char *name,
                            vgg_error *error) {
    vgg_status status = vgg_result_check(given, name, error);
    if (status == VGG_OK)
        vgg_options_init(given, size_of(given), own, own_size);
    return status;
}

void vgg_struct_copy(void *to, size_t size, const void *from) {
    vgg_options_init(to, size, from, size_of(from));
}
