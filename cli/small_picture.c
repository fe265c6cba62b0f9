#include "cli/small_picture.h"

static size_t scaled(size_t side, size_t most, size_t longest) {
    size_t result = side * most / longest;
    return result > 0 ? result : 1;
}

vgg_status vgg_cli_shrink(vgg_image *image, size_t most, vgg_error *error) {
    size_t longest = image->width > image->height ? image->width : image->height;
    if (longest <= most)
        return VGG_OK;
    vgg_image small = {0};
    vgg_status status =
        vgg_image_resize(image, scaled(image->width, most, longest),
                         scaled(image->height, most, longest), VGG_FILTER_BILINEAR, &small, error);
    vgg_image_free(image);
    *image = small;
    return status;
}
