#include "kernels/ref/ref.h"

void vgg_linear_forward_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_linear_bf16_operands_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_linear_bf16_forward_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_linear_input_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_linear_weights_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_linear_update_ref(void *argument, size_t begin, size_t end, size_t worker);

static double same(double value) {
    return value;
}

static double rounded(double value) {
    uint16_t number = vgg_bf16_of((float)value);
    return vgg_weight_value(VGG_ELEMENT_BFLOAT16, &number, 0);
}

/* y[n][o] = sum over i of x[n][i] w[o][i], * scales[o] if any, + bias[o] */
static void forward(const vgg_linear_task *task, size_t begin, size_t end,
                    double (*operand)(double)) {
    for (size_t o = begin * VGG_LINEAR_OUTPUTS;
         o < vgg_size_min(end * VGG_LINEAR_OUTPUTS, task->outputs); o++) {
        for (size_t n = 0; n < task->images; n++) {
            double sum = 0;
            for (size_t i = 0; i < task->inputs; i++) {
                sum +=
                    operand((double)task->x[n * task->inputs + i]) *
                    operand(vgg_weight_value(task->element, task->weights, o * task->inputs + i));
            }
            sum =
                sum * (task->scales != NULL ? (double)task->scales[o] : 1) + (double)task->bias[o];
            task->y[n * task->outputs + o] = (float)(task->relu && sum < 0 ? 0 : sum);
        }
    }
}

void vgg_linear_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    forward(argument, begin, end, same);
}

/* ref reads x. */
void vgg_linear_bf16_operands_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)argument, (void)begin, (void)end, (void)worker;
}

void vgg_linear_bf16_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    forward(argument, begin, end, rounded);
}

/* dx[n][i] = sum over o of dy[n][o] w[o][i] */
void vgg_linear_input_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    for (size_t i = begin * VGG_LINEAR_INPUTS;
         i < vgg_size_min(end * VGG_LINEAR_INPUTS, task->inputs); i++) {
        for (size_t n = 0; n < task->images; n++) {
            double sum = 0;
            for (size_t o = 0; o < task->outputs; o++) {
                sum += (double)task->dy[n * task->outputs + o] *
                       (double)((const float *)task->weights)[o * task->inputs + i];
            }
            task->dx[n * task->inputs + i] = (float)sum;
        }
    }
}

/* dw[o][i] = sum over n of dy[n][o] x[n][i], db[o] = sum over n of dy[n][o] */
void vgg_linear_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    for (size_t o = begin * VGG_LINEAR_OUTPUTS;
         o < vgg_size_min(end * VGG_LINEAR_OUTPUTS, task->outputs); o++) {
        double bias = task->accumulate ? (double)task->dbias[o] : 0;
        for (size_t n = 0; n < task->images; n++) {
            bias += (double)task->dy[n * task->outputs + o];
        }
        task->dbias[o] = (float)bias;
        for (size_t i = 0; i < task->inputs; i++) {
            float *dw = task->dweights + o * task->inputs + i;
            double sum = task->accumulate ? (double)*dw : 0;
            for (size_t n = 0; n < task->images; n++) {
                sum +=
                    (double)task->dy[n * task->outputs + o] * (double)task->x[n * task->inputs + i];
            }
            *dw = (float)sum;
        }
    }
}

/* Value (row, column) of a matrix in panels. */
static double panel_value(const float *panels, size_t rows, size_t width, size_t row,
                          size_t column) {
    return (double)panels[(column / width * rows + row) * width + column % width];
}

static void update(const vgg_linear_update_task *task, double gradient, float *value,
                   float *velocity) {
    double g = gradient + (double)task->decay * (double)*value;
    double v = (double)task->momentum * (double)*velocity + g;
    *velocity = (float)v;
    double step = task->nesterov ? g + (double)task->momentum * v : v;
    *value = (float)((double)*value - (double)task->rate * step);
}

/* dw[o][i] and db[o] as above, then what vgg_sgd_ref does */
void vgg_linear_update_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_update_task *task = argument;
    for (size_t o = begin * VGG_LINEAR_UPDATE;
         o < vgg_size_min(end * VGG_LINEAR_UPDATE, task->outputs); o++) {
        double bias = 0;
        for (size_t n = 0; n < task->images; n++) {
            bias += panel_value(task->dy_panels, task->images, VGG_LINEAR_DY, n, o);
        }
        update(task, bias, task->bias + o, task->bias_velocity + o);
        for (size_t i = 0; i < task->inputs; i++) {
            double sum = 0;
            for (size_t n = 0; n < task->images; n++) {
                sum += panel_value(task->dy_panels, task->images, VGG_LINEAR_DY, n, o) *
                       panel_value(task->x_panels, task->images, VGG_LINEAR_X, n, i);
            }
            size_t at = o * task->inputs + i;
            update(task, sum, task->weights + at, task->weights_velocity + at);
        }
    }
}
