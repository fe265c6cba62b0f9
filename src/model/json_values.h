/* Reading and writing the values in a model's metadata that are JSON. Messages begin with `path`
 * and name the key. */
#ifndef VGG_MODEL_JSON_VALUES_H
#define VGG_MODEL_JSON_VALUES_H

#include "model/labels.h"
#include "vgg/image.h"
#include "vgg/status.h"

/* The text of these is freed by the caller; NULL when memory ran out. Numbers have 17 significant
 * digits, which give back the same double. */
char *vgg_json_from_number(double number);
char *vgg_json_from_preprocess(const vgg_preprocess *preprocess);
char *vgg_json_from_labels(const vgg_labels *labels);

vgg_status vgg_json_to_number(const char *path, const char *key, const char *text, double *number,
                              vgg_error *error);
vgg_status vgg_json_to_preprocess(const char *path, const char *key, const char *text,
                                  vgg_preprocess *preprocess, vgg_error *error);
vgg_status vgg_json_to_labels(const char *path, const char *key, const char *text,
                              vgg_labels *labels, vgg_error *error);

#endif
