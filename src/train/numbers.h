/* The numbers among the options of a training: their names, defaults and ranges, in tables. */
#ifndef VGG_TRAIN_NUMBERS_H
#define VGG_TRAIN_NUMBERS_H

#include <stddef.h>

#include "vgg/status.h"

typedef enum vgg_range {
    VGG_RANGE_POSITIVE,     /* more than 0 */
    VGG_RANGE_NOT_NEGATIVE, /* 0 or more */
    VGG_RANGE_FRACTION,     /* 0 or more and less than 1 */
    VGG_RANGE_SHARE,        /* 0 to 1 */
} vgg_range;

typedef struct vgg_setting {
    const char *name; /* in messages */
    size_t offset;    /* of a double in the options struct that the table belongs to */
    double standard;  /* its default */
    vgg_range range;
} vgg_setting;

typedef struct vgg_setting_list {
    const vgg_setting *numbers;
    size_t count;
} vgg_setting_list;

/* Sets the numbers of an options struct to their defaults. */
void vgg_settings_init(vgg_setting_list list, void *options);

/* VGG_ERROR_ARGUMENT, naming the first that is not finite or outside of its range. */
vgg_status vgg_settings_check(vgg_setting_list list, const void *options, vgg_error *error);

#endif
