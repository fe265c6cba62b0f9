/* The networks that fit what a file shows. It is taken when all that fit compute the same function;
 * else the candidates are listed with the options that choose each. */
#ifndef VGG_MODEL_CANDIDATES_H
#define VGG_MODEL_CANDIDATES_H

#include "base/text.h"
#include "formats/evidence.h"
#include "vgg/network.h"

/* What is asked: the evidence, and what the caller says of the network. */
typedef struct vgg_candidates_query {
    const char *path; /* for messages */
    const vgg_evidence *evidence;
    size_t channels;       /* of the input */
    size_t features;       /* inputs of the first linear layer */
    size_t classes;        /* outputs of the last */
    size_t norms;          /* batch normalisations */
    const char *arch;      /* as told; NULL: not told */
    vgg_layout layout;     /* as told, or unsaid */
    vgg_padding padding;   /* as told, or unsaid */
    size_t height, width;  /* of the input; 0: not known */
    const char *size_from; /* what says so, where it stands beside the weights; NULL */
    bool headless; /* no linear layer of the file says where pools are: one is wherever its names
                    * leave room for it */
    bool named_as_torchvision; /* of networks that are equal, take that with its pool */
} vgg_candidates_query;

/* What was taken. Start with {0}. */
typedef struct vgg_chosen {
    vgg_structure structure;
    size_t height, width;
    bool size_assumed;  /* nothing shows the input's size */
    bool row_assumed;   /* the pools are where those of a row of the table are */
    bool pools_assumed; /* pools that tensors leave room for are max-pools */
    bool relus_assumed; /* modules that tensors leave room for are ReLUs */
} vgg_chosen;

/* VGG_ERROR_UNSUPPORTED with the candidates where several fit or the input's size is needed;
 * VGG_ERROR_SHAPE where nothing does; VGG_ERROR_ARGUMENT for an architecture that is none. The
 * caller frees chosen->structure whatever the outcome. */
vgg_status vgg_candidates_choose(const vgg_candidates_query *query, vgg_chosen *chosen,
                                 vgg_error *error);

/* ---- shared by the sources of this ---- */

typedef struct vgg_candidate {
    vgg_structure structure;
    vgg_layout layout;
    bool valid; /* 3x3 convolutions of unknown padding have none */
    /* Sides of a square input that give the first linear layer its features; equal and those of the
     * query when they are known. */
    size_t least, most;
    bool row, pools, relus; /* as in vgg_chosen */
} vgg_candidate;

#define VGG_MOST_CANDIDATES 24

typedef struct vgg_candidate_list {
    vgg_candidate items[VGG_MOST_CANDIDATES]; /* no two compute the same */
    size_t count;
    bool more;   /* than there is room for, or than were tried */
    bool failed; /* memory ran out */
} vgg_candidate_list;

/* Adds a copy of a candidate, if it fits and there is none yet that computes the same. */
void vgg_candidates_add(const vgg_candidates_query *query, vgg_candidate_list *list,
                        vgg_candidate candidate);
void vgg_candidates_free(vgg_candidate_list *list);

/* Whether the told architecture, with the other options, needs batch_norm to have as many batch
 * normalisations as the file. */
bool vgg_candidates_batch_norm(const vgg_candidates_query *query,
                               const vgg_network_options *options);

/* All that fit. */
vgg_status vgg_candidates_find(const vgg_candidates_query *query, vgg_candidate_list *list,
                               vgg_error *error);

#endif
