/* Batch normalisation as an op: the kernels sum per image and channel block, and the figures per
 * channel are put together here, in double and in the order of the images. */
#include <math.h>

#include "nn/definition.h"
#include "nn/ops.h"

/* The four tensors of a batch norm layer. */
static const vgg_tensor *tensors_of(const vgg_plan *plan, size_t layer) {
    return plan->network->tensors + plan->network->layers[layer].first_tensor;
}

static void from_running(const vgg_plan *plan, size_t layer, float *scale, float *shift) {
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

static vgg_batch_norm_task task_of(const vgg_plan *plan, const vgg_cpu_op *op) {
    float *constants = plan->constants;
    return (vgg_batch_norm_task){.images = plan->count,
                                 .channels = op->graph.in.channels,
                                 .pixels = op->graph.in.height * op->graph.in.width,
                                 .width = op->graph.in.width,
                                 .chosen = vgg_plan_buffer(plan, op->chosen),
                                 .x = vgg_plan_buffer(plan, op->x),
                                 .scale = constants + op->scale,
                                 .shift = constants + op->shift,
                                 .relu = op->graph.relu,
                                 .stream = vgg_plan_streams(plan, op->x),
                                 .y = vgg_plan_buffer(plan, op->y),
                                 .sums = constants + op->sums,
                                 .mean = constants + op->mean,
                                 .dy = vgg_plan_buffer(plan, op->dy),
                                 .from_dy = constants + op->from_dy,
                                 .from_x = constants + op->from_x,
                                 .constant = constants + op->constant,
                                 .dx = vgg_plan_buffer(plan, op->dx)};
}

static size_t units_of(const vgg_batch_norm_task *task) {
    return task->images * vgg_blocks(task->channels);
}

/* What is done per channel between two kernels. Unit: a block of channels. */
typedef struct channels_work {
    vgg_plan *plan;
    const vgg_cpu_op *op;
    const vgg_batch_norm_task *task;
} channels_work;

/* The kernel's figure `which` (0 or 1) of the channels of a block in an image. */
static const float *sums_at(const vgg_batch_norm_task *task, size_t image, size_t block,
                            size_t which) {
    return task->sums + ((image * vgg_blocks(task->channels) + block) * 2 + which) * VGG_BLOCK;
}

/* ---- forward ---- */

/* Mean and sum of squared distances over all images, from those of each (Chan, Golub, LeVeque
 * 1983), of the channels of a block. */
static void combine(const vgg_batch_norm_task *task, size_t block, double mean[VGG_BLOCK],
                    double square[VGG_BLOCK]) {
    for (size_t i = 0; i < VGG_BLOCK; i++) {
        mean[i] = square[i] = 0;
    }
    for (size_t n = 0; n < task->images; n++) {
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            mean[i] += (double)sums_at(task, n, block, 0)[i] / (double)task->images;
        }
    }
    for (size_t n = 0; n < task->images; n++) {
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            double distance = (double)sums_at(task, n, block, 0)[i] - mean[i];
            square[i] +=
                (double)sums_at(task, n, block, 1)[i] + (double)task->pixels * distance * distance;
        }
    }
}

static void update_running(float *running, double value) {
    *running =
        (float)((1 - VGG_BATCH_NORM_MOMENTUM) * (double)*running + VGG_BATCH_NORM_MOMENTUM * value);
}

/* Scale and shift from the statistics of the batch; they also move the running ones. */
static void use_batch_statistics(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const channels_work *work = context;
    const vgg_batch_norm_task *task = work->task;
    const vgg_cpu_op *op = work->op;
    const vgg_tensor *tensors = tensors_of(work->plan, op->graph.layer);
    float *constants = work->plan->constants;
    double count = (double)(task->images * task->pixels);
    double means[VGG_BLOCK], squares[VGG_BLOCK];
    for (size_t c = begin * VGG_BLOCK; c < vgg_size_min(end * VGG_BLOCK, task->channels); c++) {
        if (c % VGG_BLOCK == 0)
            combine(task, c / VGG_BLOCK, means, squares);
        double mean = means[c % VGG_BLOCK], square = squares[c % VGG_BLOCK];
        double inverse = 1 / sqrt(square / count + VGG_BATCH_NORM_EPSILON);
        double factor = (double)tensors[VGG_TENSOR_WEIGHT].values[c] * inverse;
        constants[op->mean + c] = (float)mean;
        constants[op->deviation + c] = (float)inverse;
        constants[op->scale + c] = (float)factor;
        constants[op->shift + c] =
            (float)((double)tensors[VGG_TENSOR_BIAS].values[c] - mean * factor);
        update_running((float *)tensors[VGG_TENSOR_MEAN].owned + c, mean);
        update_running((float *)tensors[VGG_TENSOR_VARIANCE].owned + c, square / (count - 1));
    }
}

