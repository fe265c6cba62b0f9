/* The filters of int8: the same for every tier, so that each has the same numbers. Compiled without
 * fused multiply-adds, in which processors differ. */
#include <string.h>

#include "kernels/shared.h"

#define GROUP VGG_WINOGRAD_GROUP
#define MOST_SIDE 6
#define WORD_CHANNELS 4
/* Added and subtracted again, it rounds a float of up to 2^22 to a whole number, to nearest even.
 */
#define ROUNDER 12582912.0f

/* A value of each output channel of a group. */
typedef float lanes[GROUP];

/* G as winograd_transforms.h has it. */
#define P 0.625f
#define Q 1.5f
#define AT_ZERO (1 / (P * P * Q * Q))
#define AT_P (1 / (2 * P * P * (P * P - Q * Q)))
#define AT_Q (1 / (2 * Q * Q * (Q * Q - P * P)))
#define ROW(at, x)                                                                                 \
    { (at), (at) * (x), (at) * (x) * (x) }
static const float of_2[][3] = {{1, 0, 0}, ROW(0.5f, 1), ROW(0.5f, -1), {0, 0, 1}};
static const float of_4[][3] = {ROW(AT_ZERO, 0), ROW(AT_P, P),  ROW(AT_P, -P),
                                ROW(AT_Q, Q),    ROW(AT_Q, -Q), {0, 0, 1}};

const vgg_filter_row *vgg_winograd_filter_matrix(size_t tile) {
    return tile == 2 ? of_2 : of_4;
}

/* The weights of input channel c: taps[9]; 0 beyond the last output channel. */
static void gather(const vgg_winograd_task *task, size_t first_k, size_t c, lanes taps[9]) {
    const vgg_conv_shape *shape = &task->shape;
    size_t bytes = vgg_element_bytes(task->element);
    const unsigned char *weights = task->weights;
    memset(taps, 0, 9 * sizeof taps[0]);
    for (size_t k = 0; k < vgg_size_min(GROUP, shape->outputs - first_k); k++) {
        float values[9];
        vgg_elements_to_float(task->element,
                              weights + ((first_k + k) * shape->inputs + c) * 9 * bytes, 9, values);
        for (size_t tap = 0; tap < 9; tap++) {
            taps[tap][k] = values[tap];
        }
    }
}

static void add_three(const float row[3], const float *a, const float *b, const float *c,
                      lanes sum) {
    for (size_t k = 0; k < GROUP; k++) {
        sum[k] = row[0] * a[k] + row[1] * b[k] + row[2] * c[k];
    }
}

/* G g G^T: points[side^2]. */
static void transform(size_t side, const float (*matrix)[3], lanes taps[9], lanes *points) {
    for (size_t i = 0; i < side; i++) {
        lanes half[3];
        for (size_t column = 0; column < 3; column++) {
            add_three(matrix[i], taps[column], taps[3 + column], taps[6 + column], half[column]);
        }
        for (size_t j = 0; j < side; j++) {
            add_three(matrix[j], half[0], half[1], half[2], points[i * side + j]);
        }
    }
}

/* Rounds a point of input channel c, in byte c % 4 of its words, and adds the numbers to sums. */
static void put_point(const lanes values, const lanes scales, size_t c, uint32_t *words,
                      int32_t sums[GROUP]) {
    for (size_t k = 0; k < GROUP; k++) {
        float value = values[k] / scales[k];
        value = value > VGG_INT8_MOST ? VGG_INT8_MOST : value;
        value = value < -VGG_INT8_MOST ? -VGG_INT8_MOST : value;
        value = value == value ? (value + ROUNDER) - ROUNDER : 0;
        int32_t number = (int32_t)value;
        sums[k] += number;
        words[k] |= ((uint32_t)number & 0xffu) << c % WORD_CHANNELS * 8;
    }
}

/* Behind the filters of a point: what sums begin with, and what they are times. */
static void put_ends(const vgg_winograd_task *task, const lanes scales, size_t outputs,
                     size_t point, const int32_t sums[GROUP], uint32_t *ends) {
    for (size_t k = 0; k < GROUP; k++) {
        int32_t begin = -task->offset * sums[k];
        float worth = k < outputs ? scales[k] / task->factors[point] : 0;
        memcpy(ends + k, &begin, sizeof begin);
        memcpy(ends + GROUP + k, &worth, sizeof worth);
    }
}

static void make_group(const vgg_winograd_task *task, const float (*matrix)[3], size_t first_k,
                       uint32_t *filters) {
    const vgg_conv_shape *shape = &task->shape;
    size_t side = task->partition.tile + 2, points = side * side;
    size_t words = (shape->inputs + WORD_CHANNELS - 1) / WORD_CHANNELS;
    size_t outputs = vgg_size_min(GROUP, shape->outputs - first_k);
    lanes scales[MOST_SIDE * MOST_SIDE], values[MOST_SIDE * MOST_SIDE], taps[9];
    int32_t sums[MOST_SIDE * MOST_SIDE][GROUP] = {{0}};
    for (size_t point = 0; point < points; point++) {
        for (size_t k = 0; k < GROUP; k++) {
            scales[point][k] = k < outputs ? task->scales[(first_k + k) * points + point] : 1;
        }
        memset(filters + point * task->partition.filter_point, 0, words * GROUP * sizeof *filters);
    }
    for (size_t c = 0; c < shape->inputs; c++) {
        gather(task, first_k, c, taps);
        transform(side, matrix, taps, values);
        for (size_t point = 0; point < points; point++) {
            put_point(values[point], scales[point], c,
                      filters + point * task->partition.filter_point + c / WORD_CHANNELS * GROUP,
                      sums[point]);
        }
    }
    for (size_t point = 0; point < points; point++) {
        put_ends(task, scales[point], outputs, point, sums[point],
                 filters + point * task->partition.filter_point + words * GROUP);
    }
}

void vgg_winograd_int8_filters(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    const float(*matrix)[3] = vgg_winograd_filter_matrix(task->partition.tile);
    size_t group = vgg_winograd_points(task->partition.tile) * task->partition.filter_point;
    for (size_t g = begin; g < end; g++) {
        make_group(task, matrix, g * GROUP, (uint32_t *)(void *)task->filters + g * group);
    }
}
