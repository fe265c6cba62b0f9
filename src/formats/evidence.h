/* What a file shows of its network: layers in the order in which data flows, and between them gaps
 * of which the file says at most how many modules without tensors stand there. A reader whose file
 * holds a graph leaves no gaps. What may stand in gaps is found elsewhere (candidates.h). */
#ifndef VGG_FORMATS_EVIDENCE_H
#define VGG_FORMATS_EVIDENCE_H

#include "nn/structure.h"

/* A gap of which not even the number of modules is known. */
#define VGG_ANY_MODULES ((size_t)-1)

typedef struct vgg_clue {
    bool gap;                  /* else a layer */
    vgg_structure_layer layer; /* `flat` is set by who makes a structure of it */
    bool edges_known;          /* of a convolution: layer.valid is what the file says */
    bool flattens;             /* instead of a layer: what flows is flattened here, which a
                                * structure does not list */
    size_t modules;            /* of a gap: how many without tensors, or VGG_ANY_MODULES */
    bool block_ends;           /* of a gap: the names of a block of layers end here */
} vgg_clue;

/* Start with {0}. */
typedef struct vgg_evidence {
    vgg_clue *clues;
    size_t count, capacity;
    bool whole;         /* there are no gaps: the file has the whole graph */
    bool blocks;        /* gaps say where blocks end */
    bool pools_counted; /* there are so many pools in the gaps; all of them are averages: */
    size_t pools;
    bool averages;
    bool relus_assumed;  /* the ReLUs are those that such a file usually means */
    bool dropouts_known; /* all dropouts are listed; else a file may have left them out */
    bool failed;         /* memory ran out for a clue: callers check once, at the end */
} vgg_evidence;

void vgg_evidence_add(vgg_evidence *evidence, vgg_clue clue);
void vgg_evidence_free(vgg_evidence *evidence);

/* All layers of a structure, none of them in doubt. */
void vgg_evidence_structure(vgg_evidence *evidence, const vgg_structure *structure);

/* Common clues. */
void vgg_evidence_layer(vgg_evidence *evidence, vgg_structure_layer layer);
void vgg_evidence_convolution(vgg_evidence *evidence, size_t outputs, size_t kernel, bool valid,
                              bool edges_known);
void vgg_evidence_gap(vgg_evidence *evidence, size_t modules, bool block_ends);
void vgg_evidence_flatten(vgg_evidence *evidence);

#endif
