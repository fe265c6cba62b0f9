/* The double's convolutions, products and kernels. */
#include <stdlib.h>

#include "cuda/bodies_all.h"
#include "double.h"

/* ---- operands ---- */

static vgg_gpu_element element_of(vgg_gpu_precision precision) {
    if (precision == VGG_GPU_BF16)
        return VGG_GPU_BFLOAT16;
    return precision == VGG_GPU_F16 ? VGG_GPU_FLOAT16 : VGG_GPU_FLOAT32;
}

/* Ten bits behind the point, to nearest even. */
static float tf32_of(float value) {
    uint32_t bits = vgg_bits_of(value);
    if ((bits & 0x7f800000u) == 0x7f800000u)
        return value;
    return vgg_float_of((bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu);
}

/* Numbers (rows, columns) in rows of `stride`, as they are multiplied. */
static float *operand(const void *from, vgg_gpu_precision precision, size_t rows, size_t columns,
                      size_t stride) {
    vgg_gpu_element element = element_of(precision);
    size_t bytes = element == VGG_GPU_FLOAT32 ? sizeof(float) : sizeof(uint16_t);
    float *values = malloc((rows * columns + 1) * sizeof *values);
    if (rows * columns == 0 || values == NULL)
        abort();
    vgg_double_check_device(from, ((rows - 1) * stride + columns) * bytes);
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < columns; i++) {
            float value = vgg_load(from, element, row * stride + i);
            values[row * columns + i] = precision == VGG_GPU_TF32 ? tf32_of(value) : value;
        }
    }
    return values;
}

static float dot(const float *a, const float *b, size_t count) {
    float sums[8] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        for (size_t lane = 0; lane < 8; lane++) {
            sums[lane] += a[i + lane] * b[i + lane];
        }
    }
    for (; i < count; i++) {
        sum += a[i] * b[i];
    }
    for (size_t lane = 0; lane < 8; lane++) {
        sum += sums[lane];
    }
    return sum;
}

/* ---- convolutions ---- */

/* Calls `each` for every place of y, point of the filter and place of x that meet. */
typedef void meeting(void *context, size_t y, size_t point, size_t x);

static void meet(const vgg_gpu_conv_shape *s, meeting *each, void *context) {
    for (size_t place = 0; place < s->images * s->out_height * s->out_width; place++) {
        size_t column = place % s->out_width, row = place / s->out_width % s->out_height;
        size_t image = place / s->out_width / s->out_height;
        for (size_t point = 0; point < s->kernel * s->kernel; point++) {
            size_t r = row + point / s->kernel, c = column + point % s->kernel;
            if (r < s->padding || c < s->padding || r - s->padding >= s->height ||
                c - s->padding >= s->width)
                continue;
            each(context, place, point,
                 (image * s->height + r - s->padding) * s->width + c - s->padding);
        }
    }
}

typedef struct meeting_data {
    const vgg_gpu_conv_shape *shape;
    const float *x, *w, *y;
    float *sums;    /* FORWARD: y, DATA: x */
    double *filter; /* FILTER */
} meeting_data;

static void meet_forward(void *context, size_t y, size_t point, size_t x) {
    const meeting_data *d = context;
    size_t points = d->shape->kernel * d->shape->kernel, inputs = d->shape->inputs;
    for (size_t k = 0; k < d->shape->outputs; k++) {
        d->sums[y * d->shape->outputs + k] +=
            dot(d->x + x * inputs, d->w + (k * points + point) * inputs, inputs);
    }
}

static void meet_data(void *context, size_t y, size_t point, size_t x) {
    const meeting_data *d = context;
    size_t points = d->shape->kernel * d->shape->kernel, inputs = d->shape->inputs;
    float *to = d->sums + x * inputs;
    for (size_t k = 0; k < d->shape->outputs; k++) {
        float gradient = d->y[y * d->shape->outputs + k];
        const float *w = d->w + (k * points + point) * inputs;
        for (size_t c = 0; c < inputs; c++) {
            to[c] += gradient * w[c];
        }
    }
}

static void meet_filter(void *context, size_t y, size_t point, size_t x) {
    const meeting_data *d = context;
    size_t points = d->shape->kernel * d->shape->kernel, inputs = d->shape->inputs;
    const float *from = d->x + x * inputs;
    for (size_t k = 0; k < d->shape->outputs; k++) {
        double gradient = (double)d->y[y * d->shape->outputs + k];
        double *to = d->filter + (k * points + point) * inputs;
        for (size_t c = 0; c < inputs; c++) {
            to[c] += gradient * (double)from[c];
        }
    }
}

typedef struct conv_sizes {
    size_t xs, ys, filters; /* places of x and y, rows of w */
} conv_sizes;

static void *zeros(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL)
        abort();
    return memory;
}

static void store(void *to, vgg_gpu_element element, const float *values, size_t count) {
    vgg_double_check_device(to, count * (element == VGG_GPU_FLOAT32 ? 4 : 2));
    for (size_t i = 0; i < count; i++) {
        vgg_store(to, element, i, values[i]);
    }
}