static void use_running_statistics(vgg_plan *plan, const vgg_cpu_op *op,
                                   const vgg_batch_norm_task *task) {
    const vgg_tensor *tensors = tensors_of(plan, op->graph.layer);
    float *constants = plan->constants;
    from_running(plan, op->graph.layer, constants + op->scale, constants + op->shift);
    for (size_t c = 0; c < task->channels; c++) {
        constants[op->mean + c] = tensors[VGG_TENSOR_MEAN].values[c];
        constants[op->deviation + c] =
            (float)(1 /
                    sqrt((double)tensors[VGG_TENSOR_VARIANCE].values[c] + VGG_BATCH_NORM_EPSILON));
    }
}

void vgg_op_norm_forward(vgg_plan *plan, const vgg_cpu_op *op) {
    vgg_batch_norm_task task = task_of(plan, op);
    if (plan->mode == VGG_MODE_TRAIN && op->graph.trains) {
        vgg_threads_run(plan->threads, units_of(&task), plan->kernels->batch_norm_statistics,
                        &task);
        channels_work work = {plan, op, &task};
        vgg_threads_run(plan->threads, vgg_blocks(task.channels), use_batch_statistics, &work);
    } else
        use_running_statistics(plan, op, &task);
    const vgg_kernels *kernels = plan->kernels;
    vgg_threads_run(plan->threads, units_of(&task),
                    op->graph.pool ? kernels->batch_norm_pool : kernels->batch_norm, &task);
}

/* ---- backward ---- */

/* The sums of dy and dy (x - mean) over all images of the channels of a block. */
static void add_images(const vgg_batch_norm_task *task, size_t block, double totals[VGG_BLOCK],
                       double products[VGG_BLOCK]) {
    for (size_t n = 0; n < task->images; n++) {
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            totals[i] += (double)sums_at(task, n, block, 0)[i];
            products[i] += (double)sums_at(task, n, block, 1)[i];
        }
    }
}

/* With M values per channel, deviation s and g = gamma / s, and sums over those values:
 *   dbeta = sum dy;  dgamma = sum dy (x - mean) / s
 *   dx = g dy - g (sum dy) / M - g (x - mean) / s^2 (sum dy (x - mean)) / M
 * (Ioffe & Szegedy 2015). With running statistics only the first term of dx is left. */
static void use_sums(const channels_work *work, size_t block) {
    const vgg_plan *plan = work->plan;
    const vgg_cpu_op *op = work->op;
    const vgg_batch_norm_task *task = work->task;
    bool trains = op->graph.trains, adds = vgg_plan_accumulates(plan);
    bool batch_statistics = trains && plan->mode == VGG_MODE_TRAIN;
    size_t first = plan->network->layers[op->graph.layer].first_tensor;
    float *constants = plan->constants;
    double count = (double)(task->images * task->pixels);
    double totals[VGG_BLOCK] = {0}, products[VGG_BLOCK] = {0};
    if (trains)
        add_images(task, block, totals, products);
    size_t end = vgg_size_min((block + 1) * VGG_BLOCK, task->channels);
    for (size_t c = block * VGG_BLOCK; c < end; c++) {
        double total = totals[c % VGG_BLOCK], product = products[c % VGG_BLOCK];
        double inverse = (double)constants[op->deviation + c];
        double factor = (double)constants[op->scale + c];
        if (trains) {
            float *gradients = plan->gradients_of + c;
            float *dgamma = gradients + plan->gradient_offsets[first + VGG_TENSOR_WEIGHT];
            float *dbeta = gradients + plan->gradient_offsets[first + VGG_TENSOR_BIAS];
            *dbeta = (float)total + (adds ? *dbeta : 0);
            *dgamma = (float)(product * inverse) + (adds ? *dgamma : 0);
        }
        constants[op->from_dy + c] = (float)factor;
        constants[op->from_x + c] =
            batch_statistics ? (float)(-factor * inverse * inverse * product / count) : 0;
        constants[op->constant + c] = batch_statistics ? (float)(-factor * total / count) : 0;
    }
}

static void use_sums_of_blocks(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t block = begin; block < end; block++) {
        use_sums(context, block);
    }
}

void vgg_op_norm_backward(vgg_plan *plan, const vgg_cpu_op *op) {
    vgg_batch_norm_task task = task_of(plan, op);
    channels_work work = {plan, op, &task};
    const vgg_kernels *kernels = plan->kernels;
    vgg_work *sums = op->graph.pool ? kernels->batch_norm_pool_sums : kernels->batch_norm_sums;
    vgg_work *backward =
        op->graph.pool ? kernels->batch_norm_pool_backward : kernels->batch_norm_backward;
    if (op->graph.trains)
        vgg_threads_run(plan->threads, units_of(&task), sums, &task);
    vgg_threads_run(plan->threads, vgg_blocks(task.channels), use_sums_of_blocks, &work);
    if (op->graph.need_dx)
        vgg_threads_run(plan->threads, units_of(&task), backward, &task);
}

void vgg_op_fold_norm(vgg_plan *plan, const vgg_cpu_op *op) {
    from_running(plan, op->graph.folded, plan->constants + op->scale, plan->constants + op->shift);
}
