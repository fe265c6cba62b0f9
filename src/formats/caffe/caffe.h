/* What the parts of the Caffe reader share. */
#ifndef VGG_FORMATS_CAFFE_CAFFE_H
#define VGG_FORMATS_CAFFE_CAFFE_H

#include <caffe.pb-c.h>

#include "formats/format.h"
#include "formats/sequence.h"

/* Far above any VGG. */
enum { VGG_CAFFE_MOST_LAYERS = 4096 };

/* More pools than this leave nothing of any input. */
enum { VGG_CAFFE_MOST_POOLS = 16 };

/* A layer of either kind of file. Parameters that it does not have are NULL. */
typedef struct vgg_caffe_layer {
    const char *name, *type; /* type: as newer files say it, "InnerProduct" */
    char *const *bottoms, *const *tops;
    size_t bottom_count, top_count, blob_count;
    Vgg__Caffe__Blob *const *blobs;
    const Vgg__Caffe__Convolution *convolution;
    const Vgg__Caffe__Linear *linear;
    const Vgg__Caffe__Pooling *pooling;
    const Vgg__Caffe__ResponseNorm *response_norm;
    const Vgg__Caffe__Relu *relu;
    const Vgg__Caffe__Dropout *dropout;
    const Vgg__Caffe__BatchNorm *batch_norm;
    const Vgg__Caffe__Scale *scale;
    const Vgg__Caffe__Input *input;
} vgg_caffe_layer;

/* The network as far as its layers have been followed. */
typedef struct vgg_caffe_walk {
    vgg_tensor_source *source;
    bool bare; /* the file has layers with weights only: their names say where the pools are */
    vgg_sequence sequence;
    const char *flow;             /* the name of what flows; NULL when it has none */
    const vgg_caffe_layer *split; /* the last Split of it, whose tops are other names of it */
    size_t height, width;         /* of what flows; 0 when unknown */
    size_t pools;                 /* so far */
    size_t channels;              /* 0 before the first convolution */
    size_t features;              /* outputs of the last linear layer; 0 before the first one */
    const vgg_caffe_layer *last;  /* a layer with weights that has no ReLU yet */
    vgg_edges edges;              /* of the last convolution */
    const vgg_caffe_layer *norm;  /* a BatchNorm whose Scale may still come */
    vgg_stored_tensor mean, variance;
    double norm_scale;
    bool flat;    /* a linear layer, or a pool of all of the picture, was passed */
    bool ended;   /* by a softmax */
    size_t block; /* of the last convolution of a bare file: 3 for conv3_1 */
} vgg_caffe_walk;

/* Goes on with the layer that follows. */
vgg_status vgg_caffe_layer_read(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                vgg_error *error);
/* Behind the last layer. */
vgg_status vgg_caffe_layers_end(vgg_caffe_walk *walk, vgg_error *error);

/* That the layer may come now. */
vgg_status vgg_caffe_check_order(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, bool linear,
                                 vgg_error *error);

/* Pools and LRN (caffe_pools.c). */
vgg_status vgg_caffe_pooling(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error);
vgg_status vgg_caffe_response_norm(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                   vgg_error *error);

/* A BatchNorm, whose figures wait for those of a Scale. */
vgg_status vgg_caffe_batch_norm(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                vgg_error *error);
vgg_status vgg_caffe_scale(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error);
/* Appends the batch normalisation that waits, with weights and biases from `scale` unless that is
 * NULL. */
vgg_status vgg_caffe_norm_end(vgg_caffe_walk *walk, const vgg_caffe_layer *scale, vgg_error *error);

/* Type, shape and values of a layer's blob; the name is left NULL. */
vgg_status vgg_caffe_blob(vgg_tensor_source *source, const vgg_caffe_layer *layer, size_t index,
                          vgg_stored_tensor *tensor, vgg_error *error);

/* The same of a vector of `count` values, in whatever shape. */
vgg_status vgg_caffe_vector(vgg_tensor_source *source, const vgg_caffe_layer *layer, size_t index,
                            size_t count, vgg_stored_tensor *tensor, vgg_error *error);

/* All blobs of all layers, as they are stored, under names such as "conv1_1[0]". */
vgg_status vgg_caffe_read_tensors(vgg_tensor_source *source, const vgg_caffe_layer *layers,
                                  size_t count, vgg_error *error);

/* Fails with "FILE: layer "NAME" (TYPE) <message>". */
vgg_status vgg_caffe_fail(const vgg_tensor_source *source, const vgg_caffe_layer *layer,
                          vgg_error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
