/* Short sides that pictures are resized to, as options write them: "256,384,512". */
#ifndef VGG_EVAL_SCALES_H
#define VGG_EVAL_SCALES_H

#include <stdbool.h>

#include "vgg/predict.h"

/* Reads them; false when they are not written so. */
bool vgg_scales_read(const char *text, size_t sides[VGG_SCALES_MOST], size_t *count);
/* VGG_ERROR_ARGUMENT, saying what was expected. */
vgg_status vgg_scales_fail(const char *text, vgg_error *error);

#endif
