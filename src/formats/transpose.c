#include "formats/transpose.h"

#include <string.h>

#include "base/memory.h"

/* Outputs copied at a time: each row of them is a few cache lines. */
#define OUTPUTS 32

/* Bytes after which what was read is dropped: few beside the largest tensors, and much more than a
 * page at each position. */
#define SLICE ((size_t)32 << 20)

/* The channels from `begin` to `end`. Inlined for each size of an item, so that the copies are
 * single moves. */
static inline void copy_channels(const vgg_kernel_sizes *s, size_t begin, size_t end, size_t item,
                                 const unsigned char *from, unsigned char *to) {
    for (size_t first = 0; first < s->outputs; first += OUTPUTS) {
        size_t last = vgg_size_min(first + OUTPUTS, s->outputs);
        for (size_t c = begin; c < end; c++) {
            for (size_t p = 0; p < s->positions; p++) {
                for (size_t o = first; o < last; o++) {
                    memcpy(to + ((o * s->channels + c) * s->positions + p) * item,
                           from + ((p * s->channels + c) * s->outputs + o) * item, item);
                }
            }
        }
    }
}

static void copy_slice(const vgg_kernel_sizes *s, size_t begin, size_t end,
                       const unsigned char *from, unsigned char *to) {
    if (s->item == 2)
        copy_channels(s, begin, end, 2, from, to);
    else if (s->item == 4)
        copy_channels(s, begin, end, 4, from, to);
    else
        copy_channels(s, begin, end, 8, from, to);
}

vgg_status vgg_transpose(vgg_tensor_source *source, const vgg_kernel_sizes *sizes,
                         const unsigned char *from, const unsigned char **to, vgg_error *error) {
    const vgg_kernel_sizes *s = sizes;
    size_t row = s->outputs * s->item, channel = s->positions * row; /* bytes of each */
    void *memory;
    vgg_status status = vgg_tensor_source_memory(source, s->channels * channel,
                                                 "a transposed tensor", &memory, error);
    if (status != VGG_OK)
        return status;
    size_t step = vgg_size_max(SLICE / vgg_size_max(channel, 1), 1);
    for (size_t begin = 0, end; status == VGG_OK && begin < s->channels; begin = end) {
        end = vgg_size_min(begin + step, s->channels);
        copy_slice(s, begin, end, from, memory);
        for (size_t p = 0; p < s->positions; p++) {
            vgg_storage_drop(&source->storage, from + (p * s->channels + begin) * row,
                             (end - begin) * row);
        }
        status = vgg_meter_add(source->storage.meter, (end - begin) * channel, error);
    }
    vgg_storage_drop(&source->storage, from, s->channels * channel);
    *to = memory;
    return status;
}
