/* The filters of the convolution with int8 and tiles of 1: the same for every tier. Compiled
 * without fused multiply-adds. */
#include <string.h>

#include "kernels/shared.h"

#define GROUP VGG_WINOGRAD_GROUP
#define WORD_CHANNELS 4
#define PIECE_BYTES 1024
/* Added and subtracted again, it rounds a float of up to 2^22 to a whole number, to nearest even.
 */
#define ROUNDER 12582912.0f

static int32_t rounded(float value) {
    value = value > VGG_INT8_MOST ? VGG_INT8_MOST : value;
    value = value < -VGG_INT8_MOST ? -VGG_INT8_MOST : value;
    value = value == value ? (value + ROUNDER) - ROUNDER : 0;
    return (int32_t)value;
}

/* Where the first byte of weights of output channel k of a group and input channel c lies, those of
 * the taps being two pieces apart. */
static size_t place_of(size_t k, size_t c, size_t taps) {
    size_t piece = c / VGG_INT8_CHUNK * taps * 2 + k / VGG_BLOCK;
    size_t within = c % VGG_INT8_CHUNK;
    return piece * PIECE_BYTES +
           (within / WORD_CHANNELS * VGG_BLOCK + k % VGG_BLOCK) * WORD_CHANNELS +
           within % WORD_CHANNELS;
}

/* The numbers of an output channel; returns their sum. */
static int32_t put_channel(const vgg_winograd_task *task, size_t channel, int8_t *group) {
    size_t taps = task->shape.kernel * task->shape.kernel, inputs = task->shape.inputs;
    size_t bytes = vgg_element_bytes(task->element);
    const unsigned char *weights = task->weights;
    int32_t sum = 0;
    for (size_t c = 0; c < inputs; c++) {
        float values[VGG_MOST_TAPS];
        vgg_elements_to_float(task->element, weights + (channel * inputs + c) * taps * bytes, taps,
                              values);
        int8_t *to = group + place_of(channel % GROUP, c, taps);
        for (size_t tap = 0; tap < taps; tap++) {
            int32_t number = rounded(values[tap] / task->scales[channel]);
            to[tap * 2 * PIECE_BYTES] = (int8_t)number;
            sum += number;
        }
    }
    return sum;
}

void vgg_int8_direct_filters(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    size_t words = task->partition.filter_point;
    for (size_t g = begin; g < end; g++) {
        int8_t *group = (int8_t *)(task->filters + g * words);
        int32_t begins[GROUP] = {0};
        float worths[GROUP] = {0};
        memset(group, 0, words * sizeof *task->filters);
        size_t last = vgg_size_min((g + 1) * GROUP, task->shape.outputs);
        for (size_t k = g * GROUP; k < last; k++) {
            begins[k % GROUP] = -task->numbers.zero * put_channel(task, k, group);
            worths[k % GROUP] = task->scales[k] / task->numbers.factor;
        }
        float *ends = task->filters + (g + 1) * words - 2 * GROUP;
        memcpy(ends, begins, sizeof begins);
        memcpy(ends + GROUP, worths, sizeof worths);
    }
}
