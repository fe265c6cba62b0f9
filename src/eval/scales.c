#include "eval/scales.h"

#include <stdlib.h>

#include "base/error.h"

bool vgg_scales_read(const char *text, size_t sides[VGG_SCALES_MOST], size_t *count) {
    *count = 0;
    for (const char *at = text;;) {
        char *end;
        unsigned long side = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
        if (side == 0 || side > VGG_IMAGE_MAX_SIDE || (*end != ',' && *end != '\0') ||
            *count == VGG_SCALES_MOST)
            return false;
        sides[(*count)++] = side;
        if (*end == '\0')
            return true;
        at = end + 1;
    }
}

vgg_status vgg_scales_fail(const char *text, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "scales \"%.64s\": expected up to %d sizes from 1 to %d with commas between "
                    "them",
                    text, VGG_SCALES_MOST, VGG_IMAGE_MAX_SIDE);
}
