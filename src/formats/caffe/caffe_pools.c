/* Layers of a Caffe model that see pictures and have no weights. */
#include <math.h>

#include "formats/caffe/caffe.h"
#include "nn/definition.h"

static bool close_to(double found, double expected) {
    return fabs(found - expected) <= 1e-6 * expected;
}

/* That the layer may come now. */
vgg_status vgg_caffe_check_order(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, bool linear,
                                 vgg_error *error) {
    if (walk->ended)
        return vgg_caffe_fail(walk->source, layer, error,
                              "follows the Softmax, expected nothing behind it");
    if (!linear && walk->flat)
        return vgg_caffe_fail(walk->source, layer, error,
                              "stands behind the linear layers, where it is not expected");
    return VGG_OK;
}

static void add_pool(vgg_caffe_walk *walk, vgg_layer_type type) {
    walk->height /= 2;
    walk->width /= 2;
    walk->pools++;
    vgg_sequence_layer(&walk->sequence, type);
}

static const char *method_of(const Vgg__Caffe__Pooling *p) {
    if (p->global_pooling)
        return "global";
    return p->pool == 0 ? "MAX" : p->pool == 1 ? "AVE" : "STOCHASTIC";
}

vgg_status vgg_caffe_pooling(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error) {
    static const Vgg__Caffe__Pooling none = VGG__CAFFE__POOLING__INIT;
    const Vgg__Caffe__Pooling *p = layer->pooling != NULL ? layer->pooling : &none;
    vgg_status status = vgg_caffe_check_order(walk, layer, false, error);
    if (status != VGG_OK)
        return status;
    size_t kernel_h = p->has_kernel_h ? p->kernel_h : p->kernel_size;
    size_t kernel_w = p->has_kernel_w ? p->kernel_w : p->kernel_size;
    size_t stride_h = p->has_stride_h ? p->stride_h : p->stride;
    size_t stride_w = p->has_stride_w ? p->stride_w : p->stride;
    bool average = p->pool == 1;
    bool all = p->global_pooling ||
               (walk->height > 0 && kernel_h == walk->height && kernel_w == walk->width &&
                p->pad == 0 && p->pad_h == 0 && p->pad_w == 0 && p->pool < 2 && kernel_h > 2);
    if (all && p->pool < 2) {
        vgg_sequence_layer(&walk->sequence,
                           average ? VGG_LAYER_GLOBAL_AVERAGE_POOL : VGG_LAYER_GLOBAL_MAX_POOL);
        walk->flat = true;
        walk->height = walk->width = 1;
        return VGG_OK;
    }
    if (p->pool > 1 || p->global_pooling || kernel_h != 2 || kernel_w != 2 || stride_h != 2 ||
        stride_w != 2 || p->pad != 0 || p->pad_h != 0 || p->pad_w != 0)
        return vgg_caffe_fail(
            walk->source, layer, error,
            "is a pool of %zux%zu with stride %zux%zu, pad %ux%u and method %s, "
            "expected 2x2 with stride 2, pad 0 and method MAX or AVE, or a global "
            "one",
            kernel_h, kernel_w, stride_h, stride_w, p->pad > 0 ? p->pad : p->pad_h,
            p->pad > 0 ? p->pad : p->pad_w, method_of(p));
    if (walk->pools == VGG_CAFFE_MOST_POOLS)
        return vgg_caffe_fail(walk->source, layer, error, "is one more than %d pools",
                              VGG_CAFFE_MOST_POOLS);
    /* Caffe rounds up; a network here rounds down. */
    if (p->round_mode == 0 && (walk->height % 2 != 0 || walk->width % 2 != 0))
        return vgg_caffe_fail(walk->source, layer, error,
                              "rounds the size of its output up, expected down, for an input of "
                              "%zux%zu",
                              walk->height, walk->width);
    add_pool(walk, average ? VGG_LAYER_AVERAGE_POOL_2X2 : VGG_LAYER_MAX_POOL);
    return VGG_OK;
}

vgg_status vgg_caffe_response_norm(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                   vgg_error *error) {
    static const Vgg__Caffe__ResponseNorm none = VGG__CAFFE__RESPONSE_NORM__INIT;
    const Vgg__Caffe__ResponseNorm *p = layer->response_norm != NULL ? layer->response_norm : &none;
    vgg_status status = vgg_caffe_check_order(walk, layer, false, error);
    if (status != VGG_OK)
        return status;
    const unsigned size = VGG_LRN_SIZE;
    double alpha = VGG_LRN_ALPHA * size;
    if (p->local_size != size || p->norm_region != 0 || !close_to((double)p->alpha, alpha) ||
        !close_to((double)p->beta, VGG_LRN_BETA) || !close_to((double)p->k, VGG_LRN_K))
        return vgg_caffe_fail(walk->source, layer, error,
                              "has local_size %u, alpha %g, beta %g and k %g, expected %u, %g, %g "
                              "and %g across channels",
                              p->local_size, (double)p->alpha, (double)p->beta, (double)p->k, size,
                              alpha, VGG_LRN_BETA, VGG_LRN_K);
    vgg_sequence_layer(&walk->sequence, VGG_LAYER_LOCAL_RESPONSE_NORM);
    return VGG_OK;
}
