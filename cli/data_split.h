/* What the training of a model set aside. */
#ifndef VGG_CLI_DATA_SPLIT_H
#define VGG_CLI_DATA_SPLIT_H

#include <stdbool.h>

#include "vgg/model.h"

#define VGG_CLI_SPLIT_NOTE "split"
#define VGG_CLI_SPLIT_SIZE 128

/* The record that the model carries, for vgg_dataset_options.split: "none" when the training set
 * nothing aside, NULL when nothing is known. Models of vgg 0.1.0 carry the options of their
 * training, from which it is made in the buffer. To continue the run, `resume`, a test part is what
 * it was to that version. */
const char *vgg_cli_recorded_split(const vgg_model *model, bool resume,
                                   char buffer[VGG_CLI_SPLIT_SIZE]);

#endif
