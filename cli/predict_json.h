/* Predictions as JSON: an array with an object for each picture. */
#ifndef VGG_CLI_PREDICT_JSON_H
#define VGG_CLI_PREDICT_JSON_H

#include <stdio.h>

#include "cli/predict_output.h"

/* Whether none of the classes is likely enough. */
bool vgg_cli_predict_is_none(const vgg_cli_predict_output *output, const vgg_prediction *best,
                             size_t count);

void vgg_cli_predict_json_begin(FILE *out);
/* The predictions of one picture, of which output->written were written before. False when memory
 * ran out. */
bool vgg_cli_predict_json_picture(FILE *out, const vgg_cli_predict_output *output,
                                  const char *image, const vgg_prediction *best, size_t count);
void vgg_cli_predict_json_end(FILE *out, const vgg_cli_predict_output *output);

#endif
