/* Inference by the Open Inference Protocol v2, with its extensions for binary tensors and for
 * classification. */
#ifndef VGG_SERVE_INFER_H
#define VGG_SERVE_INFER_H

#include <jansson.h>

#include "cli/serve/request.h"

/* /v2/models/NAME/infer: see vgg_serve_route. */
void vgg_serve_infer_begin(vgg_serve_request *request);
bool vgg_serve_infer_prepare(vgg_serve_job *job);
void vgg_serve_infer_finish(vgg_serve_job *job);

/* The tensors that a model takes and gives. */
#define VGG_SERVE_IMAGE "image" /* encoded pictures */
#define VGG_SERVE_INPUT "input" /* what pictures become before they are computed */
typedef enum vgg_serve_output_kind {
    VGG_SERVE_PROBABILITIES,
    VGG_SERVE_LOGITS,
    VGG_SERVE_LABEL,
    VGG_SERVE_LAYER,
} vgg_serve_output_kind;
#define VGG_SERVE_OUTPUTS 3 /* beside layers */
extern const char *const vgg_serve_output_names[VGG_SERVE_OUTPUTS];

typedef struct vgg_serve_output {
    vgg_serve_output_kind kind;
    char name[VGG_LAYER_NAME]; /* as it was asked for */
    size_t classification;     /* so many classes as text; 0: the values */
    bool binary;
    /* Of a layer: its output's shape for a picture, its values, and where they begin among those
     * that the job asks for. */
    size_t dimensions, shape[3], values, begin;
} vgg_serve_output;

/* What a client asks for. */
struct vgg_serve_infer {
    json_t *id; /* NULL: none */
    vgg_serve_output outputs[VGG_SERVE_OUTPUTS + VGG_SERVE_TAPS_MOST];
    size_t count;
};
/* NULL is fine. */
void vgg_serve_infer_free(struct vgg_serve_infer *infer);

/* Makes the pictures of an input, and the outputs, of the JSON and the binary tensors behind it.
 * False: that was answered. */
bool vgg_serve_infer_read_input(vgg_serve_request *request, json_t *root, size_t json_size,
                                const float *numbers, const size_t *ends, size_t arrays);
bool vgg_serve_infer_read_outputs(vgg_serve_request *request, json_t *root);
/* Counts what layers will give for the pictures, when both are known. False: it is too much, which
 * was answered. */
bool vgg_serve_infer_count_layers(vgg_serve_request *request);

#endif
