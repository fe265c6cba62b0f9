/* Bodies of the kernels that move values between layouts. */
#ifndef VGG_CUDA_BODIES_LAYOUT_H
#define VGG_CUDA_BODIES_LAYOUT_H

#include "cuda/bodies.h"

/* ---- plain floats and maps ---- */

/* Where a value lies among plain floats. */
VGG_BODY size_t vgg_plain_at(const vgg_gpu_plain_task *task, size_t image, size_t channel,
                             size_t pixel) {
    if (task->blocked)
        return vgg_body_counted(1, image, pixel, channel, task->channels, task->pixels);
    return (image * task->channels + channel) * task->pixels + pixel;
}

VGG_BODY void vgg_body_take_plain(const vgg_gpu_plain_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->channels), place = unit / groups;
    size_t first = unit % groups * VGG_GPU_LANES;
    size_t image = place / task->pixels, pixel = place % task->pixels;
    float values[VGG_GPU_LANES];
    if (task->add)
        vgg_load8(task->map, task->element, unit, values);
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        size_t c = first + i;
        float value = 0;
        if (c < task->channels)
            value = task->plain[vgg_plain_at(task, image, c, pixel)] * task->factor;
        values[i] = task->add ? values[i] + value : value;
    }
    vgg_store8(task->map, task->element, unit, values);
}

VGG_BODY void vgg_body_give_plain(const vgg_gpu_plain_task *task, size_t unit) {
    size_t lanes = task->blocked
                       ? (task->channels + VGG_GPU_BLOCK - 1) / VGG_GPU_BLOCK * VGG_GPU_BLOCK
                       : task->channels;
    size_t groups = VGG_GPU_GROUPS(task->channels), all = VGG_GPU_GROUPS(lanes);
    size_t place = unit / all, group = unit % all, first = group * VGG_GPU_LANES;
    size_t image = place / task->pixels, pixel = place % task->pixels;
    float values[VGG_GPU_LANES] = {0};
    if (group < groups)
        vgg_load8(task->map, task->element, place * groups + group, values);
    for (size_t i = 0; i < VGG_GPU_LANES && first + i < lanes; i++) {
        task->plain[vgg_plain_at(task, image, first + i, pixel)] = values[i] * task->factor;
    }
}

/* ---- maps and rows ---- */

VGG_BODY void vgg_body_flatten(const vgg_gpu_flatten_task *task, size_t unit) {
    size_t features = task->channels * task->pixels, groups = VGG_GPU_GROUPS(features);
    size_t lanes = VGG_GPU_GROUPS(task->channels) * VGG_GPU_LANES;
    size_t image = unit / groups, first = unit % groups * VGG_GPU_LANES;
    float values[VGG_GPU_LANES];
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        size_t feature = first + i;
        size_t c = feature / task->pixels, pixel = feature % task->pixels;
        values[i] = 0;
        if (feature < features)
            values[i] =
                vgg_load(task->from, task->element, (image * task->pixels + pixel) * lanes + c);
    }
    vgg_store8(task->to, task->element, unit, values);
}

VGG_BODY void vgg_body_unflatten(const vgg_gpu_flatten_task *task, size_t unit) {
    size_t features = task->channels * task->pixels;
    size_t stride = VGG_GPU_GROUPS(features) * VGG_GPU_LANES;
    size_t groups = VGG_GPU_GROUPS(task->channels), place = unit / groups;
    size_t first = unit % groups * VGG_GPU_LANES;
    size_t image = place / task->pixels, pixel = place % task->pixels;
    float values[VGG_GPU_LANES];
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        size_t c = first + i;
        values[i] = 0;
        if (c < task->channels)
            values[i] =
                vgg_load(task->from, task->element, image * stride + c * task->pixels + pixel);
    }
    vgg_store8(task->to, task->element, unit, values);
}

/* ---- weights ---- */

VGG_BODY void vgg_body_pack_filter(const vgg_gpu_pack_filter_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->inputs), place = unit / groups;
    size_t first = unit % groups * VGG_GPU_LANES;
    size_t output = place / task->points, point = place % task->points;
    float values[VGG_GPU_LANES];
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        size_t c = first + i;
        values[i] = 0;
        if (output < task->outputs && c < task->inputs)
            values[i] = task->from[(output * task->inputs + c) * task->points + point] *
                        (task->scale != NULL ? task->scale[output] : 1);
    }
    vgg_store8(task->to, task->element, unit, values);
}

VGG_BODY void vgg_body_unpack_filter(const vgg_gpu_unpack_filter_task *task, size_t unit) {
    size_t lanes = VGG_GPU_GROUPS(task->inputs) * VGG_GPU_LANES;
    size_t point = unit % task->points, c = unit / task->points % task->inputs;
    size_t output = unit / task->points / task->inputs;
    size_t at = (output * task->points + point) * lanes + c;
    float value = vgg_load(task->from, task->element, at) * task->factor;
    task->to[unit] = task->add ? task->to[unit] + value : value;
}

VGG_BODY void vgg_body_pack_bias(const vgg_gpu_pack_bias_task *task, size_t unit) {
    float value = unit < task->outputs ? task->from[unit] : 0;
    if (unit < task->outputs && task->scale != NULL)
        value = value * task->scale[unit] + task->shift[unit];
    task->to[unit] = value;
}

VGG_BODY void vgg_body_pack_rows(const vgg_gpu_pack_rows_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->columns), row = unit / groups;
    size_t first = unit % groups * VGG_GPU_LANES;
    float values[VGG_GPU_LANES];
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        size_t column = first + i;
        values[i] = column < task->columns ? task->from[row * task->columns + column] : 0;
    }
    vgg_store8(task->to, task->element, unit, values);
}

#endif
