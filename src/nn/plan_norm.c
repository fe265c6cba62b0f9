/* Batch normalisation as a step: the kernels sum per image and channel block, and the figures per
 * channel are put together here, in double and in the order of the images. */
#include <math.h>

#include "nn/plan.h"

/* The four tensors of a batch norm layer. */
static const vgg_tensor *tensors_of(const vgg_plan *plan, size_t layer) {
    return plan->network->tensors + plan->network->layers[layer].first_tensor;
}

void vgg_batch_norm_from_running(vgg_plan *plan, size_t layer, float *scale, float *shift) {
    const vgg_tensor *tensors = tensors_of(plan, layer);
    for (size_t c = 0; c < plan->network->layers[layer].output.channels; c++) {
        double deviation =
            sqrt((double)tensors[VGG_TENSOR_VARIANCE].values[c] + VGG_BATCH_NORM_EPSILON);
        double factor = (double)tensors[VGG_TENSOR_WEIGHT].values[c] / deviation;
        scale[c] = (float)factor;
        shift[c] = (float)((double)tensors[VGG_TENSOR_BIAS].values[c] -
                           (double)tensors[VGG_TENSOR_MEAN].values[c] * factor);
    }
}

static vgg_batch_norm_task task_of(const vgg_plan *plan, const vgg_step *step) {
    float *constants = plan->constants;
    return (vgg_batch_norm_task){.images = plan->count,
                                 .channels = step->in.channels,
                                 .pixels = step->in.height * step->in.width,
                                 .x = vgg_plan_buffer(plan, step->x),
                                 .scale = constants + step->scale,
                                 .shift = constants + step->shift,
                                 .relu = step->relu,
                                 .y = vgg_plan_buffer(plan, step->y),
                                 .sums = constants + step->sums,
                                 .mean = constants + step->mean,
                                 .dy = vgg_plan_buffer(plan, step->dy),
                                 .from_dy = constants + step->from_dy,
                                 .from_x = constants + step->from_x,
                                 .constant = constants + step->constant,
                                 .dx = vgg_plan_buffer(plan, step->dx)};
}

static size_t units_of(const vgg_batch_norm_task *task) {
    return task->images * vgg_blocks(task->channels);
}

/* The kernel's figure `which` (0 or 1) of a channel in an image. */
static double sum_at(const vgg_batch_norm_task *task, size_t image, size_t c, size_t which) {
    size_t unit = image * vgg_blocks(task->channels) + c / VGG_BLOCK;
    return (double)task->sums[(unit * 2 + which) * VGG_BLOCK + c % VGG_BLOCK];
}

/* ---- forward
 * ---------------------------------------------------------------------------------------------- */

/* Mean and sum of squared distances over all images, from those of each (Chan, Golub, LeVeque
 * 1983). */
static void combine(const vgg_batch_norm_task *task, size_t c, double *mean, double *square) {
    *mean = 0;
    *square = 0;
    for (size_t n = 0; n < task->images; n++)
        *mean += sum_at(task, n, c, 0) / (double)task->images;
    for (size_t n = 0; n < task->images; n++) {
        double distance = sum_at(task, n, c, 0) - *mean;
        *square += sum_at(task, n, c, 1) + (double)task->pixels * distance * distance;
    }
}

static void update_running(float *running, double value) {
    *running =
        (float)((1 - VGG_BATCH_NORM_MOMENTUM) * (double)*running + VGG_BATCH_NORM_MOMENTUM * value);
}

/* Scale and shift from the statistics of the batch; they also move the running ones. */
static void use_batch_statistics(vgg_plan *plan, const vgg_step *step,
                                 const vgg_batch_norm_task *task) {
    const vgg_tensor *tensors = tensors_of(plan, step->layer);
    float *constants = plan->constants;
    double count = (double)(task->images * task->pixels);
    for (size_t c = 0; c < task->channels; c++) {
        double mean, square;
        combine(task, c, &mean, &square);
        double inverse = 1 / sqrt(square / count + VGG_BATCH_NORM_EPSILON);
        double factor = (double)tensors[VGG_TENSOR_WEIGHT].values[c] * inverse;
        constants[step->mean + c] = (float)mean;
        constants[step->deviation + c] = (float)inverse;
        constants[step->scale + c] = (float)factor;
        constants[step->shift + c] =
            (float)((double)tensors[VGG_TENSOR_BIAS].values[c] - mean * factor);
        update_running((float *)tensors[VGG_TENSOR_MEAN].owned + c, mean);
        update_running((float *)tensors[VGG_TENSOR_VARIANCE].owned + c, square / (count - 1));
    }
}

