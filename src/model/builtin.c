/* The model in the box. */
#include "base/error.h"
#include "vgg/model.h"

#if VGG_WITH_BUILTIN
/* builtin_bytes.S */
extern const unsigned char vgg_builtin_begin[], vgg_builtin_end[];

vgg_status vgg_builtin_model(const void **bytes, size_t *size, vgg_error *error) {
    (void)error;
    *bytes = vgg_builtin_begin;
    *size = (size_t)(vgg_builtin_end - vgg_builtin_begin);
    return VGG_OK;
}
#else
vgg_status vgg_builtin_model(const void **bytes, size_t *size, vgg_error *error) {
    (void)bytes;
    (void)size;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "builtin: this libvgg was built without VGG_WITH_BUILTIN");
}
#endif
