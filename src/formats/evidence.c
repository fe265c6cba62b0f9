#include "formats/evidence.h"

#include "base/memory.h"

void vgg_evidence_add(vgg_evidence *evidence, vgg_clue clue) {
    if (evidence->count == evidence->capacity) {
        size_t capacity = vgg_size_max(2 * evidence->capacity, 64);
        vgg_clue *clues = vgg_realloc(evidence->clues, capacity * sizeof *clues);
        if (clues == NULL) {
            evidence->failed = true;
            return;
        }
        evidence->clues = clues;
        evidence->capacity = capacity;
    }
    evidence->clues[evidence->count++] = clue;
}

void vgg_evidence_free(vgg_evidence *evidence) {
    vgg_free(evidence->clues);
    *evidence = (vgg_evidence){0};
}

void vgg_evidence_layer(vgg_evidence *evidence, vgg_structure_layer layer) {
    vgg_evidence_add(evidence, (vgg_clue){.layer = layer});
}

void vgg_evidence_convolution(vgg_evidence *evidence, size_t outputs, size_t kernel, bool valid,
                              bool edges_known) {
    vgg_evidence_add(evidence, (vgg_clue){.layer = {.type = VGG_LAYER_CONVOLUTION,
                                                    .outputs = outputs,
                                                    .kernel = kernel,
                                                    .valid = valid && kernel == 3},
                                          .edges_known = edges_known || kernel == 1});
}

void vgg_evidence_gap(vgg_evidence *evidence, size_t modules, bool block_ends) {
    vgg_evidence_add(evidence,
                     (vgg_clue){.gap = true, .modules = modules, .block_ends = block_ends});
}

void vgg_evidence_flatten(vgg_evidence *evidence) {
    vgg_evidence_add(evidence, (vgg_clue){.flattens = true});
}

void vgg_evidence_structure(vgg_evidence *evidence, const vgg_structure *structure) {
    bool flat = false;
    for (size_t i = 0; i < structure->count; i++) {
        const vgg_structure_layer *layer = &structure->layers[i];
        if (layer->flat && !flat)
            vgg_evidence_flatten(evidence);
        flat = layer->flat;
        vgg_evidence_add(evidence, (vgg_clue){.layer = *layer, .edges_known = true});
    }
}
