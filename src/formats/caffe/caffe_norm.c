/* Batch normalisation of a Caffe model: a BatchNorm, which has sums of means and variances, and a
 * Scale, which has the weights and biases. */
#include <math.h>

#include "formats/caffe/caffe.h"
#include "formats/norm_fold.h"
#include "nn/definition.h"
#include "nn/network.h"

vgg_status vgg_caffe_batch_norm(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                vgg_error *error) {
    size_t count = walk->features > 0 ? walk->features : walk->channels;
    if (count == 0)
        return vgg_caffe_fail(walk->source, layer, error,
                              "does not follow a Convolution or an InnerProduct");
    vgg_stored_tensor factor;
    vgg_status status = vgg_caffe_vector(walk->source, layer, 0, count, &walk->mean, error);
    if (status == VGG_OK)
        status = vgg_caffe_vector(walk->source, layer, 1, count, &walk->variance, error);
    if (status == VGG_OK)
        status = vgg_caffe_vector(walk->source, layer, 2, 1, &factor, error);
    if (status != VGG_OK)
        return status;
    /* Mean and variance are sums that this number belongs to. */
    float sum;
    vgg_elements_to_float(factor.type->element, factor.bytes, 1, &sum);
    if (!isfinite(sum))
        return vgg_caffe_fail(walk->source, layer, error,
                              "has the factor %g, expected a finite number", (double)sum);
    walk->norm_scale = sum == 0 ? 0 : 1 / (double)sum;
    walk->norm = layer;
    return VGG_OK;
}

vgg_status vgg_caffe_norm_end(vgg_caffe_walk *walk, const vgg_caffe_layer *scale,
                              vgg_error *error) {
    const vgg_caffe_layer *norm = walk->norm;
    vgg_tensor_source *source = walk->source;
    size_t count = walk->features > 0 ? walk->features : walk->channels;
    vgg_stored_tensor figures[4] = {
        [VGG_TENSOR_MEAN] = walk->mean, [VGG_TENSOR_VARIANCE] = walk->variance};
    walk->norm = NULL;
    vgg_status status;
    if (scale == NULL)
        status = vgg_tensor_source_vector(source, count, 1, "a weight of ones", &figures[0], error);
    else
        status = vgg_caffe_vector(source, scale, 0, count, &figures[0], error);
    if (status == VGG_OK && (scale == NULL || scale->blob_count == 1))
        status = vgg_tensor_source_vector(source, count, 0, "a bias of zeros", &figures[1], error);
    else if (status == VGG_OK)
        status = vgg_caffe_vector(source, scale, 1, count, &figures[1], error);
    vgg_norm_rule rule = {walk->norm_scale, VGG_BATCH_NORM_EPSILON, 0};
    if (norm->batch_norm != NULL && norm->batch_norm->has_eps &&
        fabs((double)norm->batch_norm->eps - VGG_BATCH_NORM_EPSILON) >
            1e-6 * VGG_BATCH_NORM_EPSILON)
        rule.inside = (double)norm->batch_norm->eps;
    if (status == VGG_OK)
        status = vgg_norm_fold(source, norm->name, &rule, figures, error);
    return status == VGG_OK ? vgg_sequence_batch_norm(&walk->sequence, figures, error) : status;
}

vgg_status vgg_caffe_scale(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error) {
    if (walk->norm == NULL)
        return vgg_caffe_fail(walk->source, layer, error, "does not follow a BatchNorm");
    if (layer->scale != NULL && (layer->scale->axis != 1 || layer->scale->num_axes != 1))
        return vgg_caffe_fail(walk->source, layer, error,
                              "has axis %d and num_axes %d, expected 1 and 1",
                              (int)layer->scale->axis, (int)layer->scale->num_axes);
    return vgg_caffe_norm_end(walk, layer, error);
}
