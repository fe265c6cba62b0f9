/* How predictions are written down: text, JSON or CSV. */
#ifndef VGG_CLI_PREDICT_OUTPUT_H
#define VGG_CLI_PREDICT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/predict.h"

typedef enum vgg_cli_predict_format {
    VGG_CLI_PREDICT_TEXT,
    VGG_CLI_PREDICT_JSON,
    VGG_CLI_PREDICT_CSV,
} vgg_cli_predict_format;

typedef struct vgg_cli_predict_output {
    vgg_cli_predict_format format;
    bool logits;      /* the values before softmax in place of probabilities */
    bool multi_label; /* each class has a probability of its own */
    double minimum;   /* below it the likeliest class is none; 0: never */
    size_t written;   /* pictures so far */
} vgg_cli_predict_output;

void vgg_cli_predict_begin(const vgg_cli_predict_output *output);
/* Writes the predictions of one picture, most likely first, as soon as they are there. False when
 * memory ran out or standard output takes no more, which is complained about. */
bool vgg_cli_predict_write(vgg_cli_predict_output *output, const char *image,
                           const vgg_prediction *best, size_t count);
void vgg_cli_predict_end(const vgg_cli_predict_output *output);

#endif
