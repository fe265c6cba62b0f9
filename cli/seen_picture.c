#include "cli/seen_picture.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

vgg_status vgg_cli_seen_draw(const vgg_preprocess *preprocess, const vgg_image *given, size_t times,
                             vgg_image *image, vgg_error *error) {
    vgg_preprocess larger = *preprocess;
    larger.width *= times;
    larger.height *= times;
    larger.resize *= times;
    larger.filter = VGG_FILTER_BICUBIC;
    bool as_it_is =
        larger.fit == VGG_FIT_NONE || (larger.fit == VGG_FIT_CROP && larger.resize == 0);
    const vgg_preprocess *p = as_it_is ? preprocess : &larger;
    float *input = calloc(p->channels * p->height * p->width, sizeof *input);
    vgg_image seen = {0};
    vgg_status status = VGG_ERROR_MEMORY;
    if (input != NULL)
        status = vgg_preprocess_image(p, given, input, error);
    else
        snprintf(error->message, sizeof error->message, "out of memory for a picture");
    if (status == VGG_OK)
        status = vgg_preprocess_restore(p, input, &seen, error);
    free(input);
    vgg_image colours = {0};
    if (status == VGG_OK)
        status = vgg_image_convert(&seen, 3, &colours, error);
    vgg_image_free(&seen);
    if (status == VGG_OK)
        status = vgg_image_resize(&colours, larger.width, larger.height, VGG_FILTER_BICUBIC, image,
                                  error);
    vgg_image_free(&colours);
    return status;
}

size_t vgg_cli_seen_times(const vgg_preprocess *preprocess, size_t least) {
    size_t side = preprocess->height < preprocess->width ? preprocess->height : preprocess->width;
    return (least + side - 1) / side;
}
