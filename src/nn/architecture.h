/* Architectures: the table of the paper, and reading written ones. */
#ifndef VGG_NN_ARCHITECTURE_H
#define VGG_NN_ARCHITECTURE_H

#include "vgg/network.h"

/* A word of an architecture: a convolution (kernel 3 or 1), a max-pool or an LRN. */
typedef struct vgg_arch_token {
    vgg_layer_type type;
    size_t kernel, channels; /* of a convolution */
} vgg_arch_token;

typedef struct vgg_arch_list {
    vgg_arch_token *tokens;
    size_t token_count;
    size_t *hidden; /* widths of the hidden linear layers */
    size_t hidden_count;
} vgg_arch_list;

/* Reads a name of the table or a written architecture. The caller frees both arrays. */
vgg_status vgg_arch_parse(const char *arch, vgg_arch_list *plan, vgg_error *error);

/* The table's row with these convolutions, "64,M,128"; NULL when there is none. */
const vgg_architecture *vgg_arch_row_of(const char *convolutions);

/* An architecture as vgg_network_options has it, from its convolutions and the widths of its hidden
 * layers, "/4096,4096" or "": the table's name when it is one of its rows. The caller frees it;
 * NULL when memory ran out. */
char *vgg_arch_join(const char *convolutions, const char *hidden);

/* The table's row that `arch` names, in any case, by either name; NULL when it is written. */
const vgg_architecture *vgg_arch_find(const char *arch);

#endif
