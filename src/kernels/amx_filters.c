/* The filters of the convolution by AMX: for each group of output channels, chunk of input channels
 * and tap two registers of pairs of input channels times 16 output channels. */
#include <string.h>

#include "kernels/winograd_gather.h"

#define CHUNK VGG_DIRECT_CHANNELS
#define PIECE_WORDS 256 /* of a register */

/* taps[c * count + tap][k] of a chunk, zero beyond C and K; `count` taps. */
VGG_INLINE void gather(const vgg_winograd_task *task, vgg_element element, size_t first_k,
                       size_t first_c, size_t count, float (*taps)[GROUP]) {
    const vgg_conv_shape *shape = &task->shape;
    size_t channels = vgg_size_min(CHUNK, shape->inputs - first_c);
    memset(taps + channels * count, 0, (CHUNK - channels) * count * sizeof *taps);
    for (size_t k = 0; k < GROUP; k += VGG_LANES) {
        size_t left = shape->outputs > first_k + k ? shape->outputs - first_k - k : 0;
        size_t rows = vgg_size_min(left, VGG_LANES);
        if (!task->turned) {
            transpose(element, task->weights, ((first_k + k) * shape->inputs + first_c) * count,
                      shape->inputs * count, rows, channels * count, (void *)(&taps[0][0] + k));
            continue;
        }
        for (size_t c = 0; c < channels; c++) {
            float turned[VGG_MOST_TAPS][GROUP];
            transpose(element, task->weights,
                      ((first_c + c) * shape->outputs + first_k + k) * count, count, rows, count,
                      turned);
            for (size_t tap = 0; tap < count; tap++) {
                memcpy(&taps[c * count + tap][k], turned[count - 1 - tap],
                       VGG_LANES * sizeof(float));
            }
        }
    }
}

static void gather_chunk(const vgg_winograd_task *task, size_t first_k, size_t first_c,
                         size_t count, float (*taps)[GROUP]) {
    if (task->element == VGG_ELEMENT_FLOAT16)
        gather(task, VGG_ELEMENT_FLOAT16, first_k, first_c, count, taps);
    else if (task->element == VGG_ELEMENT_BFLOAT16)
        gather(task, VGG_ELEMENT_BFLOAT16, first_k, first_c, count, taps);
    else
        gather(task, VGG_ELEMENT_FLOAT32, first_k, first_c, count, taps);
}

static void store_chunk(const float (*taps)[GROUP], size_t count, word *to) {
    for (size_t tap = 0; tap < count; tap++) {
        for (size_t k = 0; k < GROUP; k += VGG_LANES, to += PIECE_WORDS) {
            for (size_t pair = 0; pair < CHUNK / 2; pair++) {
                vf even = vf_load(&taps[2 * pair * count + tap][k]);
                vf odd = vf_load(&taps[(2 * pair + 1) * count + tap][k]);
                operand_store(to + pair * VGG_LANES, operand_of(even, odd));
            }
        }
    }
}

void VGG_TIERED(direct_filters)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(direct_filters)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    size_t count = task->shape.kernel * task->shape.kernel;
    size_t chunks = vgg_direct_chunks(task->shape.inputs);
    size_t chunk_words = count * (GROUP / VGG_LANES) * PIECE_WORDS;
    float taps[CHUNK * VGG_MOST_TAPS][GROUP];
    for (size_t group = begin; group < end; group++) {
        for (size_t chunk = 0; chunk < chunks; chunk++) {
            gather_chunk(task, group * GROUP, chunk * CHUNK, count, taps);
            store_chunk((const float(*)[GROUP])taps, count,
                        (word *)task->filters + (group * chunks + chunk) * chunk_words);
        }
    }
}
