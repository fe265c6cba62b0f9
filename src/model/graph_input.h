/* What a file's graph does with its input. */
#ifndef VGG_MODEL_GRAPH_INPUT_H
#define VGG_MODEL_GRAPH_INPUT_H

#include "model/model_load.h"

/* Puts it into the preprocessing that was chosen. A preset that the caller gives is
 * VGG_ERROR_ARGUMENT where the graph takes samples of 0 to 255 and does something else with them.
 */
vgg_status vgg_loading_graph_input(vgg_loading *loading, vgg_error *error);

#endif
