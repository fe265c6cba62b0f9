/* Lines about a model that several commands print. */
#ifndef VGG_CLI_MODEL_FACTS_H
#define VGG_CLI_MODEL_FACTS_H

#include "vgg/model.h"

/* "network   D, torchvision layout, 3x224x224, 1000 classes". */
void vgg_cli_print_network(const vgg_network_options *network);

#define VGG_CLI_FIT_SIZE 96
/* "cut out of pictures with short side 256": how a picture gets the input's size. */
const char *vgg_cli_fit_text(char buffer[VGG_CLI_FIT_SIZE], const vgg_preprocess *preprocess);

/* "pictures  caffe ...": how they become inputs, or that this is not known; preprocess may be NULL.
 */
void vgg_cli_print_pictures(const vgg_preprocess *preprocess, vgg_origin origin,
                            const char *format);

/* Two lines under it: what becomes of a sample, and what of the picture. */
void vgg_cli_print_manner(const vgg_preprocess *preprocess);

#endif
