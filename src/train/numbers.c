#include "train/numbers.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"

void vgg_settings_init(vgg_setting_list list, void *options) {
    for (size_t i = 0; i < list.count; i++) {
        const vgg_setting *number = &list.numbers[i];
        memcpy((char *)options + number->offset, &number->standard, sizeof number->standard);
    }
}

static const char *const expectations[] = {
    [VGG_RANGE_POSITIVE] = "more than 0",
    [VGG_RANGE_NOT_NEGATIVE] = "0 or more",
    [VGG_RANGE_FRACTION] = "0 or more and less than 1",
    [VGG_RANGE_SHARE] = "0 to 1",
};

static bool in_range(double value, vgg_range range) {
    switch (range) {
    case VGG_RANGE_POSITIVE:
        return isfinite(value) && value > 0;
    case VGG_RANGE_NOT_NEGATIVE:
        return isfinite(value) && value >= 0;
    case VGG_RANGE_FRACTION:
        return value >= 0 && value < 1;
    case VGG_RANGE_SHARE:
        return value >= 0 && value <= 1;
    }
    return false;
}

vgg_status vgg_settings_check(vgg_setting_list list, const void *options, vgg_error *error) {
    for (size_t i = 0; i < list.count; i++) {
        const vgg_setting *number = &list.numbers[i];
        double value;
        memcpy(&value, (const char *)options + number->offset, sizeof value);
        if (!in_range(value, number->range))
            return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s %g, expected %s", number->name, value,
                            expectations[number->range]);
    }
    return VGG_OK;
}