static void use_running_statistics(vgg_plan *plan, const vgg_step *step,
                                   const vgg_batch_norm_task *task) {
    const vgg_tensor *tensors = tensors_of(plan, step->layer);
    float *constants = plan->constants;
    vgg_batch_norm_from_running(plan, step->layer, constants + step->scale,
                                constants + step->shift);
    for (size_t c = 0; c < task->channels; c++) {
        constants[step->mean + c] = tensors[VGG_TENSOR_MEAN].values[c];
        constants[step->deviation + c] =
            (float)(1 /
                    sqrt((double)tensors[VGG_TENSOR_VARIANCE].values[c] + VGG_BATCH_NORM_EPSILON));
    }
}

void vgg_batch_norm_forward(vgg_plan *plan, const vgg_step *step) {
    vgg_batch_norm_task task = task_of(plan, step);
    if (plan->mode == VGG_MODE_TRAIN && vgg_plan_trains(plan, step)) {
        vgg_pool_run(plan->pool, units_of(&task), plan->kernels->batch_norm_statistics, &task);
        use_batch_statistics(plan, step, &task);
    } else
        use_running_statistics(plan, step, &task);
    vgg_pool_run(plan->pool, units_of(&task), plan->kernels->batch_norm, &task);
}

/* ---- backward
 * --------------------------------------------------------------------------------------------- */

/* With M values per channel, deviation s and g = gamma / s, and sums over those values:
 *   dbeta = sum dy;  dgamma = sum dy (x - mean) / s
 *   dx = g dy - g (sum dy) / M - g (x - mean) / s^2 (sum dy (x - mean)) / M
 * (Ioffe & Szegedy 2015). With running statistics only the first term of dx is left. */
void vgg_batch_norm_backward(vgg_plan *plan, const vgg_step *step) {
    vgg_batch_norm_task task = task_of(plan, step);
    bool trains = vgg_plan_trains(plan, step), adds = vgg_plan_accumulates(plan);
    bool batch_statistics = trains && plan->mode == VGG_MODE_TRAIN;
    if (trains)
        vgg_pool_run(plan->pool, units_of(&task), plan->kernels->batch_norm_sums, &task);
    size_t first = plan->network->layers[step->layer].first_tensor;
    float *dgamma = NULL, *dbeta = NULL;
    if (trains) {
        dgamma = plan->gradients_of + plan->gradient_offsets[first + VGG_TENSOR_WEIGHT];
        dbeta = plan->gradients_of + plan->gradient_offsets[first + VGG_TENSOR_BIAS];
    }
    float *constants = plan->constants;
    double count = (double)(task.images * task.pixels);
    for (size_t c = 0; c < task.channels; c++) {
        double total = 0, product = 0;
        for (size_t n = 0; trains && n < task.images; n++) {
            total += sum_at(&task, n, c, 0);
            product += sum_at(&task, n, c, 1);
        }
        double inverse = (double)constants[step->deviation + c];
        double factor = (double)constants[step->scale + c];
        if (trains) {
            dbeta[c] = (float)total + (adds ? dbeta[c] : 0);
            dgamma[c] = (float)(product * inverse) + (adds ? dgamma[c] : 0);
        }
        constants[step->from_dy + c] = (float)factor;
        constants[step->from_x + c] =
            batch_statistics ? (float)(-factor * inverse * inverse * product / count) : 0;
        constants[step->constant + c] = batch_statistics ? (float)(-factor * total / count) : 0;
    }
    if (step->need_dx)
        vgg_pool_run(plan->pool, units_of(&task), plan->kernels->batch_norm_backward, &task);
}
