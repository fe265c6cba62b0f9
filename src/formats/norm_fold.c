#include "formats/norm_fold.h"

#include <math.h>

#include "base/error.h"
#include "nn/definition.h"
#include "nn/network.h"

/* Moves the values of a vector, as floats, into memory of the source; *values is where. */
static vgg_status take_values(vgg_tensor_source *source, vgg_stored_tensor *vector, float **values,
                              vgg_error *error) {
    void *memory;
    vgg_status status = vgg_tensor_source_memory(source, vector->count * sizeof(float),
                                                 "figures of batch normalisation", &memory, error);
    if (status != VGG_OK)
        return status;
    vgg_elements_to_float(vector->type->element, vector->bytes, vector->count, memory);
    vector->type = vgg_element_type_named("F32");
    vector->bytes = memory;
    *values = memory;
    return VGG_OK;
}

vgg_status vgg_norm_fold(vgg_tensor_source *source, const char *layer, const vgg_norm_rule *rule,
                         vgg_stored_tensor figures[4], vgg_error *error) {
    if (rule->scale == 1 && rule->inside == VGG_BATCH_NORM_EPSILON && rule->outside == 0)
        return VGG_OK;
    float *weight, *mean, *variance;
    vgg_status status = take_values(source, &figures[VGG_TENSOR_WEIGHT], &weight, error);
    if (status == VGG_OK)
        status = take_values(source, &figures[VGG_TENSOR_MEAN], &mean, error);
    if (status == VGG_OK)
        status = take_values(source, &figures[VGG_TENSOR_VARIANCE], &variance, error);
    if (status != VGG_OK)
        return status;
    for (size_t c = 0; c < figures[VGG_TENSOR_VARIANCE].count; c++) {
        double real = (double)variance[c] * rule->scale;
        double divisor = sqrt(real + rule->inside) + rule->outside;
        if (!(divisor > 0) || !isfinite(divisor))
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: the variance of channel %zu of %s is %g, expected a finite number "
                            "from 0 on",
                            source->path, c, layer, real);
        double folded = divisor * divisor - VGG_BATCH_NORM_EPSILON;
        mean[c] = (float)((double)mean[c] * rule->scale);
        variance[c] = (float)(folded < 0 ? fmax(real, 0) : folded);
        if (folded < 0)
            weight[c] = (float)((double)weight[c] *
                                sqrt((double)variance[c] + VGG_BATCH_NORM_EPSILON) / divisor);
    }
    return VGG_OK;
}
