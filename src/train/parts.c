#include "train/parts.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "kernels/kernels.h"

/* The highest level at which a sum waits is that of the highest bit of the last part's number. */
static size_t levels_of(size_t parts) {
    size_t levels = 0;
    for (size_t last = parts - 1; last > 0; last >>= 1) {
        levels++;
    }
    return levels;
}

size_t vgg_part_sums_bytes(size_t parts, size_t floats) {
    size_t bytes;
    if (!vgg_size_mul(levels_of(parts), floats, &bytes) ||
        !vgg_size_mul(bytes, sizeof(float), &bytes))
        return SIZE_MAX;
    return bytes;
}

vgg_status vgg_part_sums_create(vgg_part_sums *sums, size_t parts, size_t floats,
                                vgg_error *error) {
    size_t bytes = vgg_part_sums_bytes(parts, floats);
    *sums = (vgg_part_sums){.floats = floats};
    if (bytes == 0)
        return VGG_OK;
    if (bytes <= vgg_memory_available())
        sums->levels = vgg_aligned_alloc(bytes);
    if (sums->levels == NULL)
        return vgg_fail_memory(error, "the gradients of a step in parts", bytes);
    return VGG_OK;
}

void vgg_part_sums_free(vgg_part_sums *sums) {
    vgg_free(sums->levels);
    sums->levels = NULL;
}

typedef struct sum_task {
    size_t count;
    const float *kept;
    float *gradients;
} sum_task;

static void add_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const sum_task *task = context;
    (void)worker;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        task->gradients[i] += task->kept[i];
    }
}

/* Adds the sum that waits at a level. */
static void add_waiting(const vgg_part_sums *sums, size_t level, vgg_threads *threads,
                        float *gradients) {
    sum_task task = {
        .count = sums->floats, .kept = sums->levels + level * sums->floats, .gradients = gradients};
    vgg_threads_run(threads, vgg_chunks(task.count), add_chunks, &task);
}

void vgg_part_sums_add(vgg_part_sums *sums, vgg_threads *threads, float *gradients, size_t part,
                       size_t parts) {
    bool last = part + 1 == parts;
    size_t level = 0;
    /* A bit of the part's number says that a sum waits at that level. The part goes up as long as
     * there is one; the last, whose neighbours will not come, to the top. */
    for (; part >> level > 0; level++) {
        bool waits = (part >> level & 1) == 1;
        if (waits)
            add_waiting(sums, level, threads, gradients);
        else if (!last)
            break;
    }
    if (!last)
        memcpy(sums->levels + level * sums->floats, gradients, sums->floats * sizeof *gradients);
}
