/* The filters of F(4x4, 3x3) or F(2x2, 3x3): from weights as they lie in files to the points of the
 * products. */
#include <string.h>

#include "kernels/winograd_gather.h"
#include "kernels/winograd_transforms.h"

/* Stored filters of this many floats are gone from the caches of a core before they are read. */
#define STREAMED_FILTERS ((size_t)1 << 20)
/* Input channels whose filters are brought into vectors at once. */
#define FILTER_CHANNELS VGG_LANES

/* The 9 taps of `rows` outputs, from `first` on, in vectors of outputs, the last tap first. */
VGG_INLINE void turn_taps(vgg_element element, const void *from, size_t first, size_t rows,
                          float *to) {
    VGG_UNROLL
    for (size_t i = 0; i < 9; i += VGG_LANES) {
        size_t count = i + VGG_LANES <= 9 ? VGG_LANES : 9 - i;
        vf lines[VGG_LANES];
        VGG_UNROLL
        for (size_t k = 0; k < VGG_LANES; k++) {
            lines[k] = k < rows ? vf_load_some(element, from, first + k * 9 + i, count) : (vf){0};
        }
        vf_transpose(lines);
        VGG_UNROLL
        for (size_t tap = 0; tap < count; tap++) {
            vf_store(to + (8 - i - tap) * GROUP, lines[tap]);
        }
    }
}

/* to[c * 9 + tap][GROUP] from the weights, for some channels from c on; zero beyond K. */
VGG_INLINE void gather(const vgg_winograd_task *task, vgg_element element, size_t first_k, size_t c,
                       size_t channels, float to[FILTER_CHANNELS * 9][GROUP]) {
    const vgg_conv_shape *shape = &task->shape;
    for (size_t k = 0; k < GROUP; k += VGG_LANES) {
        size_t left = shape->outputs > first_k + k ? shape->outputs - first_k - k : 0;
        size_t rows = vgg_size_min(left, VGG_LANES);
        if (!task->turned) {
            transpose(element, task->weights, ((first_k + k) * shape->inputs + c) * 9,
                      shape->inputs * 9, rows, channels * 9, (void *)(&to[0][0] + k));
            continue;
        }
        for (size_t i = 0; i < channels; i++) {
            turn_taps(element, task->weights, ((c + i) * shape->outputs + first_k + k) * 9, rows,
                      &to[i * 9][k]);
        }
    }
}

static void gather_filters(const vgg_winograd_task *task, size_t first_k, size_t c, size_t channels,
                           float to[FILTER_CHANNELS * 9][GROUP]) {
    if (task->element == VGG_ELEMENT_FLOAT16)
        gather(task, VGG_ELEMENT_FLOAT16, first_k, c, channels, to);
    else if (task->element == VGG_ELEMENT_BFLOAT16)
        gather(task, VGG_ELEMENT_BFLOAT16, first_k, c, channels, to);
    else
        gather(task, VGG_ELEMENT_FLOAT32, first_k, c, channels, to);
}

/* The points of one vector of output channels; g: 9 taps, GROUP floats apart. */
VGG_INLINE void filter_points(const float *g, vf u[POINTS]) {
    vf half[LINE][3];
    VGG_UNROLL
    for (int column = 0; column < 3; column++) {
        vf taps[3], out[LINE];
        VGG_UNROLL
        for (int row = 0; row < 3; row++) {
            taps[row] = vf_load(g + (row * 3 + column) * GROUP);
        }
        transform_filter(taps, out);
        VGG_UNROLL
        for (int row = 0; row < LINE; row++) {
            half[row][column] = out[row];
        }
    }
    VGG_UNROLL
    for (int row = 0; row < LINE; row++) {
        transform_filter(half[row], u + row * LINE);
    }
}

/* u[point * point_stride] of one vector of output channels, for the input channels of a word; g: 9
 * taps of each, GROUP floats apart. */
VGG_INLINE void filter_word(const float *g, bool stream, word *u, size_t point_stride) {
    vf points[WORD_CHANNELS][POINTS];
    VGG_UNROLL
    for (int c = 0; c < WORD_CHANNELS; c++) {
        filter_points(g + c * 9 * GROUP, points[c]);
    }
    VGG_UNROLL
    for (int point = 0; point < POINTS; point++) {
#if WORD_CHANNELS == 2
        vf value = (vf)operand_of(points[0][point], points[1][point]);
#else
        vf value = points[0][point];
#endif
        vf_put(stream, (float *)(u + (size_t)point * point_stride), value);
    }
}

void VGG_TILED(make_filters)(const vgg_winograd_task *task, size_t first_k, size_t first_c,
                             size_t channels, bool stream, word *u) {
    float taps[FILTER_CHANNELS * 9][GROUP];
    for (size_t c = 0; c < channels; c += FILTER_CHANNELS) {
        size_t some = vgg_size_min(FILTER_CHANNELS, channels - c);
        gather_filters(task, first_k, first_c + c, some, taps);
        if (some % WORD_CHANNELS != 0)
            memset(taps[some * 9], 0, sizeof taps[0] * 9);
        for (size_t i = 0; i < some; i += WORD_CHANNELS) {
            word *to = u + (c + i) / WORD_CHANNELS * GROUP;
            for (int v = 0; v < GROUP_VECTORS; v++) {
                filter_word(taps[i * 9] + v * VGG_LANES, stream, to + v * VGG_LANES,
                            task->partition.filter_point);
            }
        }
    }
}

/* Zeros behind the channels of each point. */
static void clear_behind(const vgg_winograd_partition *cut, size_t channels, word *u) {
    size_t end = (channels + WORD_CHANNELS - 1) / WORD_CHANNELS * GROUP;
    for (size_t point = 0; point < POINTS; point++, u += cut->filter_point) {
        memset(u + end, 0, (cut->filter_point - end) * sizeof *u);
    }
}

void VGG_TILED(filters)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TILED(filters)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    bool stream = task->partition.filters > STREAMED_FILTERS;
    for (size_t group = begin; group < end; group++) {
        word *u = (word *)task->filters + group * POINTS * task->partition.filter_point;
        VGG_TILED(make_filters)(task, group * GROUP, 0, task->shape.inputs, stream, u);
        clear_behind(&task->partition, task->shape.inputs, u);
    }
    vf_put_end(stream);
}