static void forward(const vgg_gpu_conv_shape *s, const vgg_gpu_conv_task *task, conv_sizes n) {
    float *x = operand(task->x, s->precision, n.xs, s->inputs, s->inputs);
    float *w = operand(task->w, s->precision, n.filters, s->inputs, s->inputs);
    meeting_data d = {s, x, w, NULL, zeros(n.ys * s->outputs, sizeof(float)), NULL};
    vgg_double_check_device(task->bias, s->outputs * sizeof *task->bias);
    meet(s, meet_forward, &d);
    for (size_t i = 0; i < n.ys * s->outputs; i++) {
        float value = d.sums[i] + task->bias[i % s->outputs];
        d.sums[i] = s->relu && value < 0 ? 0 : value;
    }
    store(task->y, element_of(s->precision), d.sums, n.ys * s->outputs);
    free(x);
    free(w);
    free(d.sums);
}

static void data(const vgg_gpu_conv_shape *s, const vgg_gpu_conv_task *task, conv_sizes n) {
    float *y = operand(task->y, s->precision, n.ys, s->outputs, s->outputs);
    float *w = operand(task->w, s->precision, n.filters, s->inputs, s->inputs);
    meeting_data d = {s, NULL, w, y, zeros(n.xs * s->inputs, sizeof(float)), NULL};
    meet(s, meet_data, &d);
    store(task->x, element_of(s->precision), d.sums, n.xs * s->inputs);
    free(y);
    free(w);
    free(d.sums);
}

static void filter(const vgg_gpu_conv_shape *s, const vgg_gpu_conv_task *task, conv_sizes n) {
    float *x = operand(task->x, s->precision, n.xs, s->inputs, s->inputs);
    float *y = operand(task->y, s->precision, n.ys, s->outputs, s->outputs);
    size_t count = n.filters * s->inputs;
    float *narrow = zeros(count, sizeof *narrow);
    meeting_data d = {s, x, NULL, y, NULL, zeros(count, sizeof(double))};
    meet(s, meet_filter, &d);
    for (size_t i = 0; i < count; i++) {
        narrow[i] = (float)d.filter[i];
    }
    /* float16 comes narrow, so that both kinds are tested */
    bool half = s->precision == VGG_GPU_F16;
    store(task->w, half ? VGG_GPU_FLOAT16 : VGG_GPU_FLOAT32, narrow, count);
    free(x);
    free(y);
    free(narrow);
    free(d.filter);
}

void vgg_double_conv(const vgg_gpu_conv_shape *s, const vgg_gpu_conv_task *task) {
    conv_sizes n = {s->images * s->height * s->width, s->images * s->out_height * s->out_width,
                    s->outputs * s->kernel * s->kernel};
    if (s->pass == VGG_GPU_FORWARD)
        forward(s, task, n);
    else if (s->pass == VGG_GPU_DATA)
        data(s, task, n);
    else
        filter(s, task, n);
}

/* ---- products ---- */

void vgg_double_product(const vgg_gpu_product_shape *s, const vgg_gpu_product_task *task) {
    float *a = operand(task->a, s->precision, s->turned_a ? s->depth : s->rows,
                       s->turned_a ? s->rows : s->depth, s->a_stride);
    float *b = operand(task->b, s->precision, s->turned_b ? s->columns : s->depth,
                       s->turned_b ? s->depth : s->columns, s->b_stride);
    vgg_gpu_element element = s->wide ? VGG_GPU_FLOAT32 : element_of(s->precision);
    double *sums = zeros(s->columns, sizeof *sums);
    vgg_double_check_device(task->c, ((s->rows - 1) * s->c_stride + s->columns) *
                                         (element == VGG_GPU_FLOAT32 ? 4 : 2));
    for (size_t row = 0; row < s->rows; row++) {
        for (size_t i = 0; i < s->columns; i++) {
            sums[i] = s->turned_b && !s->turned_a
                          ? (double)dot(a + row * s->depth, b + i * s->depth, s->depth)
                          : 0;
        }
        for (size_t d = 0; !(s->turned_b && !s->turned_a) && d < s->depth; d++) {
            double left = (double)(s->turned_a ? a[d * s->rows + row] : a[row * s->depth + d]);
            for (size_t i = 0; i < s->columns; i++) {
                sums[i] +=
                    left * (double)(s->turned_b ? b[i * s->depth + d] : b[d * s->columns + i]);
            }
        }
        for (size_t i = 0; i < s->columns; i++) {
            size_t at = row * s->c_stride + i;
            float before = task->keep != 0 ? vgg_load(task->c, element, at) : 0;
            vgg_store(task->c, element, at, task->factor * (float)sums[i] + task->keep * before);
        }
    }
    free(a);
    free(b);
    free(sums);
}

/* ---- kernels ---- */

#define RUN(kernel, task)                                                                          \
    static void run_##kernel(const void *given, size_t units) {                                    \
        for (size_t unit = 0; unit < units; unit++) {                                              \
            vgg_body_##kernel((const vgg_gpu_##task##_task *)given, unit);                         \
        }                                                                                          \
    }
VGG_GPU_KERNELS(RUN)

#define ROW(kernel, task) {run_##kernel, sizeof(vgg_gpu_##task##_task)},
static const struct {
    void (*run)(const void *task, size_t units);
    size_t bytes;
} kernels[] = {VGG_GPU_KERNELS(ROW)};

void vgg_double_launch(vgg_gpu_kernel kernel, const void *task, size_t units) {
    kernels[kernel].run(task, units);
}

size_t vgg_double_task_bytes(vgg_gpu_kernel kernel) {
    return kernels[kernel].bytes;
}
