/* The table of the paper, and names. */
#ifndef VGG_NN_ARCHITECTURE_H
#define VGG_NN_ARCHITECTURE_H

#include "vgg/network.h"

/* The hidden linear layers of every row. */
#define VGG_ARCH_HIDDEN "4096,4096"

/* An architecture as vgg_network_options has it, from its convolutions and the widths of its hidden
 * layers, "/4096,4096" or "": the table's name when it is one of its rows. The caller frees it;
 * NULL when memory ran out. */
char *vgg_arch_join(const char *convolutions, const char *hidden);

/* The table's row that `arch` names, in any case, by either name; NULL when it is written. */
const vgg_architecture *vgg_arch_find(const char *arch);

#endif
