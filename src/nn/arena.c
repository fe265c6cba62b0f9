/* Places buffers in one block of memory: the largest first, each at the lowest place where it
 * touches no other whose life overlaps its own. */

#include "base/memory.h"
#include "nn/plan.h"

static bool lives_overlap(const vgg_buffer *a, const vgg_buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest offset at or above `offset` where `buffer` meets none of the placed ones. */
static size_t lowest_place(const vgg_buffer *buffer, const vgg_buffer *buffers, size_t count) {
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < count; i++) {
            const vgg_buffer *other = &buffers[i];
            if (!other->placed || !lives_overlap(buffer, other) ||
                other->offset >= offset + buffer->bytes || offset >= other->offset + other->bytes)
                continue;
            offset = other->offset + other->bytes;
            moved = true;
        }
    }
    return offset;
}

size_t vgg_arena_place(vgg_buffer *buffers, size_t count) {
    size_t total = 0;
    for (;;) {
        size_t largest = count;
        for (size_t i = 0; i < count; i++) {
            if (!buffers[i].placed && buffers[i].offset != SIZE_MAX &&
                (largest == count || buffers[i].bytes > buffers[largest].bytes))
                largest = i;
        }
        if (largest == count)
            break;
        vgg_buffer *buffer = &buffers[largest];
        buffer->bytes = vgg_round_up(buffer->bytes, VGG_ALIGNMENT);
        buffer->offset = lowest_place(buffer, buffers, count);
        buffer->placed = true;
        total = vgg_size_max(total, buffer->offset + buffer->bytes);
    }
    return total;
}
